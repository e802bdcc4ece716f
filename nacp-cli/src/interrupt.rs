//! Ctrl-C and what a command makes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Somebody's wish that the command ends. Clones are the same wish.
///
/// Most commands have nothing to tidy up: the program ends at once. A command that has (a gateway in front of requests,
/// checks whose children must be killed) catches the wish and ends by itself soon after.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    caught: AtomicBool,
    raised: Arc<AtomicBool>,
    polite: AtomicBool,
    bell: Notify,
}

impl Interrupt {
    /// Wishes that the command ends, as Ctrl-C does. Returns whether it will end by itself; otherwise the caller ends
    /// the program with [`Exit::Interrupted`](crate::Exit::Interrupted).
    pub fn raise(&self) -> bool {
        let again = self.0.raised.swap(true, Ordering::SeqCst);
        self.0.bell.notify_waiters();
        self.0.caught.load(Ordering::SeqCst) && !again
    }

    /// Wishes it as a service manager does (SIGTERM), to whom the end is no failure. Returns as [`raise`](Self::raise).
    pub fn terminate(&self) -> bool {
        self.0.polite.store(true, Ordering::SeqCst);
        self.raise()
    }

    /// From now on the command ends by itself.
    pub(crate) fn catch(&self) {
        self.0.caught.store(true, Ordering::SeqCst);
    }

    /// The flag that is set when somebody wishes it.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.raised)
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// Whether the end that is wished is no failure.
    pub(crate) fn is_polite(&self) -> bool {
        self.0.polite.load(Ordering::SeqCst)
    }

    /// Waits until somebody wishes it.
    pub(crate) async fn wait(&self) {
        let mut rung = std::pin::pin!(self.0.bell.notified());
        rung.as_mut().enable();
        if !self.is_raised() {
            rung.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_tidies_up_is_given_one_chance() {
        let interrupt = Interrupt::default();
        assert!(!interrupt.raise(), "nobody tidies up");
        let interrupt = Interrupt::default();
        interrupt.catch();
        assert!(interrupt.clone().raise() && interrupt.is_raised() && !interrupt.is_polite());
        assert!(!interrupt.raise(), "a second wish does not wait");
        let interrupt = Interrupt::default();
        interrupt.catch();
        assert!(interrupt.terminate() && interrupt.is_polite());
    }

    #[tokio::test]
    async fn a_wish_from_before_the_waiting_is_not_missed() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        interrupt.wait().await;
    }
}
