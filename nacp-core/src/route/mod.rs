//! Which replica answers a request.
//!
//! A [`Router`] holds a table of the endpoints that are ready. Whoever watches the replicas replaces the table as a
//! whole ([`Router::update`]); whoever has a request asks for an endpoint ([`Router::route`]) and holds the [`Lease`]
//! until the request is over. A decision takes no lock, and allocates nothing after the first one of its thread.
//!
//! What a client asks for is matched in this order: a model that an endpoint serves, the name of a service, and
//! `app/service`. All endpoints of one model form one pool, also across services; a service's name that several apps
//! use is an error that names them, because their services need not be alike.
//!
//! Among the endpoints of a pool a [`Picker`] chooses. The shipped ones are [`PowerOfTwo`], the default, and
//! [`RoundRobin`]; a user may bring another.
//!
//! ```
//! use nacp_core::engine::Endpoint;
//! use nacp_core::route::{Request, Router};
//!
//! let router = Router::new();
//! router.update((0..2).map(|index| {
//!     let address = ([127, 0, 0, 1], 8000 + index).into();
//!     Endpoint::new("assistant", "llm", format!("assistant-llm-{index}"), address).model("phi3:mini")
//! }));
//!
//! let first = router.route(&Request::new("phi3:mini"))?;
//! let second = router.route(&Request::new("assistant/llm"))?;
//! assert_ne!(first.endpoint().replica, second.endpoint().replica); // the less busy one
//! drop((first, second));
//! assert!(router.endpoints().iter().all(|load| load.in_flight == 0 && load.served == 1));
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod lease;
mod picker;
mod router;
mod table;

pub use lease::Lease;
pub use picker::{Candidates, Picker, PowerOfTwo, RoundRobin};
pub use router::{EndpointLoad, Request, Router};
