//! What users say, at moments that suit nobody.

use nacp_core::control::Wanted;
use nacp_core::service::App;

use crate::scenario::{IMAGES, change, pick};
use crate::world::{Desire, World};

/// What a user said that somebody else must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Nothing,
    Delete,
}

/// One user says one thing to one program.
pub(crate) fn say(world: &mut World, program: usize, wanted: &Wanted) -> Word {
    let now = world.now();
    let kind = world.rng.below(13);
    let mut app = world.desires[program].app.clone();
    let service = pick(&mut world.rng, &app.services.keys().cloned().collect::<Vec<_>>()).clone();
    let count = u32::try_from(world.rng.below(4)).unwrap();
    let gpu = world.rng.index(world.gpus.len());
    let word = match kind {
        0 | 1 => {
            change(&mut world.rng, &mut app);
            set(world, program, wanted, app);
            "update"
        }
        2 => {
            let bad = *pick(&mut world.rng, &["crash:1", "mute:1"]);
            bad.clone_into(&mut app.services.get_mut("llm").unwrap().image);
            set(world, program, wanted, app);
            "update-badly"
        }
        3 | 4 if service != "prepare" => {
            wanted.scale(&service, count).unwrap();
            world.desires[program].app.services.get_mut(&service).unwrap().replicas = count;
            "scale"
        }
        5 if !world.desires[program].paused => {
            wanted.pause();
            world.desires[program].paused = true;
            "pause"
        }
        5 | 6 => {
            wanted.resume();
            world.desires[program].paused = false;
            "resume"
        }
        7 if world.desires[program].drained.insert(service.clone()) => {
            wanted.drain(&service).unwrap();
            "drain"
        }
        7 | 8 => {
            world.desires[program].drained.remove(&service);
            wanted.undrain(&service).unwrap();
            "undrain"
        }
        9 => {
            world.desires[program].cordoned.insert(gpu);
            wanted.cordon(world.gpus[gpu].id.clone(), "its user says so");
            "cordon"
        }
        10 => {
            world.desires[program].cordoned.remove(&gpu);
            wanted.uncordon(&world.gpus[gpu].id);
            "uncordon"
        }
        11 => {
            let name = &world.desires[program].name;
            if world.desires.iter().filter(|desire| desire.name == *name).count() > 1 {
                return Word::Nothing;
            }
            "delete"
        }
        12 => {
            let name = if world.rng.chance(500) { "web" } else { "embed" };
            let spare = &mut world.desires[program].spare;
            match (app.services.remove(name), spare.remove(name)) {
                (Some(service), _) => drop(spare.insert(name.to_owned(), service)),
                (None, Some(service)) => drop(app.services.insert(name.to_owned(), service)),
                (None, None) => return Word::Nothing,
            }
            set(world, program, wanted, app);
            "services"
        }
        _ => return Word::Nothing,
    };
    world.desires[program].note(now);
    world.counts.add(word);
    let name = world.desires[program].name.clone();
    world.tell(format_args!("the user of p{program} ({name}): {word} {service} {count} {gpu}"));
    if word == "delete" { Word::Delete } else { Word::Nothing }
}

fn set(world: &mut World, program: usize, wanted: &Wanted, app: App) {
    wanted.set(app.clone()).unwrap();
    let desire: &mut Desire = &mut world.desires[program];
    desire.drained.retain(|service| app.services.contains_key(service));
    desire.app = app;
}

/// A user updates an app that is well.
pub(crate) fn update(world: &mut World, program: usize, wanted: &Wanted) {
    let now = world.now();
    let mut app = world.desires[program].app.clone();
    change(&mut world.rng, &mut app);
    set(world, program, wanted, app);
    world.desires[program].note(now);
    world.counts.add("update-in-peace");
    world.tell(format_args!("the user of p{program} updates in peace"));
}

/// In the end everybody wants something that can be had, and says so.
pub(crate) fn settle(world: &mut World, program: usize, wanted: &Wanted) {
    let now = world.now();
    let mut app = world.desires[program].app.clone();
    app.services.append(&mut world.desires[program].spare);
    for (name, service) in &mut app.services {
        service.replicas = service.replicas.max(1);
        if name == "llm" && !IMAGES.contains(&service.image.as_str()) {
            IMAGES[0].clone_into(&mut service.image);
        }
    }
    if world.rng.chance(700) {
        change(&mut world.rng, &mut app);
    }
    for service in std::mem::take(&mut world.desires[program].drained) {
        wanted.undrain(&service).unwrap();
    }
    for gpu in std::mem::take(&mut world.desires[program].cordoned) {
        wanted.uncordon(&world.gpus[gpu].id);
    }
    set(world, program, wanted, app);
    // Whatever was given up before is tried again once something was said.
    wanted.pause();
    wanted.resume();
    world.desires[program].paused = false;
    world.desires[program].note(now);
    world.tell(format_args!("the user of p{program} settles"));
}
