//! The last Xid of each GPU, from the driver's events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::{Event, EventKind, Events, Node};

/// The last Xid of each GPU since the exporter began to listen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Xids(Arc<Mutex<Vec<Event>>>);

impl Xids {
    /// Listens on a thread of its own, which ends with the program; nothing where the driver tells no events.
    pub(crate) fn listen(node: &Node) -> Option<Self> {
        let events = node.events().ok()?;
        let xids = Self::default();
        let heard = xids.clone();
        std::thread::Builder::new().name("xids".to_owned()).spawn(move || heard.hear(events)).ok()?;
        Some(xids)
    }

    fn hear(&self, mut events: Box<dyn Events>) {
        let clock = SystemClock::new();
        let mut heard = Vec::new();
        while events.wait(Duration::from_secs(10), &clock, &mut heard).is_ok() {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for event in heard.drain(..).filter(|event| matches!(event.kind, EventKind::Xid { .. })) {
                last.retain(|other| other.gpu != event.gpu);
                last.push(event);
            }
        }
    }

    pub(crate) fn last(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
