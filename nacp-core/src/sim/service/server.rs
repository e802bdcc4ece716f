//! From a path to an answer.

use std::sync::Arc;

use http::header::{HeaderValue, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::reply::{self, Reply, Surface};
use super::work::State;
use super::{ollama, openai};

const BODY_LIMIT: usize = 16 << 20;

pub(super) async fn answer(state: &Arc<State>, request: Request<Incoming>) -> Reply {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let reply = route(state, &method, &path, request).await;
    state.log(&format!("{method} {path} {}", reply.status().as_u16()));
    reply
}

async fn route(state: &Arc<State>, method: &Method, path: &str, request: Request<Incoming>) -> Reply {
    let surface = if path.starts_with("/api/") { Surface::Ollama } else { Surface::OpenAi };
    if !state.ready() {
        let mut reply = reply::error(surface, StatusCode::SERVICE_UNAVAILABLE, "the model is not loaded");
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return reply;
    }
    let known = match (method.as_str(), path) {
        ("GET", "/health" | "/healthz") => Ok(reply::json(&json!({"status": "ok", "simulated": true}))),
        ("GET", "/v1/nacp/gpus") => Ok(reply::json(&gpus(state))),
        ("GET", path) => match surface {
            Surface::OpenAi => openai::get(state, path),
            Surface::Ollama => ollama::get(state, path),
        },
        ("POST", path) => match body(request).await {
            Ok(body) => match surface {
                Surface::OpenAi => openai::post(state, path, &body).await,
                Surface::Ollama => ollama::post(state, path, &body).await,
            },
            Err(refusal) => Err(refusal),
        },
        _ => Err(Refusal::no_such_path()),
    };
    known.unwrap_or_else(|refusal| reply::error(surface, refusal.status, &refusal.message))
}

/// Why a request is not answered.
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    pub(super) fn no_such_path() -> Self {
        Self { status: StatusCode::NOT_FOUND, message: "no such path".to_owned() }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    fn no_such_model(model: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: format!("the model `{model}` does not exist") }
    }
}

async fn body(request: Request<Incoming>) -> Result<Value, Refusal> {
    let collected = Limited::new(request.into_body(), BODY_LIMIT).collect().await;
    let bytes = collected.map_err(|error| Refusal::bad(format!("cannot read the body: {error}")))?.to_bytes();
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| Refusal::bad(format!("the body is not JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(Refusal::bad("the body is not a JSON object")) }
}

/// The model that a request names, if it is served.
pub(super) fn model<'a>(state: &State, body: &'a Value) -> Result<&'a str, Refusal> {
    let model = body["model"].as_str().ok_or_else(|| Refusal::bad("the request names no model"))?;
    if state.serves(model) { Ok(model) } else { Err(Refusal::no_such_model(model)) }
}

/// A limit of tokens; absent, null and negative mean none.
pub(super) fn limit(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|limit| usize::try_from(limit).ok())
}

/// One text, or a list of texts.
pub(super) fn texts(value: &Value) -> Result<Vec<String>, Refusal> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    };
    texts.ok_or_else(|| Refusal::bad("the input is neither a text nor a list of texts"))
}

/// The text of a conversation: role and content of each message, on a line each.
pub(super) fn conversation(body: &Value) -> Result<String, Refusal> {
    let messages = body["messages"].as_array().ok_or_else(|| Refusal::bad("the request has no messages"))?;
    let line = |message: &Value| {
        let content = match &message["content"] {
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
            content => content.as_str().unwrap_or_default().to_owned(),
        };
        format!("{}: {content}\n", message["role"].as_str().unwrap_or("user"))
    };
    Ok(messages.iter().map(line).collect())
}

/// What the service can see of GPUs: what it was told, and which device files are there.
fn gpus(state: &State) -> Value {
    let variable = |name: &str| state.options.gpu_variables.get(name);
    let mut devices: Vec<_> = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("nvidia"))
        .collect();
    devices.sort();
    json!({
        "simulated": true,
        "cuda_visible_devices": variable("CUDA_VISIBLE_DEVICES"),
        "nvidia_visible_devices": variable("NVIDIA_VISIBLE_DEVICES"),
        "cdi_device": variable("NACP_CDI_DEVICE"),
        "variables": state.options.gpu_variables,
        "devices": devices,
    })
}
