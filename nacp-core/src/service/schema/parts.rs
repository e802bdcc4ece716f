//! The parts of a service that have fields of their own.

use serde_json::{Value, json};

use super::forms::{
    ABSOLUTE, NAME, SOMETHING, any_text, arguments, boolean, defaulting, described, duration, either, mapping, object,
    range, size, size_or_auto, text, whole, with, words,
};
use crate::service::validate::{
    ARCHITECTURES, CAPABILITIES, LEAST_MAIN_MEMORY, LEAST_MEMORY, SIGNALS, SYSTEMS, ULIMITS,
};

const MEBIBYTE: u64 = LEAST_MEMORY.0;
const USER: &str = "^([0-9]+|[A-Za-z_][A-Za-z0-9_.$-]{0,31})(:([0-9]+|[A-Za-z_][A-Za-z0-9_.$-]{0,31}))?$";
const PROFILE: &str = "^([0-9]{1,3}c\\.)?[0-9]{1,3}g\\.[0-9]{1,3}gb([+-][a-z.+-]+)?$";
/// The name of a variable of the environment.
pub(super) const VARIABLE: &str = "^[^=\\s]+$";
/// The name of a file under `/run/secrets`.
const SECRET: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$";

pub(super) fn gpu() -> Value {
    object(
        &["memory"],
        [
            (
                "memory",
                described(
                    "Memory on each GPU, such as 3.3GiB; at least 1 MiB. `auto` promises the replica all that is free on a GPU.",
                    with(size_or_auto(MEBIBYTE), json!({ "examples": ["3.3GiB", "900MiB", "auto"] })),
                ),
            ),
            ("count", defaulting("How many GPUs each replica needs.", json!(1), whole(1, 64))),
            (
                "sharing",
                defaulting(
                    "Whether other replicas may use the same GPU: `shared` as far as memory allows, `exclusive` not at all.",
                    json!("shared"),
                    words(&["shared", "exclusive"]),
                ),
            ),
            ("compute", described("The compute capabilities that will do.", range())),
            ("cuda", described("The versions of CUDA that the driver must offer.", range())),
            (
                "mig",
                described(
                    "A partition (MIG) of this profile, such as 1g.10gb, in place of a whole GPU.",
                    text(PROFILE),
                ),
            ),
            (
                "topology",
                defaulting(
                    "How several GPUs must be connected: each with each over NVLink (`nvlink`), or without crossing between CPU sockets (`numa`).",
                    json!("any"),
                    words(&["any", "nvlink", "numa"]),
                ),
            ),
        ],
    )
}

pub(super) fn publish() -> Value {
    object(
        &[],
        [
            (
                "host",
                defaulting(
                    "The address of the engine's machine. Any but that of the machine itself lets other machines in.",
                    json!("127.0.0.1"),
                    text("^[0-9A-Fa-f:.]+$"),
                ),
            ),
            (
                "port",
                described("The port; a free one if it is not set. A fixed one allows one replica.", whole(1, 65535)),
            ),
        ],
    )
}

/// How to tell that a replica is ready, or alive; a line that was once written does not tell of life.
pub(super) fn probe(line: bool) -> Value {
    let mut checks = vec!["http", "tcp", "exec"];
    if line {
        checks.push("log");
    }
    let one: Vec<_> = checks.iter().map(|check| json!({ "required": [check] })).collect();
    let form = object(
        &[],
        [
            (
                "http",
                described(
                    "GET on this path, with a query if need be; 200 to 399 is good. A blank is %20.",
                    text("^/[^\\s#]*$"),
                ),
            ),
            ("tcp", described("The service's port takes a connection.", boolean())),
            (
                "exec",
                described(
                    "This program, run inside the container, ends with 0.",
                    with(arguments(), json!({ "minItems": 1 })),
                ),
            ),
            (
                "log",
                described(
                    "A line with this text has been written since the start; for `ready` only.",
                    text("^[^\\r\\n]*[^\\s][^\\r\\n]*$"),
                ),
            ),
            (
                "within",
                defaulting(
                    "How long it may take after the start until it first succeeds, 1 second to 7 days. Failures within this time do not count.",
                    json!("1m"),
                    duration(),
                ),
            ),
            (
                "every",
                defaulting(
                    "How long after one question the next one is asked, 100 ms to 1 hour.",
                    json!("5s"),
                    duration(),
                ),
            ),
            ("timeout", defaulting("How long one answer may take, 10 ms to 1 hour.", json!("2s"), duration())),
            (
                "successes",
                defaulting("How many answers in a row must be good until it counts as ready.", json!(1), whole(1, 100)),
            ),
            (
                "failures",
                defaulting(
                    "How many in a row must be bad until a replica that was ready no longer is.",
                    json!(3),
                    whole(1, 100),
                ),
            ),
        ],
    );
    with(form, json!({ "oneOf": one }))
}

pub(super) fn secrets() -> Value {
    let source = object(
        &[],
        [
            ("file", described("A file that the program that applies the app can read.", text(SOMETHING))),
            ("env", described("A variable of that program's environment.", text(VARIABLE))),
        ],
    );
    let source = with(source, json!({ "minProperties": 1, "maxProperties": 1 }));
    with(mapping(source), json!({ "propertyNames": { "pattern": SECRET } }))
}

