//! What the GPUs did: read at a steady pace, kept for a while, told to whoever wants to know.
//!
//! A [`Poller`] reads the fields that are due, all in one call of the source, and appends their numbers to a history of
//! fixed size. It has no thread and no clock of its own: whoever calls [`tick`](Poller::tick) says what time it is, so
//! that an hour can be tested in milliseconds. A [`Telemetry`] is a poller with a thread and a clock, and with a second
//! thread that waits for what happens to the GPUs. Either is looked at through a [`View`].
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use nacp_core::clock::SystemClock;
//! use nacp_core::gpu::telemetry::{Telemetry, TelemetryOptions, Update};
//! use nacp_core::gpu::{Metric, Node};
//! use nacp_core::sim;
//!
//! let node = Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
//! let gpu = node.gpus()[0].id.clone();
//! let telemetry = Telemetry::start(node, TelemetryOptions::default(), Arc::new(SystemClock::new()))?;
//! let mut updates = telemetry.subscribe();
//! while !matches!(updates.next(Duration::from_secs(10))?, Update::Samples(_)) {}
//! let power = telemetry.window(&gpu, Metric::Power, Duration::from_secs(60))?;
//! println!("{:?} W at the median, {:?} W at most", power.p50, power.max);
//! # Ok::<(), nacp_core::Error>(())
//! ```
//!
//! # What is read when
//!
//! The driver answers one call at a time, and so do its GPUs: more threads would wait for each other. There is one, and
//! what is slow to read is kept out of the way of what is fast. The first tick reads everything. After that the fields
//! of the slow tier (fans and processes take the driver milliseconds) are due one after the other, each on a fast tick
//! of its own, as evenly over the tier's time as the fast ticks allow; so a fast tick is held up by one slow field at
//! most. Bytes over PCIe come from counters; the call that watches the bus for 20 ms is never made.
//!
//! A tick that comes late is not made up for: the deadlines that it missed are passed over and counted. In the steady
//! state a tick allocates nothing.
//!
//! # When the source fails
//!
//! The poller goes on. All readings become unknown, the history gets a gap, subscribers are told the error once, and
//! [`status`](View::status) shows it for as long as it lasts. The first tick after that reads everything again.

mod channel;
mod history;
mod options;
mod poller;
mod schedule;
mod table;
mod thread;
mod view;
mod window;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::channel::{Frame, Subscription, Update};
pub use self::options::{TelemetryOptions, Tier};
pub use self::poller::{Poller, Tick};
pub use self::table::{Column, Columns, Series};
pub use self::thread::Telemetry;
pub use self::view::{Listening, PollerStatus, View};
pub use self::window::{Energy, EnergyBy, Window};

/// What a panicking thread left behind is still whole: nothing here is changed in two steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
