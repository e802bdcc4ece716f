//! Where a replica answers.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where one replica of a service answers requests. Requests are routed between the endpoints of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
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

impl Endpoint {
    /// An endpoint of a service that names no model.
    pub fn new(
        app: impl Into<String>,
        service: impl Into<String>,
        replica: impl Into<String>,
        address: SocketAddr,
    ) -> Self {
        Self { app: app.into(), service: service.into(), model: None, replica: replica.into(), address }
    }

    /// Sets the model that it serves.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }
}
