//! What the gateway costs: the same simulated replica asked directly and through it.
//!
//! Client, gateway and replica share the machine, so that figures mean little and ratios something. The replica
//! answers at once. Options: `--rounds N` (default 7), `--requests N` per round (default 4000), `--concurrency N` (16).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nacp_core::engine::Endpoint;
use nacp_core::gateway::{Gateway, GatewayOptions};
use nacp_core::route::Router;
use nacp_core::sim::{Service, ServiceOptions};

const MODEL: &str = "phi3:mini";
const BODY: &str = r#"{"model":"phi3:mini","prompt":"why is the sky blue?","max_tokens":8}"#;
const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

type Caller = Client<HttpConnector, Full<Bytes>>;

/// One way to the replica, and what was measured on it.
struct Way {
    name: &'static str,
    address: SocketAddr,
    client: Caller,
    rates: Vec<f64>,
    micros: Histogram<u64>,
}

impl Way {
    fn new(name: &'static str, address: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { name, address, client, rates: Vec::new(), micros: Histogram::new(3).expect("three digits") }
    }

    async fn round(&mut self, requests: u32, concurrency: u32) {
        let left = Arc::new(AtomicU32::new(requests));
        let start = Instant::now();
        let callers: Vec<_> = (0..concurrency)
            .map(|_| tokio::spawn(call(self.client.clone(), self.address, Arc::clone(&left))))
            .collect();
        for caller in callers {
            for time in caller.await.expect("no call fails") {
                self.micros.record(u64::try_from(time.as_micros()).expect("short")).expect("in range");
            }
        }
        self.rates.push(f64::from(requests) / start.elapsed().as_secs_f64());
    }

    fn rate(&mut self) -> f64 {
        self.rates.sort_by(f64::total_cmp);
        self.rates[self.rates.len() / 2]
    }
}

async fn call(client: Caller, address: SocketAddr, left: Arc<AtomicU32>) -> Vec<Duration> {
    let uri: hyper::Uri = format!("http://{address}/v1/completions").parse().expect("an address");
    let mut times = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let request = Request::post(uri.clone()).body(Full::from(BODY)).expect("a request");
        let start = Instant::now();
        let response = client.request(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect("a body");
        times.push(start.elapsed());
    }
    times
}

fn option(name: &str, default: u32) -> u32 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(default, |value| value.parse().expect("a whole number"))
}

#[tokio::main]
async fn main() -> Result<(), nacp_core::Error> {
    // Without `--bench` it is cargo test that runs it: then it only has to work.
    let test = !std::env::args().any(|argument| argument == "--bench");
    let rounds = if test { 1 } else { option("--rounds", 7) };
    let requests = if test { 50 } else { option("--requests", 4000) };
    let concurrency = option("--concurrency", 16);

    let mut service = ServiceOptions::model(MODEL).cost(Duration::ZERO, Duration::ZERO);
    service.slots = 1024;
    let service = Service::start(service, (LOOPBACK, 0).into()).await?;
    let router = Arc::new(Router::new());
    let endpoint = Endpoint::new("assistant", "llm", "assistant-llm-0", service.address());
    router.update([endpoint.model(MODEL)]);
    let gateway = Gateway::bind((LOOPBACK, 0).into(), router, GatewayOptions::default()).await?;

    let mut ways = [Way::new("direct", service.address()), Way::new("gateway", gateway.address())];
    for way in &mut ways {
        way.round(requests / 4, concurrency).await;
        way.rates.clear();
        way.micros.clear();
    }
    for _ in 0..rounds {
        for way in &mut ways {
            way.round(requests, concurrency).await;
        }
    }

    println!(
        "{rounds} rounds of {requests} requests of {} bytes, concurrency {concurrency}, simulated replica",
        BODY.len()
    );
    println!("{:>10} {:>12} {:>10} {:>10}", "way", "requests/s", "p50 µs", "p99 µs");
    let mut json = String::from("{\"bench\":\"gateway\"");
    for way in &mut ways {
        let (rate, p50, p99) = (way.rate(), way.micros.value_at_quantile(0.5), way.micros.value_at_quantile(0.99));
        println!("{:>10} {rate:>12.0} {p50:>10} {p99:>10}", way.name);
        let name = way.name;
        json.push_str(&format!(",\"{name}_rps\":{rate:.0},\"{name}_p50_us\":{p50},\"{name}_p99_us\":{p99}"));
    }
    let ratio = ways[1].rate() / ways[0].rate();
    println!("through the gateway {:.0} % of the direct requests/s", ratio * 100.0);
    println!("{json},\"ratio\":{ratio:.3}}}");
    gateway.shutdown().await?;
    service.shutdown().await;
    Ok(())
}
