//! The gateway over real sockets, in front of simulated services.

#![cfg(all(feature = "gateway", feature = "sim"))]
#![expect(clippy::disallowed_methods, reason = "the tests measure real time")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nacp_core::engine::Endpoint;
use nacp_core::gateway::{Gateway, GatewayOptions};
use nacp_core::route::{RoundRobin, Router};
use nacp_core::sim::{Service, ServiceOptions};
use nacp_core::{Error, ErrorKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
const MODEL: &str = "phi3:mini";
const PATIENCE: Duration = Duration::from_secs(10);

/// Simulated replicas behind a router and a gateway.
struct World {
    replicas: Vec<Service>,
    router: Arc<Router>,
    gateway: Gateway,
    client: Client<HttpConnector, Full<Bytes>>,
}

fn endpoint(index: usize, address: SocketAddr) -> Endpoint {
    Endpoint::new("assistant", "llm", format!("assistant-llm-{index}"), address).model(MODEL)
}

fn quick() -> ServiceOptions {
    ServiceOptions::model(MODEL).cost(Duration::from_millis(1), Duration::ZERO)
}

/// Eleven gaps of 40 ms between twelve words, which takes at least 440 ms.
fn slow() -> ServiceOptions {
    ServiceOptions::model(MODEL).cost(Duration::from_millis(1), Duration::from_millis(40))
}

/// A word each second: longer than any test wants to wait.
fn endless() -> ServiceOptions {
    ServiceOptions::model(MODEL).cost(Duration::from_millis(1), Duration::from_secs(1))
}

impl World {
    async fn new(replicas: usize, service: ServiceOptions, options: GatewayOptions) -> Self {
        Self::with_router(Router::with_picker(Arc::new(RoundRobin)), replicas, service, options).await
    }

    async fn with_router(router: Router, count: usize, service: ServiceOptions, options: GatewayOptions) -> Self {
        let mut replicas = Vec::new();
        for _ in 0..count {
            replicas.push(Service::start(service.clone(), (LOOPBACK, 0).into()).await.unwrap());
        }
        let router = Arc::new(router);
        router.update(replicas.iter().enumerate().map(|(index, replica)| endpoint(index, replica.address())));
        let gateway = Gateway::bind((LOOPBACK, 0).into(), Arc::clone(&router), options).await.unwrap();
        Self { replicas, router, gateway, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    fn request(&self, method: &str, path: &str) -> hyper::http::request::Builder {
        Request::builder().method(method).uri(format!("http://{}{path}", self.gateway.address()))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        tokio::time::timeout(PATIENCE, self.client.request(request)).await.unwrap().unwrap()
    }

    async fn post(&self, path: &str, body: impl Into<Bytes>) -> Response<Incoming> {
        self.send(self.request("POST", path).body(Full::new(body.into())).unwrap()).await
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let response = self.send(self.request("GET", path).body(Full::default()).unwrap()).await;
        (response.status().as_u16(), text(response).await)
    }

    fn in_flight(&self) -> u32 {
        self.router.endpoints().iter().map(|load| load.in_flight).sum()
    }
}

async fn text(response: Response<Incoming>) -> String {
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.unwrap().unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

async fn refusal(response: Response<Incoming>) -> (u16, String, String) {
    let status = response.status().as_u16();
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let field = |name: &str| body["error"][name].as_str().unwrap().to_owned();
    (status, field("code"), field("message"))
}

/// Waits until something holds, at most as long as the tests are patient.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn chat(stream: bool) -> String {
    let messages = json!([{"role": "user", "content": "why is the sky blue?"}]);
    json!({"model": MODEL, "messages": messages, "stream": stream, "max_tokens": 12}).to_string()
}

/// An address at which nobody listens, nor will while the socket is held.
fn dead() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((LOOPBACK, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn requests_spread_over_the_replicas_and_answers_pass_unchanged() {
    let world = World::with_router(Router::new(), 2, quick(), GatewayOptions::default()).await;
    for _ in 0..40 {
        let response = world.post("/v1/chat/completions", chat(false)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-nacp-simulated"], "1");
        assert!(response.headers()["x-nacp-replica"].to_str().unwrap().starts_with("assistant-llm-"));
        let answer: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(answer["usage"]["completion_tokens"], 12);
    }
    let requests: Vec<_> = world.replicas.iter().map(|replica| replica.stats().requests).collect();
    assert_eq!(requests.iter().sum::<u64>(), 40);
    assert!(requests.iter().all(|requests| *requests >= 8), "{requests:?}");
    eventually("all leases are back", || world.in_flight() == 0).await;
}

#[tokio::test]
async fn events_arrive_one_by_one_while_the_lease_is_held() {
    let world = World::new(1, slow(), GatewayOptions::default()).await;
    let start = Instant::now();
    let response = world.post("/v1/chat/completions", chat(true)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut arrivals = Vec::new();
    let mut whole = String::new();
    while let Some(frame) = body.frame().await {
        if arrivals.is_empty() {
            assert_eq!(world.in_flight(), 1);
        }
        arrivals.push(start.elapsed());
        whole.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
    }
    assert!(whole.ends_with("data: [DONE]\n\n"), "{whole}");
    assert_eq!(whole.matches("data: ").count(), 14);
    let (first, last) = (arrivals[0], *arrivals.last().unwrap());
    assert!(arrivals.len() >= 6, "in {} pieces", arrivals.len());
    assert!(last >= first + Duration::from_millis(400), "first {first:?}, last {last:?}");
    eventually("the lease is back", || world.in_flight() == 0).await;
    let stats = world.gateway.stats();
    assert!(stats.total.p50 >= stats.first_byte.p50 + Duration::from_millis(400), "{stats:?}");
}

#[tokio::test]
async fn ollama_lines_pass_through() {
    let world = World::new(1, quick(), GatewayOptions::default()).await;
    let response = world.post("/api/generate", json!({"model": MODEL, "prompt": "hello"}).to_string()).await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = text(response).await;
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["done"], &last["eval_count"]), (&json!(true), &json!(text.lines().count() - 1)));
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_lease_and_stops_the_replica() {
    let world = World::new(1, endless(), GatewayOptions::default()).await;
    let mut stream = TcpStream::connect(world.gateway.address()).await.unwrap();
    let body = chat(true);
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
    assert_eq!(world.in_flight(), 1);
    drop(stream);
    eventually("the lease is back", || world.in_flight() == 0).await;
    eventually("the replica is cut", || world.replicas[0].stats().cancelled == 1).await;
    assert!(world.replicas[0].stats().tokens < 12, "{:?}", world.replicas[0].stats());
    assert_eq!(world.gateway.stats().client_left, 1);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_stops_the_replica_too() {
    let service = ServiceOptions::model(MODEL).cost(Duration::from_secs(60), Duration::ZERO);
    let world = World::new(1, service, GatewayOptions::default()).await;
    let request = world.post("/v1/chat/completions", chat(true));
    assert!(tokio::time::timeout(Duration::from_millis(200), request).await.is_err());
    eventually("the replica is cut", || world.replicas[0].stats().cancelled == 1).await;
    eventually("the lease is back", || world.in_flight() == 0).await;
    assert_eq!(world.gateway.stats().requests[0].class, "left");
}

#[tokio::test]
async fn a_dead_replica_is_passed_over() {
    let world = World::new(1, quick(), GatewayOptions::default()).await;
    let (_held, dead) = dead();
    world.router.update([endpoint(0, world.replicas[0].address()), endpoint(1, dead)]);
    for _ in 0..10 {
        let response = world.post("/v1/chat/completions", chat(false)).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-nacp-replica"]),
            (200, &"assistant-llm-0".parse().unwrap())
        );
    }
    assert_eq!(world.gateway.stats().retries, 5);
}

#[tokio::test]
async fn when_all_replicas_are_dead_the_answer_is_502() {
    let world = World::new(0, quick(), GatewayOptions::default()).await;
    let dead = [dead(), dead()];
    world.router.update(dead.iter().enumerate().map(|(index, (_held, address))| endpoint(index, *address)));
    let (status, code, message) = refusal(world.post("/v1/chat/completions", chat(false)).await).await;
    assert_eq!((status, code.as_str()), (502, "no_replica"));
    assert_eq!(
        message,
        "no replica can be connected to: model=phi3:mini tried=2 reason=Connection refused (os error 111)"
    );
    assert_eq!(world.in_flight(), 0);
}

#[tokio::test]
async fn a_replica_that_breaks_off_is_not_tried_again() {
    let world = World::new(1, quick(), GatewayOptions::default()).await;
    let breaker = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    world.router.update([endpoint(0, breaker.local_addr().unwrap())]);
    let (response, ()) = tokio::join!(world.post("/v1/chat/completions", chat(false)), async {
        let (mut stream, _) = breaker.accept().await.unwrap();
        assert!(stream.read(&mut [0; 16]).await.unwrap() > 0);
    });
    let (status, _, message) = refusal(response).await;
    assert_eq!(status, 502);
    assert!(message.starts_with("the replica broke off before its answer: replica=assistant-llm-0"), "{message}");
    assert_eq!(world.gateway.stats().retries, 0);
}

/// A replica that reads a request and then sends this, once for each connection.
async fn scripted(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            open.push(stream);
        }
    });
    address
}

#[tokio::test]
async fn a_replica_that_falls_silent_in_its_answer_is_cut_off() {
    let mut options = GatewayOptions::default();
    options.limits.idle = Duration::from_millis(200);
    let world = World::new(0, quick(), options).await;
    let silent = scripted("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    world.router.update([endpoint(0, silent)]);
    let response = world.post("/v1/chat/completions", chat(true)).await;
    assert_eq!(response.status(), 200);
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.unwrap();
    assert!(body.is_err(), "an answer that was broken off passed as whole");
    assert_eq!(world.in_flight(), 0);
    assert_eq!(world.gateway.stats().replica_broke, 1);
}

#[tokio::test]
async fn a_stream_that_goes_on_is_not_cut_off() {
    let mut options = GatewayOptions::default();
    options.limits.idle = Duration::from_millis(200);
    let world = World::new(1, slow(), options).await;
    let answer = text(world.post("/v1/chat/completions", chat(true)).await).await;
    assert!(answer.contains("data: [DONE]"), "{answer}");
}

#[tokio::test]
async fn an_answer_in_pieces_keeps_no_false_length() {
    let world = World::new(0, quick(), GatewayOptions::default()).await;
    let odd = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n";
    world.router.update([endpoint(0, scripted(odd).await)]);
    assert_eq!(text(world.post("/v1/chat/completions", chat(false)).await).await, "abcdef");
}

#[tokio::test]
async fn a_replica_cannot_change_the_protocol() {
    let world = World::new(0, quick(), GatewayOptions::default()).await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    world.router.update([endpoint(0, scripted(switch).await)]);
    assert_eq!(world.post("/v1/chat/completions", chat(false)).await.status(), 502);
    assert_eq!(world.in_flight(), 0);
}

#[tokio::test]
async fn a_replica_that_could_not_be_reached_has_nothing_in_flight() {
    let world = World::new(1, endless(), GatewayOptions::default()).await;
    let (_held, dead) = dead();
    world.router.update([endpoint(0, dead), endpoint(1, world.replicas[0].address())]);
    let response = world.post("/v1/chat/completions", chat(true)).await;
    let loads: Vec<_> = world.router.endpoints().iter().map(|load| load.in_flight).collect();
    assert_eq!((response.status().as_u16(), loads), (200, vec![0, 1]));
}

#[tokio::test]
async fn clients_use_models_and_do_not_manage_them() {
    let world = World::new(1, quick(), GatewayOptions::default()).await;
    let send = async |method: &str, path: &str| {
        let request = world.request(method, path).body(Full::from(chat(false))).unwrap();
        world.send(request).await.status().as_u16()
    };
    assert_eq!(send("POST", "/api/pull").await, 404);
    assert_eq!(send("DELETE", "/api/delete").await, 404);
    assert_eq!(send("DELETE", "/v1/models/phi3:mini").await, 405);
    assert_eq!(send("POST", "/api/chat").await, 200);
    assert_eq!(world.get("/v1/models/phi3%3Amini").await.0, 200);
}

#[tokio::test]
async fn without_a_key_no_web_page_gets_in() {
    let world = World::new(1, quick(), GatewayOptions::default()).await;
    let send = async |header: &str, value: &str| {
        let request = world.request("POST", "/v1/chat/completions").header(header, value);
        world.send(request.body(Full::from(chat(false))).unwrap()).await.status().as_u16()
    };
    for (header, value, status) in [
        ("host", "evil.example", 403),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("host", "localhost:8080", 200),
        ("host", "[::1]:8080", 200),
        ("origin", "http://127.0.0.1:3000", 200),
    ] {
        assert_eq!(send(header, value).await, status, "{header}: {value}");
    }
}

#[tokio::test]
async fn a_replica_that_does_not_answer_in_time_is_504() {
    let mut options = GatewayOptions::default();
    options.limits.answer = Duration::from_millis(100);
    let service = ServiceOptions::model(MODEL).cost(Duration::from_secs(60), Duration::ZERO);
    let world = World::new(1, service, options).await;
    let (status, code, message) = refusal(world.post("/v1/chat/completions", chat(false)).await).await;
    assert_eq!((status, code.as_str()), (504, "replica_timeout"));
    assert_eq!(message, "the replica did not answer in time: replica=assistant-llm-0 limit=100ms");
    eventually("the replica is cut", || world.replicas[0].stats().cancelled == 1).await;
}

#[tokio::test]
async fn an_unknown_model_is_answered_with_the_known_ones() {
    let world = World::new(1, quick(), GatewayOptions::default()).await;
    let response = world.post("/v1/chat/completions", r#"{"model":"phi3:mni"}"#).await;
    assert_eq!(response.status(), 404);
    assert_eq!(
        text(response).await,
        "{\"error\":{\"code\":\"model_not_found\",\"message\":\"no service answers to this model: model=phi3:mni \
         known=phi3:mini; did you mean phi3:mini?\",\"param\":null,\"type\":\"invalid_request_error\"}}"
    );
    let response = world.post("/api/chat", r#"{"model":"x"}"#).await;
    assert_eq!(response.status(), 404);
    assert_eq!(text(response).await, r#"{"error":"no service answers to this model: model=x known=phi3:mini"}"#);
    world.router.update([]);
    let response = world.post("/v1/chat/completions", chat(false)).await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
}

#[tokio::test]
async fn a_service_asked_for_by_name_gets_its_model() {
    let world = World::new(1, quick(), GatewayOptions::default()).await;
    for name in ["llm", "assistant/llm"] {
        let response = world.post("/v1/completions", json!({"model": name, "prompt": "a"}).to_string()).await;
        assert_eq!(response.status(), 200);
        let answer: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(answer["model"], MODEL);
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_large_are_refused() {
    let mut options = GatewayOptions::default();
    options.limits.body_bytes = 1000;
    let world = World::new(1, quick(), options).await;
    let (status, code, message) = refusal(world.post("/v1/chat/completions", "{").await).await;
    assert_eq!((status, code.as_str()), (400, "invalid_body"));
    assert_eq!(
        message,
        "the request's body is not a JSON object with a model: \
         reason=EOF while parsing an object at line 1 column 1"
    );
    let (status, code, message) = refusal(world.post("/v1/chat/completions", vec![b' '; 1001]).await).await;
    assert_eq!((status, code.as_str()), (413, "body_too_large"));
    assert_eq!(message, "the request's body is too large: limit=1000 bytes");

    let mut stream = TcpStream::connect(world.gateway.address()).await.unwrap();
    let head = "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("258\r\n{}\r\n", " ".repeat(600));
    stream.write_all((head.to_owned() + &chunk + &chunk).as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");

    // One that says in its head that it is too large is not waited for.
    let mut stream = TcpStream::connect(world.gateway.address()).await.unwrap();
    stream
        .write_all(b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1001\r\n\r\n")
        .await
        .unwrap();
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_eq!(world.replicas[0].stats().requests, 0);
}

#[tokio::test]
async fn a_body_or_head_that_dawdles_is_ended() {
    let mut options = GatewayOptions::default();
    options.limits.body_time = Duration::from_millis(100);
    options.limits.head_time = Duration::from_millis(100);
    let world = World::new(1, quick(), options).await;
    let mut stream = TcpStream::connect(world.gateway.address()).await.unwrap();
    stream.write_all(b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    let mut stream = TcpStream::connect(world.gateway.address()).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost:").await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let world = World::new(1, quick(), GatewayOptions::default()).await;
    for (length, status) in [(30_000, "200"), (300_000, "431")] {
        let mut stream = TcpStream::connect(world.gateway.address()).await.unwrap();
        let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n", "x".repeat(length));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, format!("HTTP/1.1 {status}").as_bytes(), "{length} bytes");
    }
}

#[tokio::test]
async fn a_dropped_gateway_stops() {
    let world = World::new(1, endless(), GatewayOptions::default()).await;
    let response = world.post("/v1/chat/completions", chat(true)).await;
    drop(world.gateway);
    assert!(response.into_body().collect().await.is_err());
    let (router, replica) = (&world.router, &world.replicas[0]);
    eventually("the lease is back", || router.endpoints()[0].in_flight == 0).await;
    eventually("the replica is cut", || replica.stats().cancelled == 1).await;
}

#[tokio::test]
async fn with_a_key_only_its_holders_get_in() {
    let mut options = GatewayOptions::default();
    options.api_key = Some("sesame".into());
    let world = World::new(1, quick(), options).await;
    let attempt = async |authorization: &str| {
        let request = world.request("POST", "/v1/chat/completions").header("authorization", authorization);
        world.send(request.body(Full::from(chat(false))).unwrap()).await
    };
    for wrong in ["Bearer sesam", "Bearer sesame2", "Basic sesame", "sesame", "Bearer"] {
        assert_eq!(attempt(wrong).await.status(), 401, "{wrong}");
    }
    let response = world.post("/v1/chat/completions", chat(false)).await;
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    let (status, code, message) = refusal(response).await;
    assert_eq!((status, code.as_str(), message.as_str()), (401, "invalid_api_key", "no valid API key was sent"));
    assert_eq!(world.get("/v1/models").await.0, 401);
    assert_eq!(world.get("/metrics").await.0, 401);
    assert_eq!(world.get("/healthz").await.0, 200);
    assert_eq!(attempt("Bearer sesame").await.status(), 200);
    assert_eq!(attempt("bearer sesame").await.status(), 200);
}

#[tokio::test]
async fn a_key_that_nobody_could_send_is_refused() {
    for key in ["", "secret\n", " secret", "schlüssel"] {
        let mut options = GatewayOptions::default();
        options.api_key = Some(key.into());
        let error = bind((LOOPBACK, 0).into(), options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{key:?}");
    }
}

async fn bind(address: SocketAddr, options: GatewayOptions) -> Result<Gateway, Error> {
    Gateway::bind(address, Arc::new(Router::new()), options).await
}

#[tokio::test]
async fn beyond_loopback_a_key_is_needed() {
    let error = bind(([0, 0, 0, 0], 0).into(), GatewayOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(
        error.to_string(),
        "other machines could use the gateway: address=0.0.0.0:0; set an API key, or listen on 127.0.0.1"
    );
    let mut options = GatewayOptions::default();
    options.api_key = Some(String::new());
    let error = bind((LOOPBACK, 0).into(), options).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a usable API key: address=127.0.0.1:0; use printable ASCII without blanks; a key that was read from a file may end with a line end"
    );
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, GatewayOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Conflict, "gateway.bind"));
    assert_eq!(
        error.to_string(),
        format!("port is taken: address={address}; choose another port, or 0 for any free one")
    );
}

#[tokio::test]
async fn the_gateway_lists_the_models_itself() {
    let world = World::new(2, quick(), GatewayOptions::default()).await;
    let models: Value = serde_json::from_str(&world.get("/v1/models").await.1).unwrap();
    assert_eq!(models["data"], json!([{"id": MODEL, "object": "model", "created": 0, "owned_by": "nacp"}]));
    assert_eq!(world.get("/v1/models/phi3:mini").await.0, 200);
    assert_eq!(world.get("/v1/models/x").await.0, 404);
    let tags: Value = serde_json::from_str(&world.get("/api/tags").await.1).unwrap();
    assert_eq!(tags["models"], json!([{"name": MODEL, "model": MODEL}]), "nothing is made up");
    assert_eq!(world.get("/healthz").await, (200, r#"{"endpoints":2,"status":"ok"}"#.to_owned()));
    assert_eq!(world.get("/elsewhere").await.0, 404);
    assert_eq!(world.replicas.iter().map(|replica| replica.stats().requests).sum::<u64>(), 0);
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let world = World::new(1, quick(), GatewayOptions::default()).await;
    for _ in 0..3 {
        text(world.post("/v1/chat/completions", chat(false)).await).await;
    }
    text(world.post("/v1/chat/completions", "{}").await).await;
    eventually("all are counted", || world.gateway.stats().in_flight == 0).await;
    assert_eq!(world.gateway.stats().total.count, 3, "only what came from a replica is timed");
    let (status, metrics) = world.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        r#"nacp_gateway_requests_total{app="assistant",service="llm",model="phi3:mini",class="2xx"} 3"#,
        r#"nacp_gateway_requests_total{app="",service="",model="",class="4xx"} 1"#,
        "nacp_gateway_in_flight 0",
        r#"nacp_gateway_duration_seconds_count{app="assistant",service="llm"} 3"#,
        r#"nacp_gateway_time_to_first_byte_seconds_count{app="assistant",service="llm"} 3"#,
        "# EOF",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn metrics_of_others_stand_before_the_gateway_s_own() {
    for (others, kind, end) in
        [("mine 1\n# EOF\n", "application/openmetrics-text", "# EOF\n"), ("mine 1\n", "text/plain", "\n")]
    {
        let mut options = GatewayOptions::default();
        options.metrics = Some(Arc::new(move || others.to_owned()));
        let world = World::new(0, quick(), options).await;
        let response = world.send(world.request("GET", "/metrics").body(Full::default()).unwrap()).await;
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with(kind));
        let text = text(response).await;
        assert!(text.starts_with("mine 1\n# HELP nacp_gateway_") && text.ends_with(end), "{text}");
        assert!(text.matches("# EOF").count() == others.matches("# EOF").count(), "{text}");
        // Only OpenMetrics describes a counter under a name that its lines do not have.
        let described = if kind == "text/plain" { "retries_total" } else { "retries" };
        for line in ["HELP", "TYPE"].map(|word| format!("# {word} nacp_gateway_{described} ")) {
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }
}

#[tokio::test]
async fn request_ids_are_kept_or_made() {
    let world = World::new(1, quick(), GatewayOptions::default()).await;
    let ask = async |id: &str| {
        let request = world.request("GET", "/healthz").header("x-request-id", id);
        let response = world.send(request.body(Full::default()).unwrap()).await;
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask("mine-1").await, "mine-1");
    let (one, other) = (ask("").await, ask("two words").await);
    assert!(one.starts_with("nacp-") && other.starts_with("nacp-") && one != other, "{one} {other}");
}

#[tokio::test]
async fn headers_reach_the_replica_without_the_connection_s_own() {
    let world = World::new(0, quick(), GatewayOptions::default()).await;
    let replica = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = replica.local_addr().unwrap();
    world.router.update([endpoint(0, address)]);
    let request = world
        .request("POST", "/v1/completions?trace=1")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("te", "trailers")
        .header("x-request-id", "mine-1")
        .body(Full::from(r#"{"model":"llm"}"#))
        .unwrap();
    let (response, head) = tokio::join!(world.send(request), async {
        let (mut stream, _) = replica.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let length = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 201 Created\r\nkeep-alive: 5\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        String::from_utf8_lossy(&head[..length]).to_lowercase()
    });
    assert!(head.starts_with("post /v1/completions?trace=1 http/1.1\r\n"), "{head}");
    for line in ["traceparent: 00-0af7", "x-request-id: mine-1", &format!("host: {address}"), "content-length: 21"] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    assert!(!head.contains("\r\nte:"), "{head}");
    assert!(head.ends_with(r#"{"model":"phi3:mini"}"#), "{head}");
    assert_eq!((response.status().as_u16(), response.headers().get("keep-alive")), (201, None));
    assert_eq!(text(response).await, "ok");
}

#[tokio::test]
async fn shutdown_lets_requests_finish_and_then_refuses() {
    let world = World::new(1, slow(), GatewayOptions::default()).await;
    let address = world.gateway.address();
    let response = world.post("/v1/chat/completions", chat(true)).await;
    let ((), text) = tokio::join!(async { world.gateway.shutdown().await.unwrap() }, text(response));
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shutdown_right_after_the_last_answer_cuts_nothing() {
    for round in 0..100 {
        let world = World::new(1, quick(), GatewayOptions::default()).await;
        assert_eq!(world.post("/v1/chat/completions", chat(false)).await.status(), 200);
        drop(world.client);
        world.gateway.shutdown().await.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
}

#[tokio::test]
async fn shutdown_cuts_what_outlasts_its_limit() {
    let mut options = GatewayOptions::default();
    options.limits.drain = Duration::from_millis(100);
    let world = World::new(1, endless(), options).await;
    let response = world.post("/v1/chat/completions", chat(true)).await;
    let start = Instant::now();
    let error = world.gateway.shutdown().await.unwrap_err();
    assert_eq!(error.to_string(), "requests were cut at the end of the drain: connections=1 drain=100ms");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(response.into_body().collect().await.is_err());
}
