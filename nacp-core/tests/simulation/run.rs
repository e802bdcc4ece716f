//! One run: a seed, played to its end on one thread.

use std::sync::Arc;
use std::time::Duration;

use nacp_core::clock::Clock;
use nacp_core::control::{ControlPlane, EventKind, Listener, Wanted};
use nacp_core::engine::Engine;
use nacp_core::gpu;

use crate::checks::SECRET;
use crate::engine::{Shared, SimEngine};
use crate::faults::{Counts, Fault, Mask};
use crate::mutation::Mutation;
use crate::naive;
use crate::rng::Rng;
use crate::scenario;
use crate::seams::{SimGpus, SimLeases, SimProber, SimTraffic};
use crate::tasks::{TaskId, Tasks};
use crate::time::Time;
use crate::users::{self, Word};
use crate::world::{Happening, Request, Violation, Who, World};

/// More steps than this are a hang.
const STEPS: u64 = 400_000;

/// How long it may take, once nothing goes wrong any more, until everything is as wanted.
const CONVERGES: Duration = Duration::from_secs(20 * 60);

/// How long after that things may still be put in order.
const SETTLES: Duration = Duration::from_secs(60);

/// For how long nothing may happen then.
const QUIET: Duration = Duration::from_secs(300);

/// What is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) mask: Mask,
    pub(crate) mutation: Mutation,
    /// Whether the trace is printed as it is written.
    pub(crate) aloud: bool,
}

impl Options {
    pub(crate) const fn seed(seed: u64) -> Self {
        Self { seed, mask: Mask::ALL, mutation: Mutation::None, aloud: false }
    }
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) violation: Option<Violation>,
    pub(crate) trace: (u64, u64),
    pub(crate) last: Vec<String>,
    pub(crate) counts: Counts,
    pub(crate) steps: u64,
    pub(crate) time: Duration,
}

struct Program {
    wanted: Wanted,
    task: Option<TaskId>,
    listener: Option<Listener>,
}

struct Run {
    options: Options,
    shared: Shared,
    tasks: Tasks,
    rng: Rng,
    node: gpu::Node,
    programs: Vec<Program>,
    /// When nothing went wrong any more; when all was as wanted; calls and changes when it had to be quiet.
    calm: Option<Duration>,
    settled: Option<Duration>,
    quiet: Option<(Duration, u64, u64)>,
    /// Whether what was as wanted is updated once more.
    updating: bool,
    /// The calls at the beginning of this minute.
    minute: (u64, u64),
    done: bool,
}

/// Plays a seed.
pub(crate) fn play(options: Options) -> Outcome {
    let time = Arc::new(Time::default());
    let mut world = World::new(Arc::clone(&time), Rng::new(options.seed), options.mask);
    world.trace.aloud = options.aloud;
    scenario::set_up(&mut world);
    let wanted = world.desires.iter().map(|desire| Wanted::new(desire.app.clone()).unwrap());
    let programs = wanted.map(|wanted| Program { wanted, task: None, listener: None }).collect();
    let mut run = Run {
        options,
        shared: Shared::new(time, world),
        tasks: Tasks::default(),
        rng: Rng::new(!options.seed),
        node: crate::node::empty(),
        programs,
        calm: None,
        settled: None,
        quiet: None,
        updating: false,
        minute: (0, 0),
        done: false,
    };
    let mut steps = 0;
    while !run.done {
        steps += 1;
        run.step(steps);
    }
    let time = run.shared.time.now();
    // What is dropped at the end is no crash of anybody's.
    run.shared.world().chaos = false;
    drop(run.tasks);
    let world = run.shared.world();
    Outcome {
        violation: world.violation.clone(),
        trace: world.trace.hash(),
        last: world.trace.last().map(str::to_owned).collect(),
        counts: world.counts.clone(),
        steps,
        time,
    }
}

impl Run {
    fn step(&mut self, steps: u64) {
        let now = self.shared.time.now();
        self.shared.time.go_to(now);
        let due = self.shared.world().agenda.range(..=(now, u64::MAX)).count();
        let awake = self.tasks.awake();
        if due + awake == 0 {
            self.pass();
        } else {
            let choice = self.rng.index(due + awake);
            match choice.checked_sub(awake) {
                None => self.poll(choice),
                Some(place) => {
                    let happening = {
                        let mut world = self.shared.world();
                        let key = world.agenda.keys().nth(place).copied().unwrap();
                        world.agenda.remove(&key)
                    };
                    self.happen(happening.unwrap());
                }
            }
        }
        let mut world = self.shared.world();
        world.check();
        if steps > STEPS {
            world.violate("hang", format!("{steps} steps and no end"));
        }
        let requests = std::mem::take(&mut world.requests);
        self.done |= world.violation.is_some();
        drop(world);
        for request in requests {
            match request {
                Request::Crash(program) => self.crash(program),
            }
        }
    }

