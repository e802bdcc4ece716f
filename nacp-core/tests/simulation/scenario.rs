//! What a seed plays: GPUs, apps, programs, how often things go wrong and for how long.

use std::time::Duration;

use nacp_core::Bytes;
use nacp_core::service::{App, Condition, GpuNeed, Probe, Restart, Service, Strategy};

use crate::checks::SECRET;
use crate::faults::{Fault, Mask};
use crate::rng::Rng;
use crate::world::{Desire, Happening, Rates, SimGpu, World};

/// The images that a healthy service may have; another one is another specification.
pub(crate) const IMAGES: [&str; 3] = ["llm:1", "llm:2", "llm:3"];

/// Makes the world of a seed.
pub(crate) fn set_up(world: &mut World) {
    let gpus = world.rng.range(1..6);
    let memory = *pick(&mut world.rng, &[8u64, 16, 24]);
    world.gpus = (0..gpus).map(|index| SimGpu::new(u32::try_from(index).unwrap(), Bytes::gib(memory))).collect();
    world.rates = match world.rng.below(4) {
        0 => Rates::default(),
        1 => Rates { call: 8, program: 30, event: 50 },
        2 => Rates { call: 25, program: 80, event: 150 },
        _ => Rates { call: 80, program: 150, event: 400 },
    };
    let mut apps = vec![app(&mut world.rng, "a", memory)];
    if world.rng.chance(450) {
        let app = app(&mut world.rng, "b", memory);
        apps.push(app);
    }
    if world.fault(Fault::SecondProgram, 350) {
        let mut app = apps[0].clone();
        if world.rng.chance(500) {
            change(&mut world.rng, &mut app);
        }
        apps.push(app);
    }
    world.desires = apps.into_iter().map(Desire::new).collect();
    world.strangers();
    world.images.insert("web:1".to_owned());
    for program in 0..world.desires.len() {
        let after = world.soon(0, 3_000);
        world.schedule(after, Happening::Start(program));
    }
    let calm = world.soon(20_000, 400_000);
    world.schedule(calm, Happening::Calm);
    let trouble = world.soon(100, 20_000);
    world.schedule(trouble, Happening::Trouble);
    let user = world.soon(2_000, 40_000);
    world.schedule(user, Happening::User);
    if world.mask == Mask::NONE {
        world.rates = Rates::default();
    }
}

pub(crate) fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.index(from.len())]
}

fn probe(rng: &mut Rng) -> Probe {
    let probe = match rng.below(6) {
        0 => Probe::tcp(),
        1 => Probe::exec(["ready"]),
        2 => Probe::log("listening"),
        _ => Probe::http("/healthz"),
    };
    probe.within(Duration::from_secs(rng.range(20..60))).every(Duration::from_secs(rng.range(2..10)))
}

fn strategy(rng: &mut Rng) -> Strategy {
    match rng.below(6) {
        0 => Strategy::Rolling { surge: 1, unavailable: 0 },
        1 => Strategy::Rolling { surge: 1, unavailable: 1 },
        2 => Strategy::BlueGreen,
        _ => Strategy::default(),
    }
}

/// An app of one to four services.
fn app(rng: &mut Rng, name: &str, memory: u64) -> App {
    let need = |rng: &mut Rng| GpuNeed::memory(Bytes::gib(rng.range(1..(memory / 3))));
    let mut llm = Service::new(*pick(rng, &IMAGES))
        .port(8000)
        .ready(probe(rng))
        .gpu(need(rng))
        .env("TOKEN", SECRET)
        .replicas(u32::try_from(rng.range(1..4)).unwrap())
        .strategy(strategy(rng));
    llm.stop_grace = Duration::from_secs(rng.range(1..20));
    if rng.chance(300) {
        llm = llm.live(Probe::http("/live").every(Duration::from_secs(5)));
    }
    let mut app = App::new(name);
    if rng.chance(350) {
        app = app.service("prepare", Service::new("job:1").restart(Restart::OnFailure));
        llm = llm.waits_for("prepare", Condition::Completed);
    }
    if rng.chance(200) {
        llm.networks.insert("inner".to_owned());
    }
    if rng.chance(500) {
        let condition = if rng.chance(700) { Condition::Ready } else { Condition::Started };
        let embed = Service::new("embed:1").port(9000).ready(probe(rng)).gpu(need(rng)).strategy(strategy(rng));
        let replicas = u32::try_from(rng.range(1..3)).unwrap();
        app = app.service("embed", embed.waits_for("llm", condition).replicas(replicas));
    }
    if rng.chance(300) {
        let web = Service::new("web:1").env("PASSWORD", SECRET);
        app = app.service("web", web.waits_for("llm", Condition::Started).strategy(strategy(rng)));
    }
    if rng.chance(200) {
        app = app.service("whole", Service::new("whole:1").gpu(need(rng).exclusive()).port(1).ready(probe(rng)));
    }
    let app = app.service("llm", llm);
    app.validate().unwrap();
    app
}

/// Changes the specification of a service to another good one.
pub(crate) fn change(rng: &mut Rng, app: &mut App) {
    let name = pick(rng, &app.services.keys().cloned().collect::<Vec<_>>()).clone();
    let number = rng.below(1000);
    let image = *pick(rng, &IMAGES);
    let Some(service) = app.services.get_mut(&name) else { return };
    service.env.insert("CHANGED".to_owned(), number.to_string());
    if name == "llm" {
        image.clone_into(&mut service.image);
    }
}
