//! The signals of the operating system, for a program that is nothing but this one.

use tokio::runtime::Builder;

use crate::{Exit, Interrupt};

/// How a program ends that SIGTERM ended.
#[cfg(unix)]
const TERMINATED: i32 = 143;

/// Listens to Ctrl-C and to the wish to terminate, in a thread of its own, for as long as the program runs.
pub(crate) fn listen(interrupt: Interrupt) {
    let watch = move || {
        if let Ok(runtime) = Builder::new_current_thread().enable_io().build() {
            runtime.block_on(hear(&interrupt));
        }
    };
    // Without the thread, a signal does what it does to any program.
    let _ = std::thread::Builder::new().name("nacp-signals".into()).spawn(watch);
}

#[cfg(unix)]
async fn hear(interrupt: &Interrupt) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut ctrl_c), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return;
    };
    loop {
        let (tidies_up, code) = tokio::select! {
            Some(()) = ctrl_c.recv() => (interrupt.raise(), i32::from(Exit::Interrupted.code())),
            Some(()) = terminate.recv() => (interrupt.terminate(), TERMINATED),
            else => return,
        };
        if !tidies_up {
            std::process::exit(code);
        }
    }
}

#[cfg(not(unix))]
async fn hear(interrupt: &Interrupt) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if !interrupt.raise() {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    }
}
