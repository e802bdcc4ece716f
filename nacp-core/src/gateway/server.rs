//! From a request to the gateway's own answer or to a replica's.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::GatewayOptions;
use super::proxy::{self, Upstream};
use super::reply::{Refusal, Reply, json_reply, text_reply};
use super::stats::{Record, Stats};
use crate::route::Router;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 128;
const OWNER: &str = "nacp";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What OpenMetrics text ends with.
const END: &str = "# EOF\n";
const PLAIN_METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) router: Arc<Router>,
    pub(super) options: GatewayOptions,
    pub(super) stats: Arc<Stats>,
    pub(super) upstream: Upstream,
    /// The digest of the API key: comparing digests takes the same time whatever was sent.
    pub(super) key: Option<[u8; 32]>,
    ids: RandomState,
    next_id: AtomicU64,
}

impl Shared {
    #[expect(
        clippy::disallowed_methods,
        reason = "a request's id is not repeated by another gateway; nothing decides by it"
    )]
    pub(super) fn new(router: Arc<Router>, options: GatewayOptions) -> Self {
        Self {
            router,
            stats: Arc::new(Stats::new(Arc::clone(&options.clock))),
            upstream: proxy::upstream(&options.limits),
            key: options.api_key.as_deref().map(digest),
            ids: RandomState::new(),
            next_id: AtomicU64::new(0),
            options,
        }
    }

    /// The client's own id for the request, or a new one that no other gateway makes.
    fn request_id(&self, headers: &HeaderMap) -> HeaderValue {
        let given = headers
            .get(&REQUEST_ID)
            .filter(|id| id.len() <= LONGEST_ID && !id.is_empty() && id.as_bytes().iter().all(u8::is_ascii_graphic));
        let new = || {
            let id = self.ids.hash_one(self.next_id.fetch_add(1, Ordering::Relaxed));
            HeaderValue::from_str(&format!("nacp-{id:016x}")).unwrap_or(HeaderValue::from_static("nacp"))
        };
        given.cloned().unwrap_or_else(new)
    }

    fn allowed(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.key else { return true };
        let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        let Some((scheme, token)) = sent else { return false };
        let differences = digest(token.trim()).iter().zip(key).fold(0, |sum, (one, other)| sum | (one ^ other));
        scheme.eq_ignore_ascii_case("bearer") && differences == 0
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

pub(super) async fn answer(shared: &Shared, request: Request<Incoming>) -> Reply {
    let (mut parts, body) = request.into_parts();
    let id = shared.request_id(&parts.headers);
    parts.headers.insert(REQUEST_ID, id.clone());
    let path = parts.uri.path();
    let own = if shared.key.is_none() && !is_local(&parts.headers) {
        Some(Err(Refusal::foreign()))
    } else if path == "/healthz" || shared.allowed(&parts.headers) {
        own(shared, &parts.method, path)
    } else {
        Some(Err(Refusal::no_key()))
    };
    let mut reply = match own {
        Some(own) => own.unwrap_or_else(|refusal| refusal.reply(path)),
        None => proxy::forward(shared, parts, body, Record::begin(&shared.stats)).await,
    };
    reply.headers_mut().insert(REQUEST_ID, id);
    reply
}

/// Whether requests of this path are a replica's to answer. What loads, removes or publishes models is not: services
/// are what the app says, and clients do not change them.
fn passes_on(path: &str) -> bool {
    let ollama = ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show"];
    path.starts_with("/v1/") || ollama.contains(&path)
}

/// Whether a request comes from a program of this machine as far as its headers tell. A web page can send requests to
/// loopback addresses too, but it cannot hide its origin, and under a name of its own it cannot hide the name.
fn is_local(headers: &HeaderMap) -> bool {
    let local = |text: &str| {
        let host = text.parse::<Authority>().map(|authority| authority.host().to_owned());
        host.is_ok_and(|host| host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok())
    };
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = text(ORIGIN).is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host)| local(host)));
    origin && text(HOST).is_none_or(local)
}

/// What the gateway answers by itself; nothing for what is a replica's to answer.
fn own(shared: &Shared, method: &Method, path: &str) -> Option<Result<Reply, Refusal>> {
    if passes_on(path) && *method == Method::POST {
        return None;
    }
    if *method != Method::GET && *method != Method::HEAD {
        let refusal = if passes_on(path) { Refusal::no_such_method(path) } else { Refusal::no_such_path(path) };
        return Some(Err(refusal));
    }
    let reply = match path {
        "/healthz" => json_reply(&json!({"status": "ok", "endpoints": shared.router.endpoints().len()})),
        "/metrics" => metrics(shared),
        "/v1/models" => {
            let data: Vec<_> = shared.router.names().iter().map(|name| openai_model(name)).collect();
            json_reply(&json!({"object": "list", "data": data}))
        }
        "/api/tags" => {
            let models: Vec<_> = shared.router.names().iter().map(|name| ollama_model(name)).collect();
            json_reply(&json!({"models": models}))
        }
        "/api/version" => json_reply(&json!({"version": env!("CARGO_PKG_VERSION")})),
        _ => {
            let asked = path.strip_prefix("/v1/models/");
            let asked = asked.map(|asked| percent_decode_str(asked).decode_utf8_lossy());
            let model = asked.filter(|asked| shared.router.names().iter().any(|name| name == asked));
            return Some(
                model.map(|model| json_reply(&openai_model(&model))).ok_or_else(|| Refusal::no_such_path(path)),
            );
        }
    };
    Some(Ok(reply))
}

/// The API of OpenAI wants a time in `created`, and its clients a number. The gateway does not know one: 0.
fn openai_model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": OWNER})
}

/// Size, digest and time of change are a replica's to know; clients of Ollama do without them.
fn ollama_model(name: &str) -> Value {
    json!({"name": name, "model": name})
}

fn metrics(shared: &Shared) -> Reply {
    let own = shared.stats.text();
    let Some(write) = &shared.options.metrics else { return text_reply(OPENMETRICS, own + END) };
    let others = write();
    match others.strip_suffix(END) {
        Some(others) => text_reply(OPENMETRICS, [others, &own, END].concat()),
        None => text_reply(PLAIN_METRICS, others + &in_plain_text(&own)),
    }
}

/// OpenMetrics describes a counter under its name without `_total`, Prometheus' own format under the name of its lines.
fn in_plain_text(openmetrics: &str) -> String {
    let name = |line: &str| line.strip_prefix("# ")?.split(' ').nth(1).map(str::to_owned);
    let counters: Vec<_> = openmetrics.lines().filter(|line| line.ends_with(" counter")).filter_map(name).collect();
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        match name(line).filter(|name| counters.contains(name)) {
            Some(name) => text += &line.replacen(&name, &format!("{name}_total"), 1),
            None => text += line,
        }
        text.push('\n');
    }
    text
}
