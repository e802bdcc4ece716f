//! `nacp.lock`: what a reproducible run needs, pinned, and what has changed since.
//!
//! A [`Lock`] is made of a [`Survey`] (machine, driver, toolkit, engine, GPUs), of an [`App`] (services and their
//! specifications), of what a daemon says of the images ([`images`]), and of [certificates](Certificate) (what the GPUs
//! compute). It is written as text with one fact a line, so that a review sees what changed, and lies beside
//! `nacp.yaml`. [`Lock::verify`] compares it with a lock of now: each [`Drift`] says whether results may change by it,
//! only the performance, or nothing, and why.
//!
//! A fact that is not known is [`Pin::Unknown`] with the reason and is never taken for one that is equal;
//! [`Lock::completeness`] counts how much is pinned.
//!
//! ```
//! use nacp_core::clock::{Clock, SystemClock};
//! use nacp_core::host::lock::{Effect, Lock};
//! use nacp_core::host::{self, Survey};
//! use nacp_core::service::App;
//!
//! let yaml = "
//! name: assistant
//! services:
//!   llm: { image: 'ollama/ollama:0.16.1', model: 'phi3:mini' }
//! ";
//! let survey = Survey::of_host(host::detect()); // what was read: here the layers alone
//! let lock = Lock::of(&survey, SystemClock::new().wall()).app(&App::parse(yaml)?);
//! println!("{}", lock.completeness());
//!
//! # let folder = std::env::temp_dir().join(format!("nacp-lock-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! let path = folder.join("nacp.lock");
//! lock.write(&path)?;
//!
//! // Later, or on another machine, with another image:
//! let app = App::parse(&yaml.replace("0.16.1", "0.17.0"))?;
//! let verification = Lock::read(&path)?.verify(&Lock::of(&survey, SystemClock::new().wall()).app(&app));
//! println!("{verification}");
//! assert!(!verification.holds(Effect::Performance), "another image may compute something else");
//! # std::fs::remove_dir_all(folder).unwrap();
//! # Ok::<(), nacp_core::Error>(())
//! ```
//!
//! [`App`]: crate::service::App
//! [`Certificate`]: crate::cuda::determinism::Certificate

mod certificates;
mod completeness;
mod diff;
mod facts;
mod file;
pub mod images;
mod machine;
mod pin;
mod report;
mod rules;
mod services;
mod text;
mod verify;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use certificates::CertificatePin;
pub use completeness::{Completeness, Missing};
pub use file::Written;
pub use images::ImagePin;
pub use machine::{DriverPin, EnginePin, GpuPin, SystemPin, WslPin};
pub use pin::Pin;
pub use rules::Effect;
pub use services::ServicePin;
pub use verify::{Drift, Side, Unanswered, Verification};

use super::Survey;
use crate::cuda::determinism::Certificate;
use crate::cuda::kernels::SUITE_VERSION;
use crate::error::Result;
use crate::service::App;

/// The version of the form of a [`Lock`].
pub(crate) const FORMAT: u32 = 1;

/// What a reproducible run needs, pinned; see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Lock {
    /// The version of this form: 1.
    pub format: u32,
    /// When it was made, and with what.
    pub made: Made,
    /// The system on which everything runs.
    pub system: SystemPin,
    /// The NVIDIA driver.
    pub driver: DriverPin,
    /// The version of NVIDIA Container Toolkit.
    pub toolkit: Pin,
    /// The container daemon.
    pub engine: EnginePin,
    /// The GPUs, the equal ones together; none on a machine without.
    pub gpus: Pin<Vec<GpuPin>>,
    /// The name of the app; absent where no app was given, so that nothing is said of services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The services of the app, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, ServicePin>,
    /// What the GPUs computed, the same each once, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificatePin>,
}

/// When a lock was made, and with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Made {
    /// When something in it last changed, in whole seconds.
    pub at: Timestamp,
    /// The version of NACP.
    pub nacp: String,
    /// The version of its suite of kernels; certificates of another suite cannot be compared.
    pub suite: u32,
}

impl Lock {
    /// What a survey tells, at this time. Services, images and certificates are added to it:
    /// [`app`](Self::app), [`image`](Self::image), [`certificate`](Self::certificate).
    pub fn of(survey: &Survey, at: Timestamp) -> Self {
        let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
        Self {
            format: FORMAT,
            made: Made { at, nacp: env!("CARGO_PKG_VERSION").into(), suite: SUITE_VERSION },
            system: SystemPin::of(survey),
            driver: DriverPin::of(survey),
            toolkit: survey.toolkit.version.clone().into(),
            engine: EnginePin::of(survey),
            gpus: machine::gpus(survey),
            app: None,
            services: BTreeMap::new(),
            certificates: Vec::new(),
        }
    }

    /// The same with the services of this app, in place of those of any other.
    #[must_use]
    pub fn app(mut self, app: &App) -> Self {
        self.app = Some(app.name.clone());
        self.services = services::of(app);
        self
    }

    /// The same with what a daemon told of the image of a service; nothing changes where the app has no such service.
    #[must_use]
    pub fn image(mut self, service: &str, pin: ImagePin) -> Self {
        if let Some(service) = self.services.get_mut(service) {
            service.set_image(pin);
        }
        self
    }

    /// The same with what this certificate shows: the bits, and the file of `libcuda` where it was made with the driver
    /// of this lock.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a certificate that was altered, or that proves nothing
    /// because its runs differ.
    pub fn certificate(mut self, certificate: &Certificate) -> Result<Self> {
        let pin = CertificatePin::of(certificate)?;
        let of_this_driver = pin.driver.is_some() && pin.driver.as_ref() == self.driver.version.known();
        if let Some(sha256) = certificate.driver.library_sha256.as_ref().filter(|_| of_this_driver) {
            self.driver.libcuda = Pin::Known(sha256.clone());
        }
        if let Err(place) = self.certificates.binary_search(&pin) {
            self.certificates.insert(place, pin);
        }
        Ok(self)
    }

    /// Whether both pin the same; when and with what they were made does not count.
    pub fn pins_the_same(&self, other: &Self) -> bool {
        *self == Self { made: self.made.clone(), ..other.clone() }
    }
}
