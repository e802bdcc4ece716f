//! Keeping an app on the simulated engine: updates, what goes wrong with them, and what a user says meanwhile.

mod common;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{IMAGE, plane, simulated, unique};
use nacp_core::control::{AppStatus, Backoff, ControlPlane, EventKind, Listener, Phase, Wanted};
use nacp_core::engine::{ContainerState, Engine};
use nacp_core::service::{App, Condition, GpuNeed, Probe, Restart, Service, Strategy};
use nacp_core::{Bytes, ErrorKind};
use tokio::task::JoinHandle;

/// A program that ends as soon as it is started.
const BROKEN: (&str, &str) = ("NACP_SIM_SLOTS", "none");
/// One that never answers well.
const UNHEALTHY: (&str, &str) = ("NACP_SIM_UNHEALTHY", "1");

/// A kept app. It ends with the test.
struct Kept {
    plane: ControlPlane,
    engine: Arc<dyn Engine>,
    wanted: Wanted,
    events: Listener,
    task: JoinHandle<()>,
    told: Vec<String>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn quick(engine: &Arc<dyn Engine>) -> ControlPlane {
    let backoff = Backoff { least: Duration::from_millis(100), most: Duration::from_millis(800), ..Backoff::default() };
    plane(engine).with_backoff(backoff)
}

fn keeping(plane: &ControlPlane, wanted: &Wanted) -> JoinHandle<()> {
    let (plane, wanted) = (plane.clone(), wanted.clone());
    tokio::spawn(async move { drop(plane.keep(&wanted).await) })
}

fn keep(app: App) -> Kept {
    let engine = simulated();
    let plane = quick(&engine);
    let wanted = Wanted::new(app).unwrap();
    let events = plane.events().listen();
    let task = keeping(&plane, &wanted);
    Kept { plane, engine, wanted, events, task, told: Vec::new() }
}

impl Kept {
    async fn status(&self) -> AppStatus {
        self.plane.status(&self.wanted.name()).await.unwrap()
    }

