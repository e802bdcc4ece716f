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

mod compute;
pub mod determinism;
mod duration;
mod parse;
mod place;
mod spec;
mod validate;
pub(crate) mod yaml;

pub use compute::ComputeNeed;
pub use determinism::Determinism;
pub use spec::{App, GpuNeed, Probe, Service, Sharing};
