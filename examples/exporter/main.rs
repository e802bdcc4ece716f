//! The GPUs of this machine at `/metrics`, with the names of dcgm-exporter, in few threads and megabytes.
//!
//! ```sh
//! cargo run --release --example exporter -- --node simulated:h100x8
//! curl http://127.0.0.1:9400/metrics
//! ```

mod options;
mod server;
mod watch;

use std::fmt::Display;
use std::future::pending;
use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;

use hyper::StatusCode;
use nacp_core::observe::CONTENT_TYPE;
use nacp_core::{Error, ErrorKind};
use options::Options;
use server::{Reply, reply};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;
use watch::Watch;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const INDEX: &str = "<!doctype html><title>NACP exporter</title><p><a href=\"/metrics\">metrics</a>\n";

fn main() -> ExitCode {
    let runtime = Builder::new_current_thread().enable_all().build();
    let done = match (Options::parse(std::env::args().skip(1)), runtime) {
        (Ok(None), _) => {
            show(options::HELP);
            Ok(())
        }
        (Ok(Some(options)), Ok(runtime)) => {
            let done = LocalSet::new().block_on(&runtime, run(&options));
            // A thread that hangs in the driver must not keep the exporter from ending.
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
    let what = format!("{}, {} GPUs", node.origin(), node.gpus().len());
    let watch = Rc::new(Watch::start(node, options.every, options.hostname()).await?);
    let answer = move |path: &str| answer(&watch, path);
    show(format_args!("{what}: http://{address}/metrics\n"));
    server::serve(listener, answer, stop).await;
    show("stopped\n");
    Ok(())
}

fn answer(watch: &Watch, path: &str) -> Reply {
    let done = match path {
        "/metrics" => watch.metrics().map(|text| reply(StatusCode::OK, CONTENT_TYPE, text)),
        "/healthz" => watch.answers().map(|()| reply(StatusCode::OK, TEXT, "ok\n")),
        "/" => Ok(reply(StatusCode::OK, HTML, INDEX)),
        _ => Ok(reply(StatusCode::NOT_FOUND, TEXT, "there are /metrics and /healthz\n")),
    };
    done.unwrap_or_else(|error| reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{error}\n")))
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
