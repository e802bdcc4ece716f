//! Controllers that are killed at random moments on a real Docker Engine: nothing is lost, left over or there twice.
//!
//! `NACP_KILLS` says how many are killed (40 if it is not set), `NACP_KILL_SEED` at which moments.

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::{IMAGE, docker, plane, removing, service, unique};
use nacp_core::control::{AppStatus, ControlPlane};
use nacp_core::engine::{Container, ContainerSpec, ContainerState, Details, Engine};
use nacp_core::service::App;

/// A run is measured so often before the first kill.
const MEASURED: u64 = 3;
/// How often the next controller may have to try, where the daemon is still busy for the killed one.
const TRIES: u32 = 3;

/// What is wanted in a round: one service that never changes, one that is new in each round, one that grows and shrinks.
fn wanted(name: &str, round: u64) -> App {
    let count = 1 + u32::try_from(round % 3).unwrap();
    App::new(name)
        .service("keep", service())
        .service("swap", service().env("ROUND", round.to_string()))
        .service("scale", service().replicas(count))
}

fn replicas(round: u64) -> usize {
    3 + usize::try_from(round % 3).unwrap()
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |value| value.parse().expect(variable))
}

/// The controller that is killed, in a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test of killed controllers"]
async fn controller_to_be_killed() {
    let engine = docker().await.expect("Docker");
    let name = std::env::var("NACP_TEST_APP").unwrap();
    let app = wanted(&name, number("NACP_TEST_ROUND", 0));
    println!("begun");
    plane(&engine).apply(&app).await.unwrap();
    println!("applied");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// A controller in a process of its own; killed when it is dropped.
struct Controller {
    process: Child,
    words: Receiver<String>,
}

impl Controller {
    fn start(app: &str, round: u64) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "controller_to_be_killed", "--ignored", "--nocapture"])
            .env("NACP_TEST_APP", app)
            .env("NACP_TEST_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (tell, words) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(tell.send(line))));
        Self { process, words }
    }

    /// Whether it says this within a time.
    fn says(&self, word: &str, limit: Duration) -> bool {
        let begin = Instant::now();
        while let Ok(line) = self.words.recv_timeout(limit.saturating_sub(begin.elapsed())) {
            if line.contains(word) {
                return true;
            }
        }
        false
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Numbers that repeat under a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bound.mul_f64(f64::from(u32::try_from(mixed >> 32).unwrap()) / f64::from(u32::MAX))
    }
}

async fn completed(plane: &ControlPlane, app: &App) -> AppStatus {
    let mut last = None;
    for _ in 0..TRIES {
        match plane.apply(app).await {
            Ok(status) => return status,
            Err(error) => last = Some(error),
        }
    }
    panic!("the next controller does not complete it: {last:?}")
}

/// Everything of the app is there, once, and runs; `keep` is the container that it was.
fn check(status: &AppStatus, there: &[Container], round: u64, kept: Option<&str>) {
    assert!(status.ready() && status.replicas.len() == replicas(round), "{status:?}");
    let names: BTreeSet<_> = status.replicas.iter().map(|it| (it.service.as_str(), it.replica)).collect();
    assert_eq!(names.len(), replicas(round), "no replica is there twice: {status:?}");
    assert_eq!(there.len(), replicas(round), "nothing is left over: {there:?}");
    assert!(there.iter().all(|it| it.state == ContainerState::Running), "{there:?}");
    if let Some(kept) = kept {
        assert_eq!(status.replicas[0].container.0, kept, "what did not change was never touched");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn controllers_killed_at_random_moments_lose_nothing_and_leave_nothing_twice() {
    let Some(engine) = docker().await else { return };
    let (kills, seed) = (number("NACP_KILLS", 40), number("NACP_KILL_SEED", 11));
    let name = unique("kill");
    let plane = plane(&engine);
    removing(&plane, &name, async {
        let stranger = stranger(&engine, &name).await;
        let outcome = tokio::spawn(kill_them(plane.clone(), Arc::clone(&engine), name.clone(), kills, seed)).await;
        let there = engine.inspect(&stranger.0).await;
        engine.remove(&stranger.0).await.unwrap();
        outcome.unwrap_or_else(|_| panic!("replay with NACP_KILLS={kills} NACP_KILL_SEED={seed}"));
        let there = there.unwrap();
        assert_eq!(times(&there), stranger.1, "a stranger was touched");
        plane.delete(&name).await.unwrap();
        assert_eq!(engine.list(Some(&name)).await.unwrap(), []);
    })
    .await;
}

type Times = (Option<String>, Option<String>);

fn times(about: &Details) -> Times {
    let told = |at: &Option<_>| at.as_ref().map(ToString::to_string);
    (told(&about.started_at), told(&about.finished_at))
}

/// A container that is not ours, with the name of one that could be.
async fn stranger(engine: &Arc<dyn Engine>, app: &str) -> (nacp_core::engine::ContainerId, Times) {
    let id = engine.create(&ContainerSpec::new(format!("nacp.{app}.stranger.0"), IMAGE)).await.unwrap();
    engine.start(&id).await.unwrap();
    let times = times(&engine.inspect(&id).await.unwrap());
    (id, times)
}

async fn kill_them(plane: ControlPlane, engine: Arc<dyn Engine>, name: String, kills: u64, seed: u64) {
    let mut kept: Option<String> = None;
    let mut longest = Duration::ZERO;
    for round in 0..MEASURED {
        let controller = Controller::start(&name, round);
        let begin = Instant::now();
        assert!(controller.says("applied", Duration::from_secs(120)), "a controller that is left alone");
        longest = longest.max(begin.elapsed());
        drop(controller);
        let status = plane.status(&name).await.unwrap();
        check(&status, &engine.list(Some(&name)).await.unwrap(), round, kept.as_deref());
        kept = Some(status.replicas[0].container.0.clone());
    }
    let mut random = Random(seed);
    let (mut halfway, begin) = (0, Instant::now());
    for round in MEASURED..MEASURED + kills {
        let moment = random.below(longest);
        let controller = Controller::start(&name, round);
        let done = controller.says("applied", moment);
        drop(controller);
        let left = engine.list(Some(&name)).await.unwrap();
        let app = wanted(&name, round);
        let status = completed(&plane, &app).await;
        let there = engine.list(Some(&name)).await.unwrap();
        if !done {
            halfway += 1;
        }
        let states: Vec<_> = left.iter().map(|it| format!("{} {}", it.name, it.state)).collect();
        println!("round {round}: killed after {moment:?}, left {states:?}");
        check(&status, &there, round, kept.as_deref());
        assert!(plane.plan(&app).await.unwrap().is_empty(), "there is nothing more to do");
    }
    let (each, longest) = (begin.elapsed() / u32::try_from(kills.max(1)).unwrap(), longest.as_millis());
    println!(
        "{kills} kills over {longest} ms with seed {seed}: {halfway} halfway, {each:?} each, 0 lost, 0 twice, 0 left over"
    );
    assert!(halfway * 2 >= kills, "most are killed before they are done: {halfway} of {kills}");
}
