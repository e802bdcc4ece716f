//! Leases between the control planes of one process: for simulations and tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Lease, Leases};
use crate::error::Result;

type Held = Arc<Mutex<BTreeMap<(String, String), String>>>;

/// Leases that are known in this process only. Whatever was made by [`named`](Self::named) from one of them shares its
/// leases; two that were made by [`new`](Self::new) know nothing of each other.
#[derive(Clone, Debug)]
pub struct MemoryLeases {
    held: Held,
    holder: String,
}

impl MemoryLeases {
    /// Leases of which none is held, for a holder of this name.
    pub fn new(holder: impl Into<String>) -> Self {
        Self { held: Held::default(), holder: holder.into() }
    }

    /// The same leases for a holder of another name.
    #[must_use]
    pub fn named(&self, holder: impl Into<String>) -> Self {
        Self { held: Arc::clone(&self.held), holder: holder.into() }
    }
}

#[async_trait]
impl Leases for MemoryLeases {
    async fn take(&self, engine: &str, app: &str) -> Result<Result<Box<dyn Lease>, String>> {
        let key = (engine.to_owned(), app.to_owned());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holder) = held.get(&key) {
            return Ok(Err(holder.clone()));
        }
        held.insert(key.clone(), self.holder.clone());
        Ok(Ok(Box::new(MemoryLease { held: Arc::clone(&self.held), key })))
    }
}

#[derive(Debug)]
struct MemoryLease {
    held: Held,
    key: (String, String),
}

impl Lease for MemoryLease {}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holder_at_a_time_of_each_app_on_each_engine() {
        let first = MemoryLeases::new("first");
        let second = first.named("second");
        let held = first.take("docker", "demo").await.unwrap().unwrap();
        assert_eq!(second.take("docker", "demo").await.unwrap().unwrap_err(), "first");
        assert_eq!(first.take("docker", "demo").await.unwrap().unwrap_err(), "first", "not even for the holder again");
        let others = [second.take("podman", "demo").await.unwrap(), second.take("docker", "other").await.unwrap()];
        assert!(others.iter().all(Result::is_ok));
        drop(held);
        drop(second.take("docker", "demo").await.unwrap().unwrap());
        assert!(MemoryLeases::new("stranger").take("podman", "demo").await.unwrap().is_ok());
    }
}
