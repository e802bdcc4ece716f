//! The simulated inference service as a container's only process, set by the variables `NACP_SIM_*`.
//!
//! It listens on every address of the container, or on the one that its argument names. With `env`, `read PATH`,
//! `write PATH TEXT`, `get URL`, `say OUT ERROR CODE` or `sleep SECONDS` it does that instead: what a test runs inside.

mod tools;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use nacp_core::sim::{Service, ServiceOptions};
use nacp_core::{Error, ErrorKind};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let Some(code) = tools::run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        return code;
    }
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    // The first process of a container has no default actions: a signal without a handler is lost.
    let mut terminate = handler(SignalKind::terminate())?;
    let mut interrupt = handler(SignalKind::interrupt())?;
    let env: BTreeMap<_, _> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut options = ServiceOptions::from_env(&env)?;
    // Nobody may be reading any more; that is no reason to stop.
    options.on_log = Some(|line| drop(writeln!(std::io::stdout(), "{line}")));
    let address = match std::env::args().nth(1) {
        Some(address) => address.parse().map_err(|cause: std::net::AddrParseError| {
            Error::new(ErrorKind::InvalidArgument, "sim.service.address", "not an address and a port")
                .with("value", address)
                .caused_by(cause)
        })?,
        None => ([0, 0, 0, 0], options.port).into(),
    };
    let service = Service::start(options, address).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    service.shutdown().await;
    Ok(())
}

fn handler(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Error> {
    signal(kind).map_err(|cause| {
        Error::new(ErrorKind::Internal, "sim.service.signal", "cannot handle signals").caused_by(cause)
    })
}
