//! What the driver's compiler is given, and what it writes.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cuda::kernels::Image;

/// How many bytes the compiler may write, for errors and for everything else.
const LENGTH: usize = 8 << 10;

/// `CU_JIT_INFO_LOG_BUFFER` and its size, `CU_JIT_ERROR_LOG_BUFFER` and its size.
const OPTIONS: [c_int; 4] = [3, 4, 5, 6];

/// The text of an image. A cold one ends with a comment that no text had before, because the driver finds compiled
/// programs by a hash of the text and would not compile this one otherwise.
#[expect(
    clippy::disallowed_methods,
    reason = "a process that has the number of an earlier one must write another text"
)]
pub(super) fn text(image: Image, cold: bool) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if !cold {
        return image.ptx().into();
    }
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}\n// {} {} {count}\n", image.ptx(), std::process::id(), since.as_nanos())
}

/// Room for what the compiler writes.
pub(super) struct Log {
    info: Box<[u8; LENGTH]>,
    error: Box<[u8; LENGTH]>,
}

impl Default for Log {
    fn default() -> Self {
        Self { info: Box::new([0; LENGTH]), error: Box::new([0; LENGTH]) }
    }
}

impl Log {
    /// The options of a load, and their values: buffers, and their lengths in the place of pointers.
    pub(super) fn options(&mut self) -> ([c_int; 4], [*mut c_void; 4]) {
        let length = std::ptr::without_provenance_mut(LENGTH);
        (OPTIONS, [self.info.as_mut_ptr().cast(), length, self.error.as_mut_ptr().cast(), length])
    }

    /// What was written: the errors, or else the rest.
    pub(super) fn text(&self) -> String {
        let [error, info] = [&self.error, &self.info].map(|buffer| {
            let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len());
            String::from_utf8_lossy(&buffer[..end]).trim().to_owned()
        });
        if error.is_empty() { info } else { error }
    }
}
