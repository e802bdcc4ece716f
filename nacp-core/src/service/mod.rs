//! What to run: apps, services and their needs, from `nacp.yaml`, from JSON or from builders.
//!
//! ```
//! use nacp_core::service::App;
//!
//! let app = App::parse(
//!     "
//! name: assistant
//! services:
//!   llm:
//!     image: ollama/ollama:0.16.1
//!     model: phi3:mini
//!     gpu: { memory: 3.3GiB }
//!     port: 11434
//!     ready: { http: /api/tags, within: 10m }
//! ",
//! )?;
//! assert_eq!(app.services["llm"].replicas, 1);
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod app;
pub mod compose;
mod depends;
pub mod determinism;
mod duration;
mod gpu;
mod mount;
mod parse;
mod place;
mod probe;
mod range;
mod resources;
mod schema;
mod secret;
mod security;
mod spec;
mod strategy;
mod validate;
mod warnings;
pub(crate) mod yaml;

pub use app::App;
pub use depends::{Condition, Dependencies};
pub use determinism::Determinism;
pub use gpu::{GpuMemory, GpuNeed, Sharing, Topology};
pub use mount::{Mount, MountSource};
pub use probe::{Check, Probe};
pub use range::VersionRange;
pub use resources::{Resources, Ulimit};
pub use schema::schema;
pub use secret::{Secret, SecretValue};
pub use security::{RootAccess, Security};
pub use spec::{Api, Publish, Pull, Service};
pub use strategy::{Restart, Strategy};
pub use warnings::Warning;