pub(super) fn volumes() -> Value {
    let long = object(
        &["path"],
        [
            ("path", described("Where in the container, from the root.", text(ABSOLUTE))),
            (
                "external",
                described(
                    "The volume of exactly this name, which others may use too.",
                    text("^[A-Za-z0-9][A-Za-z0-9_.-]+$"),
                ),
            ),
            (
                "host",
                described("A folder or file of the engine's machine, from the root.", text("^(/|[A-Za-z]:[/\\\\])")),
            ),
            ("memory", described("Memory of this size at most, gone with the container.", size(MEBIBYTE))),
            ("read_only", defaulting("Whether the container may only read it.", json!(false), boolean())),
        ],
    );
    let sources = json!({ "not": { "anyOf": [
        { "required": ["external", "host"] }, { "required": ["external", "memory"] }, { "required": ["host", "memory"] },
    ] } });
    let short = described("A volume of the app's own at this path, kept when its containers go.", text(ABSOLUTE));
    with(mapping(either([short, with(long, sources)])), json!({ "propertyNames": { "pattern": NAME } }))
}

pub(super) fn ulimits() -> Value {
    let limit = || json!({ "type": "integer", "minimum": -1 });
    let long = object(
        &["soft", "hard"],
        [
            ("soft", described("What counts at first; -1 is no limit.", limit())),
            ("hard", described("How far the program may raise it; -1 is no limit.", limit())),
        ],
    );
    let short = described("The same limit, soft and hard; -1 is none.", limit());
    with(mapping(either([short, long])), json!({ "propertyNames": { "enum": ULIMITS } }))
}

pub(super) fn resources() -> Value {
    let least = LEAST_MAIN_MEMORY.0;
    object(
        &[],
        [
            (
                "cpus",
                described(
                    "CPU time, in CPUs: 1.5 is one and a half.",
                    json!({ "type": "number", "minimum": 0.01, "maximum": 8192 }),
                ),
            ),
            ("memory", described("Main memory, 6 MiB or more; a program that takes more is ended.", size(least))),
            ("pids", described("Processes and threads together.", whole(1, u32::MAX.into()))),
        ],
    )
}

pub(super) fn security() -> Value {
    object(
        &[],
        [
            (
                "user",
                described(
                    "As whom the program runs, as UID, UID:GID or a name of the image's; the image's own user if it is not set.",
                    either([text(USER), whole(0, u32::MAX.into())]),
                ),
            ),
            (
                "root",
                defaulting(
                    "Whether the container's root can be written. `auto`: read-only with scratch places, and writable for an image whose program has ended because it could not write elsewhere.",
                    json!("auto"),
                    words(&["auto", "read-only", "writable"]),
                ),
            ),
            (
                "capabilities",
                described(
                    "The capabilities that it keeps, without CAP_; all others are dropped.",
                    json!({ "type": "array", "items": words(&CAPABILITIES) }),
                ),
            ),
            (
                "new_privileges",
                defaulting("Whether its programs may gain privileges, as sudo does.", json!(false), boolean()),
            ),
            (
                "host_ipc",
                defaulting("Whether it shares the memory segments of the engine's machine.", json!(false), boolean()),
            ),
        ],
    )
}

pub(super) fn strategy() -> Value {
    let rolling = object(
        &[],
        [
            ("surge", defaulting("How many new replicas may run beside the old ones.", json!(0), whole(0, 1000))),
            (
                "unavailable",
                defaulting(
                    "How many replicas may be missing meanwhile; 0 only with a surge.",
                    json!(1),
                    whole(0, 1000),
                ),
            ),
        ],
    );
    let long = object(&["rolling"], [("rolling", described("A few at a time.", rolling))]);
    either([words(&["rolling", "blue_green"]), long])
}

pub(super) fn depends_on() -> Value {
    let names = json!({ "type": "array", "items": text(NAME) });
    let conditions = mapping(words(&["started", "ready", "completed"]));
    either([
        described("Services that must be ready.", names),
        described(
            "Services, each with what it is waited for.",
            with(conditions, json!({ "propertyNames": { "pattern": NAME } })),
        ),
    ])
}

pub(super) fn stop_signal() -> Value {
    let words = with(words(&SIGNALS), json!({}));
    let number = || whole(1, 64);
    either([words, text("^(SIGRTMIN\\+|SIGRTMAX-)?[0-9]{1,2}$"), number()])
}

pub(super) fn platform() -> Value {
    text(&format!("^({})/({})(/[A-Za-z0-9]+)?$", SYSTEMS.join("|"), ARCHITECTURES.join("|")))
}

pub(super) fn env() -> Value {
    let own =
        json!({ "propertyNames": { "pattern": VARIABLE, "not": { "enum": crate::service::validate::OWN_VARIABLES } } });
    with(mapping(any_text()), own)
}

pub(super) fn labels() -> Value {
    with(mapping(any_text()), json!({ "propertyNames": { "pattern": "^(?!nacp\\.)[^=]+$" } }))
}
