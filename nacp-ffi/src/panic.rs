//! The boundary that no panic crosses.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nacp_core::{Error, ErrorKind, Result};

/// Runs `body`; a panic of it becomes an error with its message.
///
/// What a panic leaves half done can be seen by later calls. Nothing unsafe depends on it: the state behind the handles
/// is guarded by types that stay whole.
pub(crate) fn catch<T>(operation: &'static str, body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        Err(Error::new(ErrorKind::Internal, operation, "nacp panicked, which is a defect of its own")
            .with("panic", message(&*panic)))
    })
}

/// Runs `body`, which has nobody to tell what went wrong.
pub(crate) fn quiet(body: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(body));
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_internal_error_with_its_message() {
        let error = catch::<()>("nacp_test", || panic!("index {} is out of bounds", 7)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(error.operation(), "nacp_test");
        assert_eq!(error.to_string(), "nacp panicked, which is a defect of its own: panic=index 7 is out of bounds");
        assert_eq!(catch("nacp_test", || Ok(3)).unwrap(), 3);
        quiet(|| panic!("nobody hears it"));
    }
}
