//! The fields of a service.

use serde_json::{Value, json};

use super::forms::{
    ABSOLUTE, NAME, SOMETHING, arguments, defaulting, described, duration, object, size, text, whole, with, words,
};
use super::parts;
use crate::service::validate::LEAST_MEMORY;

/// `[host[:port]/]path[:tag][@digest]`.
const IMAGE: &str = concat!(
    "^((localhost(:[0-9]+)?|[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+(:[0-9]+)?|[A-Za-z0-9-]+:[0-9]+)/)?",
    "[a-z0-9]([a-z0-9._-]*[a-z0-9])?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*",
    "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha(256:[0-9a-f]{64}|512:[0-9a-f]{128}))?$",
);

pub(super) fn service() -> Value {
    object(
        &["image"],
        [
            (
                "image",
                described(
                    "The container image, as name:tag or name@sha256:…",
                    with(text(IMAGE), json!({ "examples": ["ollama/ollama:0.16.1"] })),
                ),
            ),
            (
                "command",
                described("The arguments of the image's program; the image's own if it is not set.", arguments()),
            ),
            ("entrypoint", described("The program that is run in place of the image's own.", arguments())),
            (
                "working_dir",
                described("Where the program is started; the image's own folder if it is not set.", text(ABSOLUTE)),
            ),
            (
                "model",
                described(
                    "The model that it serves. Requests that name this model are routed here; the container sees it as NACP_MODEL.",
                    text(SOMETHING),
                ),
            ),
            (
                "api",
                described(
                    "What it speaks at its port; plain HTTP if it is not set.",
                    words(&["openai", "ollama", "kserve", "http"]),
                ),
            ),
            (
                "env",
                described(
                    "Environment variables. CUDA_VISIBLE_DEVICES and NVIDIA_VISIBLE_DEVICES are refused: NACP sets them from `gpu`.",
                    parts::env(),
                ),
            ),
            (
                "secrets",
                described("Secrets by name: the container reads them from /run/secrets/NAME.", parts::secrets()),
            ),
            (
                "gpu",
                described("What each replica needs of the GPUs; absent for a service without a GPU.", parts::gpu()),
            ),
            ("port", described("The port on which the program listens inside the container.", whole(1, 65535))),
            (
                "publish",
                described(
                    "Where on the engine's machine that port is published; on a free port of the loopback address if it is not set.",
                    parts::publish(),
                ),
            ),
            (
                "ready",
                described(
                    "How to tell that a replica is ready for requests; absent when running is enough.",
                    parts::probe(true),
                ),
            ),
            (
                "live",
                described(
                    "How to tell that a replica that was ready is still alive; one that is not is restarted.",
                    parts::probe(false),
                ),
            ),
            ("volumes", described("What is mounted, by a name that is unique in the service.", parts::volumes())),
            (
                "networks",
                described(
                    "Networks of the app's own in which its services find each other by their names.",
                    json!({ "type": "array", "items": text(NAME) }),
                ),
            ),
            (
                "shm",
                described(
                    "The size of /dev/shm; the engine's own, mostly 64 MiB, if it is not set.",
                    size(LEAST_MEMORY.0),
                ),
            ),
            ("ulimits", described("The kernel's limits by name, such as nofile.", parts::ulimits())),
            (
                "resources",
                described(
                    "What it may use of the machine beside its GPUs; what is not set has no limit.",
                    parts::resources(),
                ),
            ),
            (
                "security",
                described("How far its containers are locked up. What is not set is strict.", parts::security()),
            ),
            (
                "restart",
                defaulting(
                    "What happens when a replica's program ends.",
                    json!("always"),
                    words(&["always", "on-failure", "never"]),
                ),
            ),
            (
                "stop_grace",
                defaulting(
                    "How long a replica may take to end when it is asked to, 1 day at most.",
                    json!("10s"),
                    duration(),
                ),
            ),
            (
                "stop_signal",
                described(
                    "The signal that asks it to end, such as SIGINT; the image's own if it is not set.",
                    parts::stop_signal(),
                ),
            ),
            (
                "replicas",
                defaulting("How many copies run; 0 keeps the service defined and runs none.", json!(1), whole(0, 1000)),
            ),
            (
                "strategy",
                defaulting(
                    "How the replicas are replaced when the specification changes; when a new one does not become ready, the old ones come back.",
                    json!("rolling"),
                    parts::strategy(),
                ),
            ),
            ("depends_on", described("Which services this one waits for, and until when.", parts::depends_on())),
            (
                "idle",
                described(
                    "After how long without a request it may be swapped out when memory is scarce, 1 second to 30 days.",
                    duration(),
                ),
            ),
            (
                "priority",
                defaulting(
                    "Services of higher priority choose their GPUs first.",
                    json!(0),
                    whole(i32::MIN.into(), i32::MAX.into()),
                ),
            ),
            (
                "determinism",
                described(
                    "`strict` gives its containers the environment that lets CUDA programs repeat; a variable of `env` stays as it is.",
                    words(&["strict"]),
                ),
            ),
            (
                "labels",
                described("Labels of the user's own; names that begin with nacp. are refused.", parts::labels()),
            ),
            (
                "platform",
                described(
                    "The platform of the image, such as linux/amd64; the engine's own if it is not set.",
                    parts::platform(),
                ),
            ),
            (
                "pull",
                defaulting(
                    "When the image is pulled: when it is not on the engine's machine, before each container, or never.",
                    json!("missing"),
                    words(&["missing", "always", "never"]),
                ),
            ),
        ],
    )
}
