//! Running one image on one way to a GPU, without a runtime of its own.
//!
//! A [`Runner`] is handed in, so that a caller who has an engine of his own, or a test, can run images by it. The one that
//! is used unless it is told otherwise, [`DaemonRunner`], asks the daemon over its socket with the same blocking exchange
//! by which daemons are found: the comparison of a machine is no asynchronous program, and the core never starts a runtime
//! for its caller. The engine of NACP's control plane is asynchronous and is not used for it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ImageRun, RunOutcome, Way};
use crate::host::Seen;
use crate::host::daemon::ask;
use crate::host::lock::ImagePin;

/// The label of every container that the comparison starts.
const LABEL: &str = "nacp.probe";
/// Every exchange but the wait for the container's end.
const EXCHANGE: Duration = Duration::from_secs(5);
/// The most of a container's output that is kept, in bytes.
const LOG: usize = 2048;

/// One image on one way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trial {
    /// On which way.
    pub way: Way,
    /// The daemon's address.
    pub endpoint: String,
    /// The image; it is not pulled.
    pub image: String,
    /// What is run in it; the image's own command where nothing is said.
    pub command: Vec<String>,
    /// How long it may run. A program that still runs then is stopped and counts as started.
    pub limit: Duration,
}

/// What runs an image for the comparison.
pub trait Runner {
    /// Runs it, and leaves nothing behind.
    fn run(&self, trial: &Trial) -> ImageRun;

    /// What the image asks of the driver (`NVIDIA_REQUIRE_CUDA`); none where it asks for nothing, or that is not known.
    fn requires(&self, _trial: &Trial) -> Option<String> {
        None
    }
}

/// Runs images on the daemons of this machine, over their sockets. Its containers carry the label `nacp.probe`, have no
/// network, and are removed, whatever becomes of them.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DaemonRunner;

impl Runner for DaemonRunner {
    fn run(&self, trial: &Trial) -> ImageRun {
        if let Some(reason) = refuse(trial) {
            return ImageRun::new(trial.way, RunOutcome::NotTried { reason });
        }
        let digest = Image::ask(trial).digest();
        let created = post(trial, "/containers/create", Some(&request(trial)), EXCHANGE);
        let outcome = match created.map(|answer| serde_json::from_slice::<Created>(&answer)) {
            Ok(Ok(created)) if is_id(&created.id) => {
                let container = Container { trial, id: created.id };
                container.finish()
            }
            Ok(_) => RunOutcome::Refused { message: "the daemon names no container that it created".into() },
            Err(message) => RunOutcome::Refused { message },
        };
        ImageRun { digest, ..ImageRun::new(trial.way, outcome) }
    }

    fn requires(&self, trial: &Trial) -> Option<String> {
        let image = refuse(trial).is_none().then(|| Image::ask(trial))?;
        image.env.iter().find_map(|variable| variable.strip_prefix("NVIDIA_REQUIRE_CUDA=").map(str::to_owned))
    }
}

/// Names go into a request line: what cannot be part of a name is not sent.
fn refuse(trial: &Trial) -> Option<String> {
    let named = |letter: char| letter.is_ascii_alphanumeric() || "._-:/@".contains(letter);
    if trial.image.is_empty() || !trial.image.chars().all(named) {
        return Some("that is no name of an image".into());
    }
    (trial.way == Way::Kubernetes).then(|| "the comparison starts no pods".into())
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
}

/// What the daemon says of the image that is run.
struct Image {
    pin: ImagePin,
    /// The variables of its own environment.
    env: Vec<String>,
}

impl Image {
    fn ask(trial: &Trial) -> Self {
        let answer = ask::exchange(&trial.endpoint, "GET", &format!("/images/{}/json", trial.image), None, EXCHANGE);
        let answer = answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let value: Value = answer.found().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let env = value["Config"]["Env"].as_array().map(Vec::as_slice).unwrap_or_default();
        let env = env.iter().filter_map(|variable| Some(variable.as_str()?.to_owned())).collect();
        Self { pin: ImagePin::of_answer(&trial.image, &answer), env }
    }

