//! The simulated service over real sockets.

#![expect(clippy::disallowed_methods, reason = "the tests measure real time")]

use std::time::{Duration, Instant};

use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::*;
use crate::ErrorKind;

fn client() -> Client<HttpConnector, Full<bytes::Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn start(options: ServiceOptions) -> Service {
    Service::start(options, ([127, 0, 0, 1], 0).into()).await.unwrap()
}

async fn call(service: &Service, method: &str, path: &str, body: &str) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", service.address()))
        .body(Full::from(body.to_owned()))
        .unwrap();
    let response = client().request(request).await.unwrap();
    assert_eq!(response.headers()["x-nacp-simulated"], "1");
    let status = response.status().as_u16();
    (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

async fn post(service: &Service, path: &str, body: &Value) -> Value {
    let (status, text) = call(service, "POST", path, &body.to_string()).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn question() -> Value {
    json!({"model": "phi3:mini", "messages": [{"role": "user", "content": "why is the sky blue?"}]})
}

#[tokio::test]
async fn a_chat_answer_is_whole_simulated_and_repeats() {
    let service = start(ServiceOptions::model("phi3:mini")).await;
    let first = post(&service, "/v1/chat/completions", &question()).await;
    let second = post(&service, "/v1/chat/completions", &question()).await;
    assert_eq!(first["choices"], second["choices"]);
    assert_eq!(first["system_fingerprint"], SIMULATED);
    assert_eq!(first["object"], "chat.completion");
    let words = first["choices"][0]["message"]["content"].as_str().unwrap().split(' ').count();
    assert_eq!(first["usage"], json!({"prompt_tokens": 6, "completion_tokens": words, "total_tokens": 6 + words}));
    assert_eq!(service.stats().requests, 2);
    assert_eq!(service.stats().tokens, 2 * words as u64);
}

#[tokio::test]
async fn streamed_events_join_to_the_whole_answer() {
    let service = start(ServiceOptions::model("phi3:mini")).await;
    let whole = post(&service, "/v1/chat/completions", &question()).await;
    let mut body = question();
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    let (_, text) = call(&service, "POST", "/v1/chat/completions", &body.to_string()).await;
    let mut events: Vec<_> = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let words: String = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(words, whole["choices"][0]["message"]["content"]);
    let last = events.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &whole["usage"]));
    assert_eq!(events[events.len() - 2]["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn a_limit_of_tokens_ends_the_answer() {
    let service = start(ServiceOptions::model("m")).await;
    let answer = post(&service, "/v1/completions", &json!({"model": "m", "prompt": "a b c", "max_tokens": 3})).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["total_tokens"], 6);
}

#[tokio::test]
async fn ollama_streams_lines_unless_told_not_to() {
    let service = start(ServiceOptions::model("m")).await;
    let (_, text) = call(&service, "POST", "/api/generate", r#"{"model":"m","prompt":"hello"}"#).await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let words: String = lines.iter().filter_map(|line| line["response"].as_str()).collect();
    let whole = post(&service, "/api/generate", &json!({"model": "m", "prompt": "hello", "stream": false})).await;
    assert_eq!(whole["response"], words);
    let last = lines.last().unwrap();
    assert_eq!((&last["done"], &last["done_reason"]), (&json!(true), &json!("stop")));
    assert_eq!(last["eval_count"], lines.len() - 1);
    let mut chat = question();
    chat["model"] = "m".into();
    chat["stream"] = false.into();
    assert_eq!(post(&service, "/api/chat", &chat).await["message"]["role"], "assistant");
}

#[tokio::test]
async fn embeddings_have_the_shape_of_both_surfaces() {
    let service = start(ServiceOptions::model("m")).await;
    let openai = post(&service, "/v1/embeddings", &json!({"model": "m", "input": ["a", "b c"]})).await;
    assert_eq!(openai["usage"]["total_tokens"], 3);
    let ollama = post(&service, "/api/embed", &json!({"model": "m", "input": "b c"})).await;
    assert_eq!(openai["data"][1]["embedding"], ollama["embeddings"][0]);
}

#[tokio::test]
async fn lists_name_the_models_and_say_who_owns_them() {
    let service = start(ServiceOptions { models: vec!["a".into(), "b".into()], ..ServiceOptions::default() }).await;
    let list: Value = serde_json::from_str(&call(&service, "GET", "/v1/models", "").await.1).unwrap();
    assert_eq!((&list["data"][1]["id"], &list["data"][1]["owned_by"]), (&json!("b"), &json!(SIMULATED)));
    let tags: Value = serde_json::from_str(&call(&service, "GET", "/api/tags", "").await.1).unwrap();
    assert_eq!(tags["models"][0]["name"], "a");
    assert_eq!(call(&service, "GET", "/v1/models/b", "").await.0, 200);
    assert_eq!(call(&service, "GET", "/debug/env", "").await.0, 404);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_form_of_the_surface() {
    let service = start(ServiceOptions::model("m")).await;
    let (status, text) = call(&service, "POST", "/v1/completions", r#"{"model":"x","prompt":"a"}"#).await;
    assert_eq!(status, 404);
    assert_eq!(
        text,
        r#"{"error":{"code":"model_not_found","message":"the model `x` does not exist","param":null,"type":"invalid_request_error"}}"#
    );
    let (status, text) = call(&service, "POST", "/api/chat", "{").await;
    assert_eq!(status, 400);
    assert_eq!(text, r#"{"error":"the body is not JSON: EOF while parsing an object at line 1 column 1"}"#);
}

#[tokio::test]
async fn it_is_not_ready_before_its_startup_is_over() {
    let options = ServiceOptions { startup: Duration::from_millis(150), ..ServiceOptions::model("m") };
    let service = start(options).await;
    assert_eq!(call(&service, "GET", "/healthz", "").await.0, 503);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(call(&service, "GET", "/healthz", "").await.0, 200);
    let never = start(ServiceOptions { unhealthy: true, ..ServiceOptions::model("m") }).await;
    assert_eq!(call(&never, "GET", "/api/tags", "").await.0, 503);
}

#[tokio::test]
async fn requests_wait_for_a_slot() {
    let options = ServiceOptions { slots: 1, ..ServiceOptions::model("m") };
    let service = start(options.cost(Duration::from_millis(60), Duration::ZERO)).await;
    let start = Instant::now();
    let body = json!({"model": "m", "prompt": "a"});
    futures_util::future::join_all((0..3).map(|_| post(&service, "/v1/completions", &body))).await;
    assert!(start.elapsed() >= Duration::from_millis(180), "{:?}", start.elapsed());
}

#[tokio::test]
async fn it_tells_which_gpus_it_was_given() {
    let mut options = ServiceOptions::model("m");
    options.gpu_variables.insert("CUDA_VISIBLE_DEVICES".into(), "GPU-7".into());
    let service = start(options).await;
    let gpus: Value = serde_json::from_str(&call(&service, "GET", "/v1/nacp/gpus", "").await.1).unwrap();
    assert_eq!((&gpus["cuda_visible_devices"], &gpus["cdi_device"]), (&json!("GPU-7"), &Value::Null));
    assert!(gpus["devices"].is_array());
}

#[tokio::test]
async fn a_taken_port_is_a_conflict_and_free_again_after_the_end() {
    let service = start(ServiceOptions::default()).await;
    let address = service.address();
    let error = Service::start(ServiceOptions::default(), address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        format!("port is taken: address={address}; choose another port, or 0 for any free one")
    );
    service.shutdown().await;
    let again = Service::start(ServiceOptions::model("m"), address).await.unwrap();
    assert_eq!(again.logs(), [format!("simulated service: listening on {address} models=m")]);
}
