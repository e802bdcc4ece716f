//! One line that says what is being done, in a terminal only.

use std::io::Write;

use nacp_core::cuda::Progress;

/// The line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    shown: bool,
}

impl Line {
    pub(crate) fn new(shown: bool) -> Self {
        Self { shown }
    }

    /// Shows where the run is, and clears the line when it is over.
    pub(crate) fn show(self, progress: &Progress) {
        if !self.shown {
            return;
        }
        let mut out = std::io::stderr().lock();
        // What cannot be shown is not missed.
        let _ = match progress {
            Progress::Started { id, device, done, total } => {
                let device = device.as_ref().map(|device| format!(" on {}", device.short())).unwrap_or_default();
                write!(out, "\r\x1b[K{done:>3}/{total} {id}{device} …")
            }
            Progress::Finished { done, total, .. } if done == total => write!(out, "\r\x1b[K"),
            _ => Ok(()),
        };
        let _ = out.flush();
    }
}
