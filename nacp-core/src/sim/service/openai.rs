//! The surface of the OpenAI API.

use std::sync::Arc;

use futures_util::stream;
use serde_json::{Value, json};

use super::SIMULATED;
use super::reply::{self, Reply};
use super::server::{Refusal, conversation, limit, model, texts};
use super::tokens;
use super::work::{self, Generation, State};

pub(super) fn get(state: &State, path: &str) -> Result<Reply, Refusal> {
    let entry = |id: &str| json!({"id": id, "object": "model", "created": state.now(), "owned_by": SIMULATED});
    if path == "/v1/models" {
        let data: Vec<_> = state.options.models.iter().map(|id| entry(id)).collect();
        return Ok(reply::json(&json!({"object": "list", "data": data})));
    }
    match path.strip_prefix("/v1/models/") {
        Some(id) if state.serves(id) => Ok(reply::json(&entry(id))),
        _ => Err(Refusal::no_such_path()),
    }
}

pub(super) async fn post(state: &Arc<State>, path: &str, body: &Value) -> Result<Reply, Refusal> {
    match path {
        "/v1/chat/completions" => {
            let limit = limit(&body["max_completion_tokens"]).or_else(|| limit(&body["max_tokens"]));
            complete(state, Form::Chat, body, &conversation(body)?, limit).await
        }
        "/v1/completions" => {
            let prompt = texts(&body["prompt"])?.join("\n");
            complete(state, Form::Text, body, &prompt, limit(&body["max_tokens"])).await
        }
        "/v1/embeddings" => embeddings(state, body).await,
        _ => Err(Refusal::no_such_path()),
    }
}

async fn embeddings(state: &Arc<State>, body: &Value) -> Result<Reply, Refusal> {
    let (model, texts) = (model(state, body)?, texts(&body["input"])?);
    let vectors = work::embed(state, model, &texts).await;
    let data: Vec<_> = (0..)
        .zip(vectors)
        .map(|(index, vector): (usize, _)| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    let count: usize = texts.iter().map(|text| tokens::count(text)).sum();
    let usage = json!({"prompt_tokens": count, "total_tokens": count});
    Ok(reply::json(&json!({"object": "list", "data": data, "model": model, "usage": usage})))
}

/// The two forms of a completion.
#[derive(Clone, Copy, Debug)]
enum Form {
    Chat,
    Text,
}

impl Form {
    fn object(self, streamed: bool) -> &'static str {
        match (self, streamed) {
            (Self::Chat, true) => "chat.completion.chunk",
            (Self::Chat, false) => "chat.completion",
            (Self::Text, _) => "text_completion",
        }
    }

    fn choice(self, streamed: bool, text: Option<&str>, reason: Option<&str>) -> Value {
        let content = || match text {
            Some(text) => json!({"role": "assistant", "content": text}),
            None => json!({}),
        };
        let mut choice = json!({"index": 0, "logprobs": null, "finish_reason": reason});
        match (self, streamed) {
            (Self::Chat, true) => choice["delta"] = content(),
            (Self::Chat, false) => choice["message"] = content(),
            (Self::Text, _) => choice["text"] = text.unwrap_or_default().into(),
        }
        choice
    }
}

async fn complete(
    state: &Arc<State>,
    form: Form,
    body: &Value,
    prompt: &str,
    limit: Option<usize>,
) -> Result<Reply, Refusal> {
    let model = model(state, body)?;
    let streamed = body["stream"].as_bool().unwrap_or(false);
    let include_usage = streamed && body["stream_options"]["include_usage"].as_bool().unwrap_or(false);
    let head = json!({
        "id": format!("sim-{:016x}", tokens::hash(prompt, tokens::hash(model, 2))),
        "object": form.object(streamed),
        "created": state.now(),
        "model": model,
        "system_fingerprint": SIMULATED,
    });
    let mut generation = Generation::begin(state, model, prompt, limit).await;
    if streamed {
        let events = Events { form, head, include_usage, generation, step: Step::Words };
        let pieces = stream::unfold(events, |mut events| async move { Some((events.next().await?, events)) });
        return Ok(reply::stream("text/event-stream", pieces));
    }
    let text = generation.text().await;
    let mut answer = head;
    answer["choices"] = json!([form.choice(false, Some(&text), Some(generation.reason()))]);
    answer["usage"] = usage(&generation);
    Ok(reply::json(&answer))
}

fn usage(generation: &Generation) -> Value {
    let (prompt, completion) = (generation.prompt_tokens, generation.tokens());
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

/// A completion as server-sent events.
struct Events {
    form: Form,
    head: Value,
    include_usage: bool,
    generation: Generation,
    step: Step,
}

enum Step {
    Words,
    Usage,
    Done,
    Over,
}

impl Events {
    async fn next(&mut self) -> Option<String> {
        match self.step {
            Step::Words => {
                let piece = self.generation.piece().await;
                let reason = if piece.is_none() { Some(self.generation.reason()) } else { None };
                if piece.is_none() {
                    self.step = if self.include_usage { Step::Usage } else { Step::Done };
                }
                let choice = self.form.choice(true, piece.as_deref(), reason);
                Some(self.event(json!([choice]), Value::Null))
            }
            Step::Usage => {
                self.step = Step::Done;
                Some(self.event(json!([]), usage(&self.generation)))
            }
            Step::Done => {
                self.step = Step::Over;
                Some("data: [DONE]\n\n".to_owned())
            }
            Step::Over => None,
        }
    }

    fn event(&self, choices: Value, usage: Value) -> String {
        let mut event = self.head.clone();
        event["choices"] = choices;
        if self.include_usage {
            event["usage"] = usage;
        }
        format!("data: {event}\n\n")
    }
}
