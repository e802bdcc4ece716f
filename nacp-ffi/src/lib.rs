//! The C door of NACP: what `include/nacp.h` declares.
//!
//! The header is generated from this crate and says everything that a C program needs; a test keeps it fresh. The rules
//! that every function here keeps:
//!
//! - **Errors.** A function that can fail returns a [`nacp_status`] and, where the caller gives a [`nacp_error`], fills
//!   it. No error is kept in the library.
//! - **Panics** do not cross into C: they become `NACP_E_INTERNAL`.
//! - **Pointers** are NULL or valid. A NULL where something is needed is `NACP_E_INVALID_ARGUMENT` and names the
//!   parameter. Text is UTF-8 with a closing NUL.
//! - **Threads.** What is taken as `const T *` may be used by several threads at once; what is taken as `T *` belongs to
//!   the call alone.
//! - **Structs** begin with their size as the caller knows it; the library never writes beyond that.
//! - **Fork.** A context remembers its process; in a forked child its calls fail.
//! - **Signals.** SIGPIPE is blocked on our threads, and on the caller's for the time of a call.
//!
//! There is no global state and no signal handler, and nothing is printed but what Rust itself prints of a panic.

#![expect(non_camel_case_types, reason = "the names are those of C")]
#![allow(rustdoc::broken_intra_doc_links, reason = "the comments are those of the header, in the words of Doxygen")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the contract is the same for every function: pointers are NULL or valid, as the header says"
)]

// The header has its functions in this order. Blank lines keep it from being sorted.

mod version;

mod error;
mod status;
mod string;

mod context;

mod probe;

// The GPUs.

mod node;

mod info;
mod metric;
mod mig;
mod process;

mod owner;

mod topology;

mod events;

mod telemetry;

mod subscription;
mod survey;

mod record;

mod condition;
mod health;
mod monitor;

// Where we run.

mod cuda;
mod decision;
mod host;

mod check;

mod report;

mod certificate;

// What runs.

mod app;

mod engine;

mod plan;

mod apply;
mod keep;

mod replicas;

mod router;

mod gateway;

mod metrics;

// What the functions share.

mod ffi;
mod panic;
mod shared;
#[cfg(unix)]
mod sigpipe;
#[cfg(not(unix))]
#[path = "no_sigpipe.rs"]
mod sigpipe;
mod text;

pub use app::*;
pub use apply::*;
pub use certificate::*;
pub use check::*;
pub use condition::*;
pub use context::*;
pub use cuda::*;
pub use decision::*;
pub use engine::*;
pub use error::nacp_error;
pub use events::*;
pub use gateway::*;
pub use health::*;
pub use host::*;
pub use info::*;
pub use keep::*;
pub use metric::*;
pub use metrics::*;
pub use mig::*;
pub use monitor::*;
pub use node::*;
pub use owner::*;
pub use plan::*;
pub use probe::*;
pub use process::*;
pub use record::*;
pub use replicas::*;
pub use report::*;
pub use router::*;
pub use status::*;
pub use string::*;
pub use subscription::*;
pub use survey::*;
pub use telemetry::*;
pub use topology::*;
pub use version::*;
