//! Where a replica answers.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where one replica of a service answers requests. Requests are routed between the endpoints of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The app that the replica belongs to.
    pub app: String,
    /// The service that it is a replica of.
    pub service: String,
    /// The model that it serves, if the service names one.
    pub model: Option<String>,
    /// The replica's name: that of its container.
    pub replica: String,
    /// The address of its HTTP server.
    pub address: SocketAddr,
}
