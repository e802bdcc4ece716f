//! The GPUs of this machine at `/metrics`, with the names of dcgm-exporter, in one thread and few megabytes.
//!
//! ```sh
//! cargo run --release --example exporter -- --node simulated:h100x8
//! curl http://127.0.0.1:9400/metrics
//! ```

mod options;
mod readings;
mod server;
mod xids;

use std::fmt::Display;
use std::future::pending;
use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;

use hyper::StatusCode;
use nacp_core::observe::{CONTENT_TYPE, HostnameLabel, Metrics};
use nacp_core::{Error, ErrorKind};
use options::Options;
use readings::Readings;
use server::{Reply, reply};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;
use xids::Xids;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const INDEX: &str = "<!doctype html><title>NACP exporter</title><p><a href=\"/metrics\">metrics</a>\n";

fn main() -> ExitCode {
    // One thread that serves, and one more that reads the driver.
    let runtime = Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
    let done = match (Options::parse(std::env::args().skip(1)), runtime) {
        (Ok(None), _) => {
            show(options::HELP);
            Ok(())
        }
        (Ok(Some(options)), Ok(runtime)) => {
            let done = LocalSet::new().block_on(&runtime, run(&options));
            // A driver that hangs does not keep the program.
            runtime.shutdown_background();
            done
        }
        (Ok(_), Err(cause)) => Err(Error::new(ErrorKind::Internal, "exporter", "no runtime").caused_by(cause)),
        (Err(error), _) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "exporter: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Error> {
    let node = options.open()?;
    let cannot_listen = |cause: std::io::Error| {
        Error::new(ErrorKind::InvalidArgument, "exporter.listen", "cannot listen on this address")
            .with("address", options.listen)
            .with("reason", &cause)
            .caused_by(cause)
    };
    let listener = TcpListener::bind(options.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let stop = asked_to_stop()?;
    show(format_args!("{}, {} GPUs: http://{address}/metrics\n", node.origin(), node.gpus().len()));

    let exporter =
        Rc::new(Exporter { hostname: options.hostname(), xids: Xids::listen(&node), readings: Readings::new(node) });
    let answer = move |path: String| {
        let exporter = Rc::clone(&exporter);
        async move { exporter.answer(&path).await }
    };
    server::serve(listener, answer, stop).await;
    show("stopped\n");
    Ok(())
}

/// What all requests share.
#[derive(Debug)]
struct Exporter {
    hostname: (HostnameLabel, String),
    readings: Readings,
    xids: Option<Xids>,
}

impl Exporter {
    async fn answer(&self, path: &str) -> Reply {
        match path {
            "/metrics" => match self.metrics().await {
                Ok(text) => reply(StatusCode::OK, CONTENT_TYPE, text),
                Err(error) => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{error}\n")),
            },
            "/healthz" => match self.readings.get().await {
                Ok(_) => reply(StatusCode::OK, TEXT, "ok\n"),
                Err(error) => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{error}\n")),
            },
            "/" => reply(StatusCode::OK, HTML, INDEX),
            _ => reply(StatusCode::NOT_FOUND, TEXT, "there are /metrics and /healthz\n"),
        }
    }

    async fn metrics(&self) -> Result<String, Error> {
        let pair = self.readings.get().await?;
        let xids = self.xids.as_ref().map(Xids::last);
        let (label, name) = &self.hostname;
        let mut metrics = Metrics::new(&pair.latest).hostname(*label, name);
        if let Some(before) = &pair.before {
            metrics = metrics.before(before);
        }
        if let Some(xids) = &xids {
            metrics = metrics.events(xids);
        }
        metrics.render()
    }
}

/// Ends when somebody asks the program to end; from now on it does not end by itself.
fn asked_to_stop() -> Result<impl Future<Output = ()>, Error> {
    let listen = |kind| {
        signal(kind)
            .map_err(|cause| Error::new(ErrorKind::Internal, "exporter", "cannot listen for signals").caused_by(cause))
    };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            Some(()) = terminate.recv() => {}
            Some(()) = interrupt.recv() => {}
            else => pending().await,
        }
    })
}

/// Prints; a reader that has gone away does not end the exporter.
fn show(text: impl Display) {
    let mut out = std::io::stdout();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}
