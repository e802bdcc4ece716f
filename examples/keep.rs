//! An app that is kept: it comes up, grows, is updated, and takes back an update that does not become ready. No container
//! engine is needed: `cargo run --release --example keep`.

use std::sync::Arc;
use std::time::Duration;

use nacp_core::control::{ControlPlane, Event, EventKind, Listener, Wanted};
use nacp_core::service::{App, Probe, Service};
use nacp_core::{Error, ErrorKind, Result, gpu, sim};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    let node = gpu::Node::from_source(Arc::new(sim::Node::named("rtx3050ti-laptop-wsl2")?))?;
    println!("GPUs: {}", node.origin());
    let plane = ControlPlane::new(node, Arc::new(sim::Engine::new()));
    let wanted = Wanted::new(app(1, &[]))?;
    let mut events = plane.events().listen();
    tokio::select! {
        ended = plane.keep(&wanted) => match ended? {},
        done = story(&wanted, &mut events) => done?,
    }
    println!("removed: {}", plane.delete("keep").await?);
    Ok(())
}

/// What the user says, and what he waits for.
async fn story(wanted: &Wanted, events: &mut Listener) -> Result<()> {
    until(events, |kind| matches!(kind, EventKind::Converged)).await?;
    println!("-- two replicas");
    wanted.scale("chat", 2)?;
    until(events, |kind| matches!(kind, EventKind::Converged)).await?;
    println!("-- an update, one replica after the other");
    wanted.set(app(2, &[("NACP_SIM_TTFT_MS", "5")]))?;
    until(events, |kind| matches!(kind, EventKind::Converged)).await?;
    println!("-- an update that never becomes ready");
    wanted.set(app(2, &[("NACP_SIM_UNHEALTHY", "1")]))?;
    until(events, |kind| matches!(kind, EventKind::RolledBack { .. })).await?;
    until(events, |kind| matches!(kind, EventKind::Converged)).await.map(drop)
}

fn app(replicas: u32, env: &[(&str, &str)]) -> App {
    let probe = Probe::http("/healthz").within(Duration::from_secs(5)).every(Duration::from_millis(500));
    let chat = Service::new("example/chat:1").model("tiny").port(8000).ready(probe).replicas(replicas);
    App::new("keep").service("chat", env.iter().fold(chat, |chat, (name, value)| chat.env(*name, *value)))
}

/// Prints what happens until it comes to this.
async fn until(events: &mut Listener, wanted: impl Fn(&EventKind) -> bool) -> Result<Event> {
    loop {
        let next = tokio::time::timeout(LIMIT, events.next()).await;
        let over = || Error::new(ErrorKind::Timeout, "example.keep", "what was awaited did not happen").retry_later();
        let event = next.ok().flatten().ok_or_else(over)?;
        println!("{event}");
        if wanted(&event.kind) {
            return Ok(event);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_story_comes_to_its_end() {
        super::main().unwrap();
    }
}