    /// Nothing can run: time goes on.
    fn pass(&mut self) {
        let timer = self.shared.time.next();
        let mut world = self.shared.world();
        let next = world.agenda.keys().next().map(|(at, _)| *at).into_iter().chain(timer).min();
        let Some(next) = next else { return world.violate("hang", "nothing will ever happen".to_owned()) };
        let (minute, calls) = self.minute;
        if next.as_secs() / 60 != minute {
            if world.calls - calls > 4_000 {
                let what = format!("{} calls within a minute", world.calls - calls);
                world.violate("hot-loop", what);
            }
            self.minute = (next.as_secs() / 60, world.calls);
        }
        drop(world);
        self.shared.time.go_to(next);
    }

    fn poll(&mut self, place: usize) {
        let (task, ended) = self.tasks.poll(place);
        let Some(program) = self.programs.iter().position(|program| program.task == Some(task)) else { return };
        self.listen(program);
        if ended {
            self.programs[program].task = None;
            let mut world = self.shared.world();
            if world.desires[program].deleting {
                return;
            }
            world.desires[program].alive = false;
            if !world.chaos {
                world.violate("loop-ended", format!("p{program} keeps nothing any more"));
            }
            world.schedule(Duration::from_secs(5), Happening::Start(program));
        } else if self.shared.world().fault(Fault::Crash, 1) {
            self.crash(program);
        }
    }

