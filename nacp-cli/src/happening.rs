//! What happens to an app, as a person at a terminal reads it.

use nacp_core::control::{Event, EventKind};
use nacp_core::engine::PullProgress;

use crate::context::Context;

/// The width of a bar, in columns.
const WIDTH: u64 = 24;

/// Tells an event in a line; an image that arrives in one that the next replaces, in a terminal only. What is done as it
/// was said a moment before is not told twice.
pub(crate) fn tell(event: &Event, context: &mut Context<'_>) {
    match &event.kind {
        EventKind::Pulling(progress) => context.streams.progress(bar(progress)),
        EventKind::Done { .. } => {}
        _ => {
            context.streams.progress("");
            context.tell(event);
        }
    }
}

/// How far an image has arrived.
fn bar(progress: &PullProgress) -> String {
    let PullProgress { image, phase, done, total, layers_done, layers, .. } = progress;
    match total.0 {
        0 => format!("{image}: {phase}"),
        most => {
            let filled = usize::try_from(WIDTH * done.0.min(most) / most).unwrap_or_default();
            let (full, empty) = ("#".repeat(filled), ".".repeat(24 - filled));
            format!("{image}: {phase} [{full}{empty}] {done} of {total}, {layers_done} of {layers} layers")
        }
    }
}

#[cfg(test)]
mod tests {
    use nacp_core::Bytes;

    use super::*;

    fn progress(done: u64, total: u64) -> PullProgress {
        let text = r#"{"image":"a/b:1","phase":"downloading","done":0,"total":0,"layers_done":1,"layers":3}"#;
        let mut progress: PullProgress = serde_json::from_str(text).unwrap();
        (progress.done, progress.total) = (Bytes::mib(done), Bytes::mib(total));
        progress
    }

    #[test]
    fn a_bar_is_as_full_as_the_image_is_here() {
        let line = bar(&progress(100, 200));
        assert_eq!(line, "a/b:1: downloading [############............] 100 MiB of 200 MiB, 1 of 3 layers");
        assert!(bar(&progress(300, 200)).contains("[########################]"));
        assert_eq!(bar(&progress(0, 0)), "a/b:1: downloading");
    }
}