    /// Waits until it is so; tells what happened when it does not come to it.
    async fn until(&mut self, what: &str, so: impl Fn(&AppStatus) -> bool) -> AppStatus {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            self.listen();
            let status = self.status().await;
            if so(&status) {
                return status;
            }
            assert!(Instant::now() < limit, "{what}: {status:#?}\n{}", self.told.join("\n"));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn listen(&mut self) -> Vec<EventKind> {
        let events: Vec<_> = std::iter::from_fn(|| self.events.try_next()).collect();
        self.told.extend(events.iter().map(ToString::to_string));
        events.into_iter().map(|event| event.kind).collect()
    }

    async fn settled(&mut self) -> AppStatus {
        self.until("it converges", |status| status.phase == Phase::Ready && status.replicas.iter().all(calm)).await
    }

    fn has_told(&mut self, words: &str) -> bool {
        self.listen();
        self.told.iter().any(|line| line.contains(words))
    }

    /// The least number of replicas that served while this went on.
    async fn least_serving(&mut self, until: impl Fn(&AppStatus) -> bool) -> (usize, usize) {
        let (mut least, mut most) = (usize::MAX, 0);
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let status = self.status().await;
            least = least.min(status.replicas.iter().filter(|replica| replica.serving).count());
            most = most.max(status.replicas.iter().filter(|replica| replica.state.is_active()).count());
            self.listen();
            if until(&status) {
                return (least, most);
            }
            assert!(Instant::now() < limit, "{status:#?}\n{}", self.told.join("\n"));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn calm(replica: &nacp_core::control::ReplicaStatus) -> bool {
    !replica.successor && (replica.serving || replica.done)
}

fn service() -> Service {
    let probe = Probe::http("/healthz").within(Duration::from_millis(1500)).every(Duration::from_millis(100));
    Service::new(IMAGE).model("tiny").gpu(GpuNeed::memory(Bytes::gib(4))).port(8000).ready(probe)
}

fn changed(service: Service) -> Service {
    service.env("NACP_SIM_TOKEN_MS", "2").env("NACP_SIM_STARTUP_MS", "150")
}

fn all_new(before: &AppStatus, count: usize) -> impl Fn(&AppStatus) -> bool {
    let old: BTreeSet<_> = before.replicas.iter().map(|replica| replica.container.clone()).collect();
    move |status| {
        let fresh = |replica: &&nacp_core::control::ReplicaStatus| calm(replica) && !old.contains(&replica.container);
        status.replicas.len() == count && status.replicas.iter().filter(fresh).count() == count
    }
}

fn ids(status: &AppStatus) -> Vec<String> {
    status.replicas.iter().map(|replica| replica.container.to_string()).collect()
}

async fn story(test: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(50), test).await.expect("it comes to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_comes_back_after_growing_pauses() {
    story(async {
        let mut kept = keep(App::new(unique("ends")).service("llm", service()));
        let first = kept.settled().await;
        kept.engine.stop(&first.replicas[0].container, Duration::ZERO).await.unwrap();
        kept.until("it is started again", |status| status.replicas[0].restarts == 1 && status.ready()).await;
        assert_eq!(ids(&kept.status().await), ids(&first));
        let mut broken = keep(App::new(unique("broken")).service("llm", service().env(BROKEN.0, BROKEN.1)));
        let mut pauses = Vec::new();
        while pauses.len() < 4 {
            let event = broken.events.next().await.unwrap();
            if let EventKind::Ended { again, .. } = event.kind {
                pauses.push(again.unwrap());
            }
        }
        assert!(pauses[0] <= Duration::from_millis(100) && pauses[3] > Duration::from_millis(390), "{pauses:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_has_done_its_work_or_must_not_be_repeated_stays_ended() {
    story(async {
        let mut kept = keep(App::new(unique("once")).service("job", service().restart(Restart::OnFailure)));
        let first = kept.settled().await;
        kept.engine.stop(&first.replicas[0].container, Duration::ZERO).await.unwrap();
        kept.until("it is done", |status| status.replicas[0].done).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(kept.status().await.replicas[0].state, ContainerState::Exited(Some(0)));
        let never = service().restart(Restart::Never).env(BROKEN.0, BROKEN.1);
        let mut never = keep(App::new(unique("never")).service("job", never));
        never.until("it has failed", |status| status.phase == Phase::Failed).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(never.status().await.replicas[0].restarts, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_without_surge_misses_one_at_a_time() {
    story(async {
        let app = App::new(unique("roll")).service("llm", service().replicas(3));
        let mut kept = keep(app.clone());
        let before = kept.settled().await;
        kept.wanted.set(App::new(&app.name).service("llm", changed(service()).replicas(3))).unwrap();
        let (least, most) = kept.least_serving(all_new(&before, 3)).await;
        assert!((2..=3).contains(&least) && most == 3, "least={least} most={most}\n{}", kept.told.join("\n"));
        let first_removal = kept.told.iter().position(|line| line.contains("remove")).unwrap();
        let last_ready = kept.told.iter().rposition(|line| line.contains("ready after")).unwrap();
        assert!(last_ready < first_removal, "an old one is kept until all are ready\n{}", kept.told.join("\n"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_with_surge_misses_nobody() {
    story(async {
        let with = |service: Service| service.replicas(2).strategy(Strategy::rolling(1, 0));
        let app = App::new(unique("surge")).service("llm", with(service()));
        let mut kept = keep(app.clone());
        let before = kept.settled().await;
        kept.wanted.set(App::new(&app.name).service("llm", with(changed(service())))).unwrap();
        let (least, most) = kept.least_serving(all_new(&before, 2)).await;
        assert_eq!((least, most), (2, 3), "{}", kept.told.join("\n"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blue_green_update_has_both_sets_up_and_moves_all_requests_at_once() {
    story(async {
        let with = |service: Service| service.replicas(2).strategy(Strategy::BlueGreen);
        let app = App::new(unique("blue")).service("llm", with(service()));
        let mut kept = keep(app.clone());
        let before = kept.settled().await;
        let old: BTreeSet<_> = before.replicas.iter().map(|replica| replica.container.clone()).collect();
        kept.wanted.set(App::new(&app.name).service("llm", with(changed(service())))).unwrap();
        let (arrived, mut most) = (all_new(&before, 2), 0);
        loop {
            let status = kept.until("it goes on", |_| true).await;
            let serving = status.replicas.iter().filter(|replica| replica.serving);
            let kinds: BTreeSet<_> = serving.clone().map(|replica| old.contains(&replica.container)).collect();
            assert!(kinds.len() == 1 && serving.count() == 2, "{status:#?}\n{}", kept.told.join("\n"));
            most = most.max(status.replicas.iter().filter(|replica| replica.state.is_active()).count());
            if arrived(&status) {
                break;
            }
        }
        assert_eq!(most, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_fails_goes_back_to_the_old_replicas_whatever_its_strategy() {
    story(async {
        let strategies = [Strategy::default(), Strategy::rolling(1, 0), Strategy::BlueGreen];
        for (index, strategy) in strategies.into_iter().enumerate() {
            for (fault, restart) in [(BROKEN, Restart::OnFailure), (UNHEALTHY, Restart::Always)] {
                let with = |service: Service| service.replicas(2).strategy(strategy).restart(restart);
                let app = App::new(unique(&format!("back-{index}"))).service("llm", with(service()));
                let mut kept = keep(app.clone());
                let before = kept.settled().await;
                kept.wanted.set(App::new(&app.name).service("llm", with(service().env(fault.0, fault.1)))).unwrap();
                let limit = Instant::now() + Duration::from_secs(10);
                while !kept.has_told("rolled back") {
                    assert!(Instant::now() < limit, "{}", kept.told.join("\n"));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let is_back = |status: &AppStatus| status.replicas.len() == 2 && status.replicas.iter().all(calm);
                let after = kept.until("the old ones serve", is_back).await;
                assert_eq!((ids(&after), after.phase), (ids(&before), Phase::Degraded), "{}", kept.told.join("\n"));
                tokio::time::sleep(Duration::from_millis(300)).await;
                assert_eq!(kept.status().await.replicas.len(), 2, "it is not tried again\n{}", kept.told.join("\n"));
                kept.wanted.set(App::new(&app.name).service("llm", with(changed(service())))).unwrap();
                kept.until("another specification is tried", all_new(&before, 2)).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_given_up_at_any_moment_is_finished_by_the_next_keeper() {
    story(async {
        for (index, strategy) in [Strategy::default(), Strategy::BlueGreen].into_iter().enumerate() {
            let with = |service: Service| service.replicas(2).strategy(strategy).restart(Restart::OnFailure);
            for moment in 0..12 {
                let app = App::new(unique(&format!("crash-{index}-{moment}"))).service("llm", with(service()));
                let mut kept = keep(app.clone());
                let before = kept.settled().await;
                kept.wanted.set(App::new(&app.name).service("llm", with(changed(service())))).unwrap();
                tokio::time::sleep(Duration::from_millis(25 * moment)).await;
                kept.task.abort();
                drop((&mut kept.task).await);
                kept.plane = quick(&kept.engine);
                kept.events = kept.plane.events().listen();
                kept.task = keeping(&kept.plane, &kept.wanted);
                kept.until("the next one finishes it", all_new(&before, 2)).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_follow_what_is_said() {
    story(async {
        let app = App::new(unique("said")).service("llm", service());
        let mut kept = keep(app.clone());
        let first = kept.settled().await;
        kept.wanted.scale("llm", 3).unwrap();
        kept.until("three", |status| status.replicas.iter().filter(|replica| replica.serving).count() == 3).await;
        kept.wanted.scale("llm", 1).unwrap();
        let one = kept.until("one", |status| status.replicas.len() == 1 && status.phase == Phase::Ready).await;
        assert_eq!(ids(&one), ids(&first), "those of the highest numbers go first");
        kept.wanted.pause();
        kept.until("it is paused", |status| status.phase == Phase::Paused).await;
        kept.wanted.scale("llm", 2).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(kept.status().await.replicas.len(), 1);
        kept.wanted.resume();
        kept.until("two", |status| status.replicas.iter().filter(|replica| replica.serving).count() == 2).await;
        kept.wanted.drain("llm").unwrap();
        kept.until("none", |status| status.replicas.is_empty() && status.phase == Phase::Ready).await;
        kept.wanted.undrain("llm").unwrap();
        kept.until("two again", |status| status.replicas.iter().filter(|replica| replica.serving).count() == 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cordoned_gpu_loses_its_replica_and_the_reason_is_told_where_there_is_no_other() {
    story(async {
        let app = App::new(unique("cordon")).service("llm", service());
        let mut kept = keep(app.clone());
        let first = kept.settled().await;
        let gpu = first.replicas[0].gpus[0].clone();
        kept.wanted.cordon(gpu.clone(), "it is to be replaced");
        let moved = kept.until("it moves", all_new(&first, 1)).await;
        assert_ne!(moved.replicas[0].gpus[0], gpu);
        assert!(kept.has_told("it is to be replaced"));
        let node = kept.plane.node().gpus().to_vec();
        node.iter().for_each(|gpu| kept.wanted.cordon(gpu.id.clone(), "all of them"));
        let stays = kept.until("no place", |status| status.reason.is_some()).await;
        assert!(stays.reason.clone().unwrap().contains("all of them"), "{stays:?}");
        assert_eq!(ids(&stays), ids(&moved), "it stays where it is");
        kept.wanted.uncordon(&moved.replicas[0].gpus[0]);
        kept.settled().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_begins_when_what_it_waits_for_is_as_far_as_asked() {
    story(async {
        let slow = service().env("NACP_SIM_STARTUP_MS", "400").restart(Restart::OnFailure);
        let app = App::new(unique("waits"))
            .service("first", slow)
            .service("started", service().waits_for("first", Condition::Started))
            .service("ready", service().waits_for("first", Condition::Ready))
            .service("completed", service().waits_for("first", Condition::Completed));
        let mut kept = keep(app);
        let up = |status: &AppStatus, name: &str| {
            status.replicas.iter().any(|replica| replica.service == name && replica.state.is_active())
        };
        let early = kept.until("started", |status| up(status, "started")).await;
        assert!(!up(&early, "ready"), "{early:#?}");
        let later = kept.until("ready", |status| up(status, "ready")).await;
        assert!(later.replicas.iter().any(|replica| replica.service == "first" && replica.ready));
        assert!(!up(&later, "completed"));
        let first = later.replicas.iter().find(|replica| replica.service == "first").unwrap().container.clone();
        kept.engine.stop(&first, Duration::ZERO).await.unwrap();
        kept.until("completed", |status| up(status, "completed")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_no_longer_lives_is_started_again() {
    story(async {
        let live = Probe::exec(["false"]).every(Duration::from_millis(100)).thresholds(1, 2);
        let job = service().live(live).restart(Restart::OnFailure);
        let mut kept = keep(App::new(unique("live")).service("llm", job));
        kept.until("it is started again", |status| status.replicas.iter().any(|replica| replica.restarts > 0)).await;
        assert!(kept.has_told("it no longer lives"), "{}", kept.told.join("\n"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_keeper_stands_by_and_takes_over_and_a_delete_says_who_keeps() {
    story(async {
        let app = App::new(unique("two")).service("llm", service());
        let mut kept = keep(app.clone());
        kept.settled().await;
        let error = kept.plane.delete(&app.name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("another program keeps this app") && error.to_string().contains("holder="));
        let second = quick(&kept.engine);
        let mut events = second.events().listen();
        let task = keeping(&second, &kept.wanted);
        let standby = events.next().await.unwrap();
        assert!(matches!(standby.kind, EventKind::Standby { .. }), "{standby}");
        kept.task.abort();
        while !matches!(events.next().await.unwrap().kind, EventKind::Converged) {}
        task.abort();
    })
    .await;
}
