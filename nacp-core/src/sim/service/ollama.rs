//! The surface of Ollama.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use serde_json::{Value, json};

use super::SIMULATED;
use super::reply::{self, Reply};
use super::server::{Refusal, conversation, limit, model, texts};
use super::tokens;
use super::work::{self, Generation, State};
use crate::clock::Clock;

pub(super) fn get(state: &State, path: &str) -> Result<Reply, Refusal> {
    let entry = |name: &String| {
        json!({
            "name": name,
            "model": name,
            "modified_at": state.clock.wall().to_string(),
            "size": 0,
            "digest": format!("{:016x}", tokens::hash(name, 3)),
            "details": {"format": SIMULATED, "family": SIMULATED, "parameter_size": "0", "quantization_level": "none"},
        })
    };
    let models = || state.options.models.iter().map(entry).collect::<Vec<_>>();
    match path {
        "/api/version" => Ok(reply::json(&json!({"version": format!("{}-simulated", env!("CARGO_PKG_VERSION"))}))),
        "/api/tags" | "/api/ps" => Ok(reply::json(&json!({"models": models()}))),
        _ => Err(Refusal::no_such_path()),
    }
}

pub(super) async fn post(state: &Arc<State>, path: &str, body: &Value) -> Result<Reply, Refusal> {
    match path {
        "/api/chat" => generate(state, true, body, &conversation(body)?).await,
        "/api/generate" => generate(state, false, body, body["prompt"].as_str().unwrap_or_default()).await,
        "/api/embed" => {
            let (model, texts) = (model(state, body)?, texts(&body["input"])?);
            let embeddings = work::embed(state, model, &texts).await;
            let count: usize = texts.iter().map(|text| tokens::count(text)).sum();
            Ok(reply::json(&json!({"model": model, "embeddings": embeddings, "prompt_eval_count": count})))
        }
        _ => Err(Refusal::no_such_path()),
    }
}

async fn generate(state: &Arc<State>, chat: bool, body: &Value, prompt: &str) -> Result<Reply, Refusal> {
    let model = model(state, body)?;
    let mut generation = Generation::begin(state, model, prompt, limit(&body["options"]["num_predict"])).await;
    if body["stream"].as_bool().unwrap_or(true) {
        let pieces = stream::unfold(Some(generation), move |generation| async move {
            let mut generation = generation?;
            let piece = generation.piece().await;
            let line = match &piece {
                Some(text) => part(&generation, chat, text),
                None => end(&generation, chat, ""),
            };
            Some((format!("{line}\n"), piece.is_some().then_some(generation)))
        });
        return Ok(reply::stream("application/x-ndjson", pieces));
    }
    let text = generation.text().await;
    Ok(reply::json(&end(&generation, chat, &text)))
}

fn part(generation: &Generation, chat: bool, text: &str) -> Value {
    let mut part = json!({
        "model": generation.model(),
        "created_at": generation.state().clock.wall().to_string(),
        "system_fingerprint": SIMULATED,
        "done": false,
    });
    if chat {
        part["message"] = json!({"role": "assistant", "content": text});
    } else {
        part["response"] = text.into();
    }
    part
}

fn end(generation: &Generation, chat: bool, text: &str) -> Value {
    let total = generation.state().clock.monotonic().saturating_sub(generation.started);
    let first = generation.state().options.time_to_first_token.min(total);
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut end = part(generation, chat, text);
    end["done"] = true.into();
    end["done_reason"] = generation.reason().into();
    end["total_duration"] = nanoseconds(total).into();
    end["load_duration"] = 0.into();
    end["prompt_eval_count"] = generation.prompt_tokens.into();
    end["prompt_eval_duration"] = nanoseconds(first).into();
    end["eval_count"] = generation.tokens().into();
    end["eval_duration"] = nanoseconds(total.saturating_sub(first)).into();
    end
}
