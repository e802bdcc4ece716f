//! The GPUs of this machine at `/metrics`, with the names of dcgm-exporter, in few threads and megabytes.

mod server;
mod watch;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hyper::StatusCode;
use nacp_core::gpu::Node;
use nacp_core::observe::{CONTENT_TYPE, HostnameLabel};
use nacp_core::{Error, ErrorKind};
use serde_json::json;
use server::{Reply, reply};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use watch::Watch;

use crate::Exit;
use crate::context::Context;
use crate::failure::Outcome;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const INDEX: &str = "<!doctype html><title>NACP metrics</title><p><a href=\"/metrics\">metrics</a>\n";

/// Reads the GPUs every so often and answers scrapes until somebody stops it.
pub(crate) fn run(
    address: SocketAddr,
    every: Duration,
    hostname: (HostnameLabel, String),
    context: &mut Context<'_>,
) -> Outcome<Exit> {
    let node = context.node()?;
    let no_runtime = |cause| Error::new(ErrorKind::ResourceExhausted, "exporter", "no runtime").caused_by(cause);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
    context.interrupt.catch();
    let done = LocalSet::new().block_on(&runtime, serve(node, address, every, hostname, context));
    // A thread that hangs in the driver must not keep the program from ending.
    runtime.shutdown_background();
    done
}

async fn serve(
    node: Node,
    address: SocketAddr,
    every: Duration,
    hostname: (HostnameLabel, String),
    context: &mut Context<'_>,
) -> Outcome<Exit> {
    let cannot_listen = |cause: std::io::Error| {
        Error::new(ErrorKind::Conflict, "exporter.listen", "cannot listen on this address")
            .with("address", address)
            .with("reason", &cause)
            .caused_by(cause)
    };
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let url = format!("http://{}/metrics", listener.local_addr().map_err(cannot_listen)?);
    let what = format!("{}, {} GPUs", node.origin(), node.gpus().len());
    let simulated = node.origin().simulated;
    let watch = Rc::new(Watch::start(node, every, hostname).await?);
    let answer = move |path: &str| answer(&watch, path);
    context.show(&json!({ "url": &url, "simulated": simulated }), |_| format!("{what}: {url}"))?;
    let interrupt = context.interrupt.clone();
    server::serve(listener, answer, interrupt.wait()).await;
    context.tell("stopped");
    Ok(if interrupt.is_polite() { Exit::Fine } else { Exit::Interrupted })
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
