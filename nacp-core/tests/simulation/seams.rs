//! The other things that a control plane is handed: GPUs, leases, a prober, a router's view of the requests in flight.

use std::collections::BTreeMap;

use async_trait::async_trait;
use nacp_core::clock::Clock as _;
use nacp_core::control::{GpuView, Gpus, Lease, Leases, Prober, Target};
use nacp_core::engine::Traffic;
use nacp_core::service::{Check, Probe};
use nacp_core::{Error, ErrorKind, Result};

use crate::engine::Shared;
use crate::faults::Fault;
use crate::mutation::Mutation;
use crate::world::Who;

/// The driver, as a program asks it.
#[derive(Debug)]
pub(crate) struct SimGpus {
    pub(crate) shared: Shared,
}

#[async_trait]
impl Gpus for SimGpus {
    async fn view(&self) -> Result<GpuView> {
        let (delay, fails) = {
            let mut world = self.shared.world();
            let rate = world.rates.call;
            (world.rng.millis(1..20), world.fault(Fault::GpuViewFails, rate))
        };
        self.shared.time.sleep(delay).await;
        if fails {
            return Err(Error::new(ErrorKind::Timeout, "gpus", "the driver does not answer").retry_later());
        }
        let world = self.shared.world();
        let condemned: BTreeMap<_, _> = world
            .gpus
            .iter()
            .filter(|gpu| gpu.condemned)
            .map(|gpu| (gpu.id.clone(), "a fatal finding".to_owned()))
            .collect();
        Ok(view(world.snapshot(), condemned))
    }
}

fn view(snapshot: nacp_core::gpu::Snapshot, condemned: BTreeMap<nacp_core::gpu::GpuId, String>) -> GpuView {
    condemned.into_iter().fold(GpuView::new(snapshot), |view, (gpu, reason)| view.condemn(gpu, reason))
}

/// Leases on one machine: they end with the program that holds them.
#[derive(Debug)]
pub(crate) struct SimLeases {
    pub(crate) shared: Shared,
    pub(crate) who: Who,
    pub(crate) mutation: Mutation,
}

#[derive(Debug)]
struct Held {
    shared: Shared,
    app: String,
    who: Who,
}

impl Lease for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        let mut world = self.shared.world();
        if world.leases.get(&self.app) == Some(&self.who) {
            world.leases.remove(&self.app);
            world.tell(format_args!("{} no longer keeps {}", self.who, self.app));
        }
    }
}

#[async_trait]
impl Leases for SimLeases {
    async fn take(&self, _engine: &str, app: &str) -> Result<Result<Box<dyn Lease>, String>> {
        let (delay, fails) = {
            let mut world = self.shared.world();
            let rate = world.rates.call;
            (world.rng.millis(0..5), world.fault(Fault::LeaseFails, rate))
        };
        self.shared.time.sleep(delay).await;
        if fails {
            return Err(Error::new(ErrorKind::PermissionDenied, "lease", "the folder cannot be written"));
        }
        let mut world = self.shared.world();
        match world.leases.get(app) {
            Some(holder) if *holder != self.who => {
                let holder = holder.to_string();
                world.counts.add("standby");
                if self.mutation != Mutation::EveryoneHasTheLease {
                    return Ok(Err(holder));
                }
            }
            Some(_) => {}
            None => {
                world.leases.insert(app.to_owned(), self.who);
                world.tell(format_args!("{} keeps {app}", self.who));
            }
        }
        Ok(Ok(Box::new(Held { shared: self.shared.clone(), app: app.to_owned(), who: self.who })))
    }
}

/// Asks the programs.
#[derive(Debug)]
pub(crate) struct SimProber {
    pub(crate) shared: Shared,
    pub(crate) mutation: Mutation,
}

#[async_trait]
impl Prober for SimProber {
    async fn ask(&self, target: Target<'_>, probe: &Probe) -> Result<(), String> {
        if self.mutation == Mutation::ReadyAtOnce {
            return Ok(());
        }
        let (delay, lies) = {
            let mut world = self.shared.world();
            let rate = world.rates.program;
            (world.rng.millis(1..30), world.fault(Fault::ProbeLies, rate / 4))
        };
        self.shared.time.sleep(delay).await;
        if lies {
            return Err(format!("no answer within {:?}", probe.timeout));
        }
        match &probe.check {
            Check::Exec(command) => match target.engine.exec(target.container, command, probe.timeout).await {
                Ok(done) if done.code == 0 => Ok(()),
                Ok(done) => Err(format!("exit code {}", done.code)),
                Err(error) => Err(error.message().to_owned()),
            },
            Check::Log(text) => match target.engine.logs(target.container, 100).await {
                Ok(lines) if lines.iter().any(|line| line.contains(text)) => Ok(()),
                Ok(_) => Err("not in the log".to_owned()),
                Err(error) => Err(error.message().to_owned()),
            },
            _ => {
                let address = target.address.ok_or("its port is not published")?;
                let world = self.shared.world();
                match world.containers.values().find(|held| held.address == Some(address)) {
                    Some(held) if held.ready => Ok(()),
                    Some(_) => Err("HTTP 503".to_owned()),
                    None => Err("no connection".to_owned()),
                }
            }
        }
    }
}

/// A router whose requests end after a while.
#[derive(Debug)]
pub(crate) struct SimTraffic {
    pub(crate) shared: Shared,
    pub(crate) program: usize,
}

impl Traffic for SimTraffic {
    fn withdraw(&self, replica: &str) -> usize {
        let mut world = self.shared.world();
        world.counts.add("withdraw");
        let id = world.containers.values().find(|held| held.name == replica).map(|held| held.id.clone());
        if let Some(id) = id {
            world.withdrawn.insert((self.program, replica.to_owned()), id);
        }
        usize::try_from(world.rng.below(4) / 2).unwrap()
    }

    fn restore(&self, replica: &str) {
        let mut world = self.shared.world();
        world.counts.add("restore");
        world.withdrawn.remove(&(self.program, replica.to_owned()));
    }
}
