//! What is pinned of a service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ImagePin, Pin};
use crate::service::{App, Determinism, Service};

/// One service: what runs, and how it is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServicePin {
    /// The image as the app names it, such as `ollama/ollama:0.16.1`. A tag may name another image tomorrow.
    pub image: String,
    /// The image's digest in its registry, such as `ollama/ollama@sha256:…`: the same everywhere.
    pub digest: Pin,
    /// What the daemon calls the image, `sha256:…`. Another kind of image store may call the same image otherwise.
    pub image_id: Pin,
    /// The hash of everything that makes up a container of it, [`Service::hash`].
    pub spec: String,
    /// The model that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether its containers get the environment that lets CUDA programs repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub determinism: Option<Determinism>,
}

impl ServicePin {
    fn of(service: &Service) -> Self {
        let ImagePin { image, digest, id } = ImagePin::of_reference(&service.image);
        Self {
            image,
            digest,
            image_id: id,
            spec: service.hash(),
            model: service.model.clone(),
            determinism: service.determinism,
        }
    }

    /// Takes over what a daemon told of the image. A digest that stands in the reference itself stays: it is what runs.
    pub(super) fn set_image(&mut self, pin: ImagePin) {
        self.digest = match ImagePin::of_reference(&self.image).digest {
            Pin::Known(digest) => Pin::Known(digest),
            _ => pin.digest,
        };
        self.image_id = pin.id;
    }
}

pub(super) fn of(app: &App) -> BTreeMap<String, ServicePin> {
    app.services.iter().map(|(name, service)| (name.clone(), ServicePin::of(service))).collect()
}
