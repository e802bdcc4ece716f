//! Each part as it is here: the real one, or the simulated one with the reason.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use nacp_core::cuda::{self, Check, Level, Report};
use nacp_core::engine::{Docker, Engine};
use nacp_core::gpu::Node;
use nacp_core::service::App;
use nacp_core::{Error, ErrorKind, sim};

/// The machine that is simulated: the laptop of the founding decision.
const LAPTOP: &str = "rtx3050ti-laptop-wsl2";

/// A part of the machine.
#[derive(Debug)]
pub(crate) struct Part<T> {
    pub(crate) part: T,
    pub(crate) name: String,
    /// Why the real part is not used; absent when it is.
    pub(crate) missing: Option<String>,
}

/// The GPUs.
pub(crate) fn node(simulated: bool) -> Result<Part<Node>, Error> {
    let missing = match unless(simulated, Node::discover) {
        Ok(node) if !node.gpus().is_empty() => {
            let origin = node.origin();
            let missing = origin.simulated.then(|| "its library says so".to_owned());
            return Ok(Part { name: origin.name.clone(), part: node, missing });
        }
        Ok(_) => "the driver knows no GPU".to_owned(),
        Err(error) => error.to_string(),
    };
    let part = Node::from_source(Arc::new(sim::Node::named(LAPTOP)?))?;
    Ok(Part { part, name: LAPTOP.to_owned(), missing: Some(missing) })
}

/// Whether CUDA works: on the devices of this machine, or on those of the laptop.
pub(crate) fn cuda(simulated: bool) -> Result<Part<Report>, Error> {
    let name = |report: &Report| report.probe.as_ref().map_or_else(String::new, |probe| probe.library.to_string());
    let missing = match unless(simulated, || Ok(cuda::check(Level::Quick))) {
        Ok(report) => match report.error().filter(|_| report.probe.is_none()) {
            Some(error) => error.get("reason").unwrap_or(error.message()).to_owned(),
            None => {
                let missing = report.simulated.then(|| "its library says so".to_owned());
                return Ok(Part { name: name(&report), part: report, missing });
            }
        },
        Err(error) => error.to_string(),
    };
    let driver = sim::Cuda::named(LAPTOP)?;
    let report = Check::new(Level::Quick).driver(Arc::new(driver)).run();
    Ok(Part { name: LAPTOP.to_owned(), part: report, missing: Some(missing) })
}

/// The container engine, with the app's images.
pub(crate) async fn engine(simulated: bool, app: &App) -> Part<Arc<dyn Engine>> {
    match real_engine(simulated, app).await {
        Ok(part) => part,
        Err(error) => Part {
            part: Arc::new(sim::Engine::new()),
            name: "engine in this process".to_owned(),
            missing: Some(error.to_string()),
        },
    }
}

async fn real_engine(simulated: bool, app: &App) -> Result<Part<Arc<dyn Engine>>, Error> {
    let docker = if simulated { Err(asked()) } else { Docker::connect().await }?;
    let images: BTreeSet<_> = app.services.values().map(|service| service.image.as_str()).collect();
    for image in images {
        // Not pulled: the image is this repository's own, and its name in a public registry may be anybody's.
        if !docker.has_image(image).await? {
            build(image)?;
        }
    }
    let info = docker.info().await?;
    Ok(Part { part: Arc::new(docker), name: format!("{} {}", info.name, info.version), missing: None })
}

/// Builds the image of the simulated service, which no registry has.
fn build(image: &str) -> Result<(), Error> {
    println!("building {image}: about a minute, once");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim-service/image");
    let failed =
        || Error::new(ErrorKind::NotFound, "quickstart.image", "the image cannot be built").with("image", image);
    let built = Command::new(script).arg(image).status().map_err(|error| failed().caused_by(error))?;
    if built.success() { Ok(()) } else { Err(failed()) }
}

fn unless<T>(simulated: bool, real: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    if simulated { Err(asked()) } else { real() }
}

fn asked() -> Error {
    Error::new(ErrorKind::Cancelled, "quickstart.parts", "asked for by --simulated")
}
