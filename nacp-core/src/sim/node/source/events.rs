//! What happens to the GPUs of a simulated machine, as its script says.
#![expect(clippy::disallowed_methods, reason = "it plays a driver, whose caller waits in it")]

use std::collections::VecDeque;
use std::time::Duration;

use super::Node;
use crate::clock::Clock;
use crate::error::Result;
use crate::gpu::{Event, EventKind, Events, Partition, Via};
use crate::sim::node::{ScriptEvent, TICK};

/// How long a caller who waits sleeps at least.
const NAP: Duration = Duration::from_millis(5);

/// A wait for the events of a simulated machine, on the machine's own clock.
#[derive(Debug)]
pub(super) struct Listener {
    node: Node,
    /// The events that are still to come, in their order.
    to_come: VecDeque<ScriptEvent>,
}

impl Listener {
    /// Listens from the tick that runs now.
    pub(super) fn new(node: &Node, events: &[ScriptEvent]) -> Self {
        let now = node.tick();
        let to_come = events.iter().copied().filter(|happening| {
            let tells = node.file.gpus.get(happening.gpu).is_some_and(|gpu| !gpu.events.is_empty());
            tells && happening.tick >= now && !node.is_silent(happening.gpu)
        });
        Self { to_come: to_come.collect(), node: node.clone() }
    }

    /// How long nothing will happen; at most a tick, because somebody may move the machine's clock by hand.
    fn quiet(&self) -> Duration {
        self.to_come.front().map_or(Duration::MAX, |next| self.node.until(next.tick).clamp(NAP, TICK))
    }

    fn tell(&mut self, clock: &dyn Clock, events: &mut Vec<Event>) {
        let now = self.node.tick();
        while let Some(happening) = self.to_come.pop_front_if(|happening| happening.tick <= now) {
            let gpu = self.node.file.gpus.get(happening.gpu).map(|gpu| gpu.uuid.clone());
            let event = happening.event;
            let partition = event
                .gpu_instance
                .map(|gpu_instance| Partition { gpu_instance, compute_instance: event.compute_instance });
            events.extend(EventKind::from_bits(event.kind.bits(), event.data).map(|kind| {
                let mut told = Event::new(clock.wall(), gpu.clone(), kind, Via::Simulated);
                told.partition = partition;
                told
            }));
        }
    }
}

impl Events for Listener {
    fn wait(&mut self, limit: Duration, clock: &dyn Clock, events: &mut Vec<Event>) -> Result<()> {
        let (before, start) = (events.len(), clock.monotonic());
        let mut nap = NAP;
        loop {
            self.tell(clock, events);
            let now = clock.monotonic();
            let left = limit.saturating_sub(now.saturating_sub(start));
            if events.len() > before || left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(nap.min(left));
            if clock.monotonic() == now {
                // A clock that somebody moves by hand: to wait for it would be in vain.
                return Ok(());
            }
            nap = self.quiet();
        }
    }
}