    /// Hears what a program tells: it stands in the trace, and no secret is in it.
    fn listen(&mut self, program: usize) {
        let Some(listener) = &mut self.programs[program].listener else { return };
        while let Some(event) = listener.try_next() {
            let mut world = self.shared.world();
            world.counts.add(name(&event.kind));
            let (service, number) = (event.service.as_deref().unwrap_or("-"), event.replica.unwrap_or_default());
            world.tell(format_args!("  p{program} tells of {service}/{number}: {}", event.kind));
            if format!("{event:?}").contains(SECRET) {
                world.violate("secrets", format!("a value stands in an event: {event}"));
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Start(program) => self.start(program),
            Happening::User => self.user(),
            Happening::Calm => self.calm(),
            Happening::Look => self.look(),
            Happening::Undelete(program) => {
                self.shared.world().desires[program].deleting = false;
                self.start(program);
            }
            Happening::Trouble if self.calm.is_some() => {}
            other => self.shared.world().happen(other),
        }
    }

    fn plane(&self, who: Who) -> ControlPlane {
        let (shared, mutation) = (self.shared.clone(), self.options.mutation);
        let engine: Arc<dyn Engine> = Arc::new(SimEngine { shared: shared.clone(), who, mutation });
        ControlPlane::new(self.node.clone(), engine)
            .with_clock(Arc::clone(&shared.time) as Arc<dyn Clock>)
            .with_prober(Arc::new(SimProber { shared: shared.clone(), mutation }))
            .with_gpus(Arc::new(SimGpus { shared: shared.clone() }))
            .with_leases(Arc::new(SimLeases { shared: shared.clone(), who, mutation }))
            .with_traffic(Arc::new(SimTraffic { shared, program: who.program }))
            .with_seed(self.options.seed ^ u64::from(who.life))
    }

    fn start(&mut self, program: usize) {
        if self.programs[program].task.is_some() {
            return;
        }
        let who = {
            let mut world = self.shared.world();
            world.withdrawn.retain(|(of, _), _| *of != program);
            let desire = &mut world.desires[program];
            desire.life += 1;
            desire.alive = true;
            let who = Who { program, life: desire.life };
            world.tell(format_args!("{who} starts"));
            who
        };
        let (plane, wanted, shared) = (self.plane(who), self.programs[program].wanted.clone(), self.shared.clone());
        let mutation = self.options.mutation;
        self.programs[program].listener = Some(plane.events().listen());
        self.programs[program].task = Some(self.tasks.spawn(async move {
            if mutation == Mutation::NaiveLoop {
                return naive::keep(&SimEngine { shared, who, mutation }, &wanted).await;
            }
            let ended = plane.keep(&wanted).await;
            shared.world().tell(format_args!("{who} ends: {ended:?}"));
        }));
    }

    /// A program is killed: what it was about to do is not done, except for what is on its way already.
    fn crash(&mut self, program: usize) {
        let Some(task) = self.programs[program].task else { return };
        let (again, deleting) = {
            let mut world = self.shared.world();
            let again = world.soon(0, 20_000);
            let desire = &mut world.desires[program];
            if desire.deleting {
                return;
            }
            desire.alive = false;
            let who = Who { program, life: desire.life };
            let deleting = desire.deleting;
            world.tell(format_args!("{who} is killed"));
            (again, deleting)
        };
        if !deleting {
            self.programs[program].task = None;
            self.tasks.drop_task(task);
            self.shared.world().schedule(again, Happening::Start(program));
        }
    }

    fn user(&mut self) {
        let mut world = self.shared.world();
        if self.calm.is_some() {
            return;
        }
        let next = world.soon(1_000, 45_000);
        world.schedule(next, Happening::User);
        let program = world.rng.index(self.programs.len());
        if world.desires[program].deleting {
            return;
        }
        let word = users::say(&mut world, program, &self.programs[program].wanted);
        drop(world);
        if word == Word::Delete {
            self.delete(program);
        }
    }

    /// Ends the keeping of an app and deletes it, as often as it takes; it comes back a while later.
    fn delete(&mut self, program: usize) {
        if let Some(task) = self.programs[program].task.take() {
            self.tasks.drop_task(task);
        }
        let who = {
            let mut world = self.shared.world();
            let desire = &mut world.desires[program];
            (desire.deleting, desire.alive) = (true, false);
            Who { program, life: desire.life }
        };
        let (plane, shared) = (self.plane(who), self.shared.clone());
        self.tasks.spawn(async move {
            let name = shared.world().desires[program].name.clone();
            loop {
                let deleted = plane.delete(&name).await;
                shared.world().tell(format_args!("{who} deletes {name}: {deleted:?}"));
                if deleted.is_ok() {
                    break;
                }
                shared.time.sleep(Duration::from_secs(2)).await;
            }
            let mut world = shared.world();
            let back = world.soon(0, 10_000);
            world.schedule(back, Happening::Undelete(program));
        });
    }

    /// From now on nothing goes wrong any more, and everybody wants what can be had.
    fn calm(&mut self) {
        let mut world = self.shared.world();
        self.calm = Some(world.now());
        world.calm();
        for (program, Program { wanted, .. }) in self.programs.iter().enumerate() {
            users::settle(&mut world, program, wanted);
        }
        world.schedule(Duration::from_secs(1), Happening::Look);
    }

    fn look(&mut self) {
        let mut world = self.shared.world();
        world.schedule(Duration::from_secs(2), Happening::Look);
        let now = world.now();
        let calm = self.calm.unwrap_or_default();
        if let Some(what) = world.unsettled() {
            self.settled = None;
            if self.quiet.is_some() {
                world.violate("unrest", what);
            } else if now > calm + CONVERGES {
                world.violate("convergence", what);
            }
            return;
        }
        let settled = *self.settled.get_or_insert(now);
        if now < settled + SETTLES {
            return;
        }
        let (since, calls, changes) = *self.quiet.get_or_insert((now, world.calls, world.changes));
        if world.changes > changes {
            let what = format!("{} changes where nothing is to be done", world.changes - changes);
            return world.violate("unrest", what);
        }
        if now >= since + QUIET {
            let replicas = world.containers.len() as u64 + 4;
            let most = QUIET.as_secs() / 2 * replicas * world.desires.len() as u64;
            if world.calls - calls > most {
                let what = format!("{} calls in {QUIET:?} where nothing is to be done", world.calls - calls);
                return world.violate("hot-loop", what);
            }
            world.counts.add("converged");
            if self.updating || self.options.seed.is_multiple_of(2) {
                self.done = true;
                return;
            }
            (self.updating, self.settled, self.quiet, self.calm) = (true, None, None, Some(now));
            world.guard();
            for (program, Program { wanted, .. }) in self.programs.iter().enumerate() {
                users::update(&mut world, program, wanted);
            }
        }
    }
}

const fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Pulling(_) => "told-pulling",
        EventKind::Doing { .. } => "told-doing",
        EventKind::Done { .. } => "told-done",
        EventKind::Failed { .. } => "told-failed",
        EventKind::Ready { .. } => "told-ready",
        EventKind::NotReady { .. } => "told-not-ready",
        EventKind::Ended { .. } => "told-ended",
        EventKind::RolledBack { .. } => "told-rolled-back",
        EventKind::Cordoned { .. } => "told-cordoned",
        EventKind::Standby { .. } => "told-standby",
        EventKind::Keeping => "told-keeping",
        EventKind::Converged => "told-converged",
        _ => "told-something-else",
    }
}
