//! Numbers from Python, within the range of what they stand for.

use std::time::Duration;

use nacp_core::{Error, ErrorKind};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use crate::errors::Failure;

/// The whole number that Python gave for a parameter; out of range it is an `InvalidArgument`, not an `OverflowError`.
pub(crate) fn number<T>(name: &'static str, given: &Bound<'_, PyAny>, most: T) -> Result<T, Failure>
where
    T: TryFrom<u64> + Into<u64> + Copy,
{
    let most: u64 = most.into();
    let whole = match given.extract::<u64>() {
        Ok(whole) => Some(whole),
        Err(error) if error.is_instance_of::<PyOverflowError>(given.py()) => None,
        Err(error) => return Err(error.into()),
    };
    match whole.filter(|&whole| whole <= most).map(T::try_from) {
        Some(Ok(number)) => Ok(number),
        _ => Err(Error::new(ErrorKind::InvalidArgument, "python.number", "the number is out of range")
            .with("parameter", name)
            .with("value", given.str()?)
            .hint(format!("choose 0 to {most}"))
            .into()),
    }
}

/// A time that Python gave in seconds.
pub(crate) fn seconds(name: &'static str, given: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(given).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, "python.number", "not a time in seconds")
            .with("parameter", name)
            .with("value", given)
            .with("reason", error)
            .hint("choose a number of seconds that is not below 0")
    })
}