    /// The digest by which a registry knows it, or what the daemon calls it where it comes from none.
    fn digest(&self) -> Option<String> {
        let known = self.pin.digest.known().and_then(|name| Some(name.split_once('@')?.1.to_owned()));
        known.or_else(|| self.pin.id.known().cloned())
    }
}

/// What the daemon is asked to create.
fn request(trial: &Trial) -> Value {
    let mut host = json!({ "NetworkMode": "none" });
    match trial.way {
        Way::DockerDefault => {
            host["DeviceRequests"] = json!([{ "Driver": "", "Count": -1, "Capabilities": [["gpu"]] }]);
        }
        Way::DockerRuntime => host["Runtime"] = json!("nvidia"),
        _ => {
            host["DeviceRequests"] = json!([{ "Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"] }]);
        }
    }
    let mut request = json!({ "Image": trial.image, "Labels": { (LABEL): trial.way }, "HostConfig": host });
    if trial.way == Way::DockerRuntime {
        request["Env"] = json!(["NVIDIA_VISIBLE_DEVICES=all"]);
    }
    if let [program, rest @ ..] = trial.command.as_slice() {
        request["Entrypoint"] = json!([program]);
        request["Cmd"] = json!(rest);
    }
    request
}

fn post(trial: &Trial, path: &str, body: Option<&Value>, limit: Duration) -> Result<Vec<u8>, String> {
    let body = body.map(ToString::to_string);
    match ask::exchange(&trial.endpoint, "POST", path, body.as_deref(), limit) {
        Seen::Found(answer) => Ok(answer),
        Seen::Absent => Err("nothing is at the daemon's address any more".into()),
        seen => Err(seen.open().unwrap_or_default().to_owned()),
    }
}

/// A container of the comparison. It is removed when it goes out of scope.
struct Container<'a> {
    trial: &'a Trial,
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
    exit_code: i64,
    #[serde(default)]
    error: String,
}

impl Container<'_> {
    /// Starts it and waits for its end, or for the end of its time.
    fn finish(&self) -> RunOutcome {
        if let Err(message) = post(self.trial, &format!("/containers/{}/start", self.id), None, EXCHANGE) {
            return RunOutcome::Refused { message };
        }
        // Whatever became of the wait, what the daemon then says of the container counts.
        let _ = post(self.trial, &format!("/containers/{}/wait", self.id), None, self.trial.limit);
        let answer =
            ask::exchange(&self.trial.endpoint, "GET", &format!("/containers/{}/json", self.id), None, EXCHANGE);
        let state = answer.found().and_then(|answer| serde_json::from_slice::<Inspected>(answer).ok());
        match state.map(|inspected| inspected.state) {
            Some(State { running: true, .. }) => RunOutcome::Running,
            Some(State { error, .. }) if !error.is_empty() => RunOutcome::Refused { message: error },
            Some(State { exit_code, .. }) => RunOutcome::Ended { code: exit_code, log: self.log() },
            None => RunOutcome::NotTried { reason: "the daemon does not tell what became of it".into() },
        }
    }

    fn log(&self) -> String {
        let path = format!("/containers/{}/logs?stdout=1&stderr=1&tail=20", self.id);
        let answer = ask::exchange(&self.trial.endpoint, "GET", &path, None, EXCHANGE);
        let text = answer.found().map(|answer| ask::without_frames(answer)).unwrap_or_default();
        let text = text.trim();
        let from = (text.len().saturating_sub(LOG)..=text.len()).find(|at| text.is_char_boundary(*at));
        from.and_then(|from| text.get(from..)).unwrap_or_default().to_owned()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let removed = ask::exchange(
            &self.trial.endpoint,
            "DELETE",
            &format!("/containers/{}?force=1&v=1", self.id),
            None,
            EXCHANGE,
        );
        if let Some(reason) = removed.open() {
            tracing::warn!(container = self.id, reason, "a container of the comparison could not be removed");
        }
    }
}
