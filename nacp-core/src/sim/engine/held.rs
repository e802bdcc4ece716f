//! One made-up container.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::engine::{
    Container, ContainerId, ContainerSpec, ContainerState, ContainerStats, Details, LogLine, LogLines, labels,
};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::GpuId;
use crate::service::RootAccess;
use crate::sim::service::Journal;
use crate::sim::{Service, ServiceOptions};
use crate::units::Bytes;

/// What every container takes of main memory, as far as the simulated engine tells.
const MEMORY: Bytes = Bytes::mib(64);

/// One made-up container.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: ContainerId,
    pub(super) spec: ContainerSpec,
    pub(super) state: ContainerState,
    /// Its files beside those that were put into it.
    pub(super) written: BTreeMap<String, String>,
    running: Option<Running>,
    logs: Vec<String>,
    created: Timestamp,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// The program of a container, while it runs.
#[derive(Debug)]
struct Running {
    service: Service,
    /// Dropped at its end, which whoever follows its log so learns.
    alive: watch::Sender<()>,
}

impl Held {
    pub(super) fn new(id: ContainerId, spec: &ContainerSpec, created: Timestamp) -> Self {
        let mut spec = spec.clone();
        let mut label = |name: &str, value: &str| spec.labels.insert(name.to_owned(), value.to_owned());
        label(labels::SIMULATED, "true");
        if !spec.gpus.is_empty() {
            label(labels::GPU_INJECTION, "none, the engine is simulated");
        }
        let told = spec.labels.get(labels::ROOT).filter(|told| told.starts_with("writable")).cloned();
        let root = match spec.root {
            RootAccess::Writable => told.unwrap_or_else(|| "writable, as asked for".to_owned()),
            _ => "read-only".to_owned(),
        };
        spec.labels.insert(labels::ROOT.to_owned(), root);
        Self {
            id,
            spec,
            state: ContainerState::Created,
            written: BTreeMap::new(),
            running: None,
            logs: Vec::new(),
            created,
            started: None,
            ended: None,
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// The code with which its program has ended.
    pub(super) fn code(&self) -> Option<i64> {
        match self.state {
            ContainerState::Exited(code) => code,
            _ => None,
        }
    }

    pub(super) async fn start(&mut self, now: Timestamp) {
        self.started = Some(now);
        match launch(&self.spec).await {
            Ok(service) => {
                self.running = Some(Running { service, alive: watch::Sender::new(()) });
                self.state = ContainerState::Running;
            }
            Err(error) => {
                self.logs.push(error.to_string());
                self.state = ContainerState::Exited(Some(1));
                self.ended = Some(now);
            }
        }
    }

    pub(super) async fn stop(&mut self, code: i64, now: Timestamp) {
        if let Some(Running { service, alive }) = self.running.take() {
            let journal = service.journal();
            service.shutdown().await;
            self.logs.extend(journal.from(0).0);
            drop(alive);
        }
        self.state = ContainerState::Exited(Some(code));
        self.ended = Some(now);
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.spec.publish.and(self.running.as_ref()).map(|running| running.service.address())
    }

    pub(super) fn describe(&self) -> Container {
        Container {
            id: self.id.clone(),
            name: self.spec.name.clone(),
            image: self.spec.image.clone(),
            labels: self.spec.labels.clone(),
            state: self.state,
            address: self.address(),
            created: Some(self.created),
        }
    }

    pub(super) fn details(&self, image_id: String) -> Details {
        let spec = &self.spec;
        let plain = |names: &BTreeSet<String>| names.iter().map(|name| crate::engine::plain(name)).collect();
        let read_only = spec.mounts.iter().filter(|mount| mount.read_only);
        Details {
            image_id,
            started_at: self.started,
            finished_at: self.ended.filter(|_| !self.runs()),
            exit_code: self.code(),
            driver_gpus: spec.gpus.iter().map(GpuId::to_string).collect(),
            env: spec.env.clone(),
            user: spec.user.clone().unwrap_or_default(),
            read_only: spec.root != RootAccess::Writable,
            dropped_capabilities: ["ALL".to_owned()].into(),
            added_capabilities: plain(&spec.capabilities),
            no_new_privileges: !spec.new_privileges,
            host_ipc: spec.host_ipc,
            shm: Some(spec.shm.unwrap_or(Bytes::mib(64))),
            memory: spec.memory,
            cpus: spec.cpus,
            pids: spec.pids.map(u64::from),
            ulimits: spec.ulimits.clone(),
            mounts: spec.mounts.iter().map(|mount| mount.path.clone()).collect(),
            read_only_mounts: read_only.map(|mount| mount.path.clone()).collect(),
            networks: spec.networks.clone(),
            // The program listens on loopback whatever was asked for; the engine would have published it where it was.
            published: self.published().into_iter().collect(),
            ..Details::default()
        }
    }

    fn published(&self) -> Option<SocketAddr> {
        let (publish, address) = (self.spec.publish?, self.address()?);
        Some(SocketAddr::new(publish.host, address.port()))
    }

    pub(super) fn logs(&self) -> Vec<String> {
        let mut all = self.logs.clone();
        all.extend(self.running.iter().flat_map(|running| running.service.logs()));
        all
    }

    pub(super) fn follow(&self, lines: usize) -> LogLines {
        let before = |mut all: Vec<String>| VecDeque::from(all.split_off(all.len().saturating_sub(lines)));
        let Some(Running { service, alive }) = &self.running else {
            return stream::iter(before(self.logs()).into_iter().map(line)).boxed();
        };
        let journal = service.journal();
        let (written, next) = journal.from(0);
        let queue = before(self.logs.iter().cloned().chain(written).collect());
        let follower = Follower { queue, next, journal, alive: alive.subscribe(), ended: false };
        stream::unfold(follower, |mut follower| async { Some((line(follower.next().await?), follower)) }).boxed()
    }

    pub(super) fn stats(&self) -> Result<ContainerStats> {
        let Some(running) = &self.running else {
            return Err(Error::new(ErrorKind::Conflict, "engine.stats", "the container does not run")
                .with("container", &self.id));
        };
        Ok(ContainerStats {
            cpu: Some(Duration::from_millis(running.service.stats().tokens)),
            memory: Some(MEMORY),
            memory_limit: self.spec.memory,
            pids: Some(1),
            received: None,
            sent: None,
            read: None,
            written: None,
        })
    }
}

fn line(text: String) -> Result<LogLine> {
    Ok(LogLine { error: false, text })
}

/// Reads a log on until its container ends.
struct Follower {
    queue: VecDeque<String>,
    next: usize,
    journal: Journal,
    alive: watch::Receiver<()>,
    ended: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.queue.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.ended = {
                let (grows, ends) = (pin!(self.journal.grows()), pin!(self.alive.changed()));
                matches!(select(grows, ends).await, Either::Right(_))
            };
            let (lines, next) = self.journal.from(self.next);
            self.queue.extend(lines);
            self.next = next;
        }
    }
}

/// Starts the service that the container's environment describes, with the GPUs of the container as a program would
/// see them. Whatever address it is to be published at, it listens on loopback.
async fn launch(spec: &ContainerSpec) -> Result<Service> {
    let options = ServiceOptions::from_env(&environment(spec))?;
    let port = spec.publish.and_then(|publish| publish.port).unwrap_or(0);
    Service::start(options, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// The environment of a container's programs.
pub(super) fn environment(spec: &ContainerSpec) -> BTreeMap<String, String> {
    let mut env = spec.env.clone();
    let gpus: Vec<_> = spec.gpus.iter().map(GpuId::as_str).collect();
    env.entry("CUDA_VISIBLE_DEVICES".to_owned()).or_insert_with(|| gpus.join(","));
    env
}
