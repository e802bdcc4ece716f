//! A daemon that is stopped and started again while an app is brought up on it.

use std::sync::Arc;
use std::time::Duration;

use nacp_core::control::{AppStatus, ControlPlane};
use nacp_core::engine::{ContainerState, Docker};
use nacp_core::service::{App, Service};
use nacp_core::{gpu, sim};
use serde_json::{Value, json};

use crate::daemon::{Daemon, IMAGE};

/// Services without a port: a daemon of a test's own has no bridge.
fn app(replicas: u32) -> App {
    App::new("restart").service("a", Service::new(IMAGE).replicas(replicas)).service("b", Service::new(IMAGE))
}

async fn plane(daemon: &Daemon) -> ControlPlane {
    let engine = Docker::connect_to(&daemon.host()).await.unwrap();
    let node = gpu::Node::from_source(Arc::new(sim::Node::named("h100x8").unwrap())).unwrap();
    ControlPlane::new(node, Arc::new(engine))
}

/// Applies it once: a daemon that goes away meanwhile is waited for.
async fn apply(plane: &ControlPlane, app: &App) -> AppStatus {
    plane.apply(app).await.unwrap_or_else(|error| panic!("one apply survives it: {error:?}"))
}

/// What is wanted runs, once; what ran before runs on where the daemon leaves it alone.
pub(crate) fn survives(live_restore: bool) {
    let configuration: Value = json!({ "live-restore": live_restore });
    let mut daemon = Daemon::docker(&configuration);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let plane = runtime.block_on(plane(&daemon));
    let before = runtime.block_on(apply(&plane, &app(1)));
    let mut halfway = 0;
    for (round, moment) in [10, 30, 80, 150, 250, 400].into_iter().enumerate() {
        let wanted = app(if round % 2 == 0 { 4 } else { 1 });
        let (applying, of) = (plane.clone(), wanted.clone());
        let first = runtime.spawn(async move { apply(&applying, &of).await });
        std::thread::sleep(Duration::from_millis(moment));
        let under_way = !first.is_finished();
        halfway += u32::from(under_way);
        daemon.restart(&configuration);
        let status = runtime.block_on(first).unwrap();
        // What the restart ended after it was seen running comes back with the next look.
        let status = if status.ready() && live_restore { status } else { runtime.block_on(apply(&plane, &wanted)) };
        let there = runtime.block_on(plane.engine().list(Some("restart"))).unwrap();
        let count = if round % 2 == 0 { 5 } else { 2 };
        assert_eq!((status.replicas.len(), there.len()), (count, count), "after {moment} ms: {there:?}");
        assert!(there.iter().all(|it| it.state == ContainerState::Running), "after {moment} ms: {there:?}");
        if live_restore {
            let id = |status: &AppStatus| status.replicas[0].container.clone();
            assert_eq!(id(&status), id(&before), "after {moment} ms: what ran was not touched");
        }
    }
    assert!(halfway >= 4, "most restarts hit an apply that is under way: {halfway} of 6");
    assert!(runtime.block_on(plane.delete("restart")).unwrap() > 0);
}
