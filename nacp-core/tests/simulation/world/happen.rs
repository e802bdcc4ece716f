//! What happens by itself: programs that become ready or end, GPUs that fall off, people who meddle.

use std::time::Duration;

use nacp_core::engine::{ContainerSpec, ContainerState, EngineEvent, labels};

use super::{Effect, Request, Who, World};
use crate::faults::Fault;

/// Something that is going to happen.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// An event reaches a watcher.
    Deliver(u64, EngineEvent),
    /// A container's program is ready, if it is still in that run.
    Ready(String, u32),
    /// It ends.
    End(String, u32, i64),
    /// A call arrives for which nobody waits any more.
    Late(Who, Effect),
    /// A GPU is back, and healthy.
    GpuBack(usize),
    /// A stranger takes his container away.
    StrangerLeaves(String),
    /// Something goes wrong, and after it something else.
    Trouble,
    /// A user says something.
    User,
    /// A program starts.
    Start(usize),
    /// A program's user has what he wanted deleted, and wants it back.
    Undelete(usize),
    /// From now on nothing goes wrong any more.
    Calm,
    /// Somebody looks whether all is as wanted.
    Look,
}

impl World {
    /// Does what happens to containers and GPUs.
    pub(crate) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Deliver(number, event) => {
                if let Some(watcher) = self.watchers.get_mut(&number).filter(|watcher| !watcher.closed) {
                    watcher.events.push_back(event);
                    watcher.waker.take().into_iter().for_each(std::task::Waker::wake);
                }
            }
            Happening::Ready(id, run) => {
                let still = |held: &super::Held| held.runs == run && held.active() && !held.stopping;
                if self.containers.get(&id).is_some_and(still) {
                    self.become_ready(&id);
                }
            }
            Happening::End(id, run, code) if self.containers.get(&id).is_some_and(|held| held.runs == run) => {
                self.end(&id, Some(code));
            }
            Happening::Late(who, effect) => {
                self.tell(format_args!("    late from {who}: {}", effect.told()));
                if !self.is_down() {
                    let _ = self.effect(who, &effect);
                }
            }
            Happening::GpuBack(gpu) => self.gpu_back(gpu),
            Happening::StrangerLeaves(id) => self.remove(&id),
            Happening::Trouble => self.trouble(),
            _ => {}
        }
    }

    fn gpu_back(&mut self, gpu: usize) {
        self.tell(format_args!("    gpu {gpu} is well"));
        (self.gpus[gpu].present, self.gpus[gpu].condemned) = (true, false);
        self.dirty = true;
    }

    /// The end of a daemon: nothing is answered for a while.
    fn daemon(&mut self, spares: bool) {
        let down = self.rng.millis(500..20_000);
        self.tell(format_args!(
            "    the daemon restarts, in {down:?}; its containers {}",
            if spares { "live on" } else { "end" }
        ));
        self.down = Some(self.now() + down);
        self.close_watches();
        if !spares {
            let running: Vec<_> =
                self.containers.values().filter(|held| held.active()).map(|held| held.id.clone()).collect();
            for id in running {
                let code = self.rng.chance(500).then_some(137);
                self.end(&id, code);
            }
        }
    }

    pub(crate) fn close_watches(&mut self) {
        for watcher in self.watchers.values_mut() {
            watcher.closed = true;
            watcher.waker.take().into_iter().for_each(std::task::Waker::wake);
        }
    }

    /// One of the containers that a control plane made.
    fn any_of_ours(&mut self, also: impl Fn(&super::Held) -> bool) -> Option<String> {
        let ours: Vec<_> = self
            .containers
            .values()
            .filter(|held| held.maker.is_some() && also(held))
            .map(|held| held.id.clone())
            .collect();
        (!ours.is_empty()).then(|| ours[self.rng.index(ours.len())].clone())
    }

    fn trouble(&mut self) {
        let next = self.rng.millis(1_000..25_000);
        self.schedule(next, Happening::Trouble);
        let kind = self.rng.below(14);
        let of = |world: &mut Self, fault| world.fault(fault, 1000);
        match kind {
            0 if of(self, Fault::DaemonKills) => self.daemon(false),
            1 if of(self, Fault::DaemonSpares) => self.daemon(true),
            2 => {
                if let Some(id) = self.any_of_ours(|_| true).filter(|_| of(self, Fault::HumanRemoves)) {
                    self.tell(format_args!("    somebody removes {id}"));
                    self.remove(&id);
                }
            }
            3 => {
                if let Some(id) = self.any_of_ours(super::Held::active).filter(|_| of(self, Fault::HumanStops)) {
                    self.tell(format_args!("    somebody stops {id}"));
                    self.end(&id, Some(143));
                }
            }
            4 | 5 => self.gpu_trouble(kind == 4),
            6 => {
                if let Some(id) = self.any_of_ours(|held| held.ready).filter(|_| of(self, Fault::Unready)) {
                    self.tell(format_args!("    {id} is no longer ready"));
                    let held = self.containers.get_mut(&id).unwrap();
                    held.ready = false;
                    let run = held.runs;
                    let back = self.rng.millis(2_000..90_000);
                    self.schedule(back, Happening::Ready(id, run));
                }
            }
            7 => {
                if let Some(id) = self.any_of_ours(super::Held::active).filter(|_| of(self, Fault::CrashLoop)) {
                    let until = self.now() + self.rng.millis(5_000..120_000);
                    let (app, service, _) = self.containers[&id].key().unwrap();
                    self.tell(format_args!("    {app}/{service} crashes until {until:?}"));
                    self.crashing.insert((app, service), until);
                    self.end(&id, Some(1));
                }
            }
            8 => self.stranger_takes_name(),
            9 => self.stranger_copies_labels(),
            10 if of(self, Fault::ImageGone) => {
                let used: Vec<_> = self.containers.values().map(|held| held.image.clone()).collect();
                self.images.retain(|image| used.contains(image));
            }
            11 if of(self, Fault::WatchCloses) => self.close_watches(),
            12 | 13 => {
                let program = self.rng.index(self.desires.len());
                if of(self, Fault::Crash) {
                    self.requests.push(Request::Crash(program));
                }
            }
            _ => {}
        }
    }

    fn gpu_trouble(&mut self, vanishes: bool) {
        let usable: Vec<_> = (0..self.gpus.len()).filter(|gpu| self.gpus[*gpu].usable()).collect();
        let fault = if vanishes { Fault::GpuVanishes } else { Fault::GpuCondemned };
        let gpu = usable.get(self.rng.index(usable.len().max(1))).copied();
        let back = self.rng.millis(5_000..200_000);
        let Some(gpu) = gpu.filter(|_| self.fault(fault, 1000)) else { return };
        self.schedule(back, Happening::GpuBack(gpu));
        self.dirty = true;
        if !vanishes {
            self.tell(format_args!("    gpu {gpu} has a fatal finding"));
            self.gpus[gpu].condemned = true;
            return;
        }
        self.gpus[gpu].present = false;
        self.gpus[gpu].listed = self.rng.chance(500);
        self.tell(format_args!("    gpu {gpu} falls off"));
        let there: Vec<_> = self
            .containers
            .values()
            .filter(|held| held.active() && held.gpus.contains(&gpu))
            .map(|held| held.id.clone())
            .collect();
        for id in there {
            match self.rng.chance(500) {
                true => self.end(&id, Some(1)),
                false => self.containers.get_mut(&id).unwrap().ready = false,
            }
        }
    }

    fn stranger_takes_name(&mut self) {
        let program = self.rng.index(self.desires.len());
        let desire = &self.desires[program];
        let Some((service, _)) = desire.app.services.iter().next() else { return };
        let name = format!("nacp.{}.{service}.0", desire.name);
        let name = if self.rng.chance(300) { format!("{name}.next") } else { name };
        let taken = self.containers.values().any(|held| held.name == name);
        let stays = self.rng.millis(3_000..60_000);
        if !taken && self.fault(Fault::NameTaken, 1000) {
            let id = self.put(&ContainerSpec::new(&name, "other:1"), None);
            self.tell(format_args!("    a stranger's {id} is named {name}"));
            self.schedule(stays, Happening::StrangerLeaves(id));
        }
    }

    /// An image that was made of one of our containers hands its labels on.
    fn stranger_copies_labels(&mut self) {
        let Some(ours) = self.any_of_ours(|_| true).filter(|_| self.fault(Fault::LabelsCopied, 1000)) else { return };
        let name = format!("copy-of-{ours}-{}", self.number());
        let mut spec = ContainerSpec::new(&name, "copy:1");
        spec.labels.clone_from(&self.containers[&ours].labels);
        let id = self.put(&spec, None);
        self.tell(format_args!("    a stranger's {id} has the labels of {ours}"));
        self.set_state(&id, ContainerState::Running);
    }

    /// Nothing goes wrong any more: what was out of order is well again, or will be soon.
    pub(crate) fn calm(&mut self) {
        self.tell(format_args!("    calm"));
        self.chaos = false;
        self.crashing.clear();
        for gpu in 0..self.gpus.len() {
            if !self.gpus[gpu].usable() {
                self.gpu_back(gpu);
            }
        }
        let containers = &self.containers;
        self.agenda.retain(|_, happening| match happening {
            Happening::End(id, ..) => containers
                .get(id)
                .is_some_and(|held| held.stopping || ["crash", "job"].iter().any(|ends| held.image.contains(ends))),
            _ => true,
        });
        let unready: Vec<_> = self
            .containers
            .values()
            .filter(|held| held.active() && !held.ready && held.maker.is_some())
            .filter(|held| !["crash", "job", "mute"].iter().any(|bad| held.image.contains(bad)))
            .map(|held| (held.id.clone(), held.runs))
            .collect();
        for (id, run) in unready {
            let after = self.rng.millis(100..5_000);
            self.schedule(after, Happening::Ready(id, run));
        }
        self.dirty = true;
    }

    /// Strangers who have nothing to do with the apps.
    pub(crate) fn strangers(&mut self) {
        for name in ["postgres", "nacp.other.thing.0"] {
            let mut spec = ContainerSpec::new(name, "stranger:1");
            spec.labels.insert("com.example.app".to_owned(), "x".to_owned());
            if name.starts_with("nacp") {
                spec.labels.insert(labels::SERVICE.to_owned(), "thing".to_owned());
            }
            let id = self.put(&spec, None);
            self.set_state(&id, ContainerState::Running);
        }
    }

    /// How long the next of a kind of thing takes to come.
    pub(crate) fn soon(&mut self, least: u64, most: u64) -> Duration {
        self.rng.millis(least..most)
    }
}
