//! Reading one service of a compose file.

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::app::State;
use super::tree::{Node, Value};
use super::wrong::{NoteKind, Wrong};
use super::{deploy, env, gpu, health, mounts, patch, ports, secrets, security, without, words};
use crate::error::{Error, Result, nearest};
use crate::service::{Condition, Pull, Resources, Restart, Service, Ulimit};

pub(super) const EXTENSION: &str = "x-nacp";

/// Reads a service; `name` is that in NACP.
pub(super) fn read(state: &mut State<'_>, name: &str, node: &Node) -> Result<Service> {
    node.entries()?;
    state.rest(node, without::READ, without::SERVICE)?;
    for elsewhere in ["extends", "provider"] {
        if let Some(found) = node.get(elsewhere) {
            let error = found.wrong("a service that is described elsewhere cannot be imported");
            return Err(error.hint("write one file first: docker compose config > whole.yaml"));
        }
    }
    let mut service = Service::new(image(node)?);
    command(state, node, &mut service)?;
    env::read(state, node, &mut service)?;
    gpu::read(state, node, &mut service)?;
    ports::read(state, node, &mut service)?;
    health::read(state, node, &mut service)?;
    mounts::read(state, node, &mut service)?;
    networks(state, node, &mut service)?;
    secrets::read(state, node, &mut service)?;
    security::read(state, node, &mut service)?;
    limits(state, node, &mut service)?;
    ending(state, node, &mut service)?;
    deploy::read(state, node, &mut service)?;
    depends_on(state, node, &mut service)?;
    labels(state, node, &mut service)?;
    pull(state, node, &mut service)?;
    profiles(state, node, &mut service)?;
    places(state, name, node);
    match node.get(EXTENSION) {
        Some(extension) => extended(state, name, extension, &service),
        None => Ok(service),
    }
}

fn image(node: &Node) -> Result<String> {
    match (node.get("image"), node.get("build")) {
        (Some(image), _) => image.text(),
        (None, Some(build)) => {
            let error = build.wrong("a service that is built here has no image to run");
            Err(error.hint("build it, and name the image: docker build -t NAME ., then `image: NAME`"))
        }
        (None, None) => Err(node.wrong("a service needs an image").hint("add `image`")),
    }
}

fn command(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    if let Some(command) = node.get("command") {
        service.command = words::command(command)?;
    }
    if let Some(entrypoint) = node.get("entrypoint") {
        service.entrypoint = words::command(entrypoint)?;
        if service.entrypoint.is_empty() {
            // Without the image's own program the first word of the command is the program.
            if service.command.is_empty() {
                state.note(NoteKind::Changed, entrypoint, "the image's own program is run");
            } else {
                service.entrypoint = vec![service.command.remove(0)];
            }
        }
    }
    if let Some(folder) = node.get("working_dir") {
        service.working_dir = Some(folder.text()?);
    }
    Ok(())
}

fn networks(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    if let Some(mode) = node.get("network_mode") {
        let message = match mode.text()?.as_str() {
            "bridge" => return Ok(()),
            "host" => "the container has a network of its own; write `port` for the port on which it listens",
            "none" => "the container has a network; services without `port` are reached by nobody from outside",
            _ => "the container has a network of its own and shares none",
        };
        state.note(NoteKind::Changed, mode, message);
        return Ok(());
    }
    let Some(listed) = node.get("networks") else {
        if state.names.len() > 1 {
            service.networks.insert("default".into());
        }
        return Ok(());
    };
    let named: Vec<(String, &Node)> = match &listed.value {
        Value::Map(entries) => entries.iter().map(|(name, options)| (name.clone(), options)).collect(),
        _ => listed.items()?.iter().map(|item| Ok((item.text()?, item))).collect::<Result<_>>()?,
    };
    for (name, at) in named {
        if name != "default" && !state.networks.contains_key(&name) {
            let error = at.wrong("no such network in this file").with("value", &name);
            return Err(match nearest(&name, state.networks.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("declare it under `networks` at the top"),
            });
        }
        if let Value::Map(options) = &at.value {
            for (_, option) in options.iter().filter(|(key, _)| !key.starts_with("x-")) {
                state.note(NoteKind::Dropped, option, "other services reach this one by the name of the service only");
            }
        }
        let plain =
            super::names::plain(&name).ok_or_else(|| at.wrong("not a name for a network").with("value", &name))?;
        if plain != name {
            state.note_once(&format!("network {name}"), NoteKind::Changed, at, format!("the network is named {plain}"));
        }
        service.networks.insert(plain);
    }
    Ok(())
}

fn limits(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    if let Some(size) = node.get("shm_size") {
        match service.security.host_ipc {
            // Both are often written; Docker then takes the machine's.
            true => state.note(NoteKind::Dropped, size, "with `ipc: host` the machine's own /dev/shm is used"),
            false => service.shm = Some(words::size(size)?),
        }
    }
    if let Some(limits) = node.get("ulimits") {
        for (name, limit) in limits.entries()? {
            let limit = match &limit.value {
                Value::Map(_) => {
                    let end = |key: &str| {
                        let end = limit
                            .get(key)
                            .ok_or_else(|| limit.wrong("soft and hard are needed").with("missing", key))?;
                        end.number()
                    };
                    Ulimit { soft: end("soft")?, hard: end("hard")? }
                }
                _ => Ulimit::both(limit.number()?),
            };
            service.ulimits.insert(name.clone(), limit);
        }
    }
    let mut resources = Resources::default();
    if let Some(cpus) = node.get("cpus") {
        resources.cpus = deploy::cpus(cpus)?;
    }
    if let Some(memory) = node.get("mem_limit") {
        resources.memory = Some(words::size(memory)?).filter(|size| size.0 != 0);
    }
    if let Some(pids) = node.get("pids_limit") {
        resources.pids = deploy::pids(pids)?;
    }
    service.resources = resources;
    Ok(())
}

fn ending(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    service.restart = Restart::Never;
    match node.get("restart") {
        None if node.get("deploy").is_some_and(|deploy| deploy.get("restart_policy").is_some()) => {}
        None => {
            let message = "Compose starts nothing again that does not say `restart`, so nacp does not either: write \
                           restart: always for what is to stay";
            state.note_once("restart", NoteKind::Assumed, node, message);
        }
        Some(policy) => {
            let text = policy.text()?;
            let (word, times) = text.split_once(':').unwrap_or((&text, ""));
            service.restart = match word {
                "no" | "false" => Restart::Never,
                "always" | "unless-stopped" => Restart::Always,
                "on-failure" => Restart::OnFailure,
                _ => {
                    let error = policy.wrong("unknown value").with("value", &text);
                    return Err(error.hint("choose one of no, always, on-failure, unless-stopped"));
                }
            };
            if !times.is_empty() {
                let message = "it is started again as often as it fails, after a pause that grows";
                state.note(NoteKind::Changed, policy, message);
            }
        }
    }
    if let Some(grace) = node.get("stop_grace_period") {
        service.stop_grace = words::time(grace)?;
    }
    if let Some(signal) = node.get("stop_signal") {
        service.stop_signal = Some(signal.text()?);
    }
    Ok(())
}

fn depends_on(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    let Some(listed) = node.get("depends_on") else { return Ok(()) };
    let Value::Map(entries) = &listed.value else {
        for item in listed.items()? {
            let name = state.named(item, &item.text()?)?;
            service.depends_on.0.insert(name, Condition::Started);
        }
        return Ok(());
    };
    for (name, options) in entries {
        let condition = match options.get("condition") {
            None => Condition::Started,
            Some(node) => match node.text()?.as_str() {
                "service_started" => Condition::Started,
                "service_healthy" => Condition::Ready,
                "service_completed_successfully" => Condition::Completed,
                other => {
                    let error = node.wrong("unknown value").with("value", other);
                    let words = "choose one of service_started, service_healthy, service_completed_successfully";
                    return Err(error.hint(words));
                }
            },
        };
        let required = options.get("required").map(Node::flag).transpose()?.unwrap_or(true);
        if !required {
            let Ok(_) = state.named(options, name) else {
                state.note(NoteKind::Dropped, options, "there is no such service, and it is not required");
                continue;
            };
            state.note(
                NoteKind::Changed,
                options,
                "nacp knows no optional dependency: without the other service this one does not start",
            );
        }
        if let Some(restart) = options.get("restart").filter(|it| it.value != Value::Bool(false)) {
            state.note(NoteKind::Dropped, restart, "this service is not restarted when the other one is");
        }
        state.rest(options, &["condition", "required", "restart"], &[])?;
        let name = state.named(options, name)?;
        service.depends_on.0.insert(name, condition);
    }
    Ok(())
}

fn labels(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    let Some(listed) = node.get("labels") else { return Ok(()) };
    for (name, value, at) in env::pairs(listed)? {
        if name.starts_with("nacp.") {
            state.note(NoteKind::Dropped, at, "labels that begin with nacp. are nacp's own");
            continue;
        }
        service.labels.insert(name, value.unwrap_or_default());
    }
    Ok(())
}

fn pull(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    if let Some(platform) = node.get("platform") {
        service.platform = Some(platform.text()?);
    }
    if let Some(policy) = node.get("pull_policy") {
        let text = policy.text()?;
        service.pull = match text.as_str() {
            "always" => Pull::Always,
            "never" => Pull::Never,
            "missing" | "if_not_present" => Pull::Missing,
            other if matches!(other, "build" | "daily" | "weekly" | "refresh") || other.starts_with("every_") => {
                state.note(NoteKind::Changed, policy, "the image is pulled when it is not there");
                Pull::Missing
            }
            _ => {
                let error = policy.wrong("unknown value").with("value", &text);
                return Err(error.hint("choose one of always, missing, never"));
            }
        };
    }
    Ok(())
}

fn profiles(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    let Some(profiles) = node.get("profiles") else { return Ok(()) };
    if profiles.items()?.is_empty() {
        return Ok(());
    }
    service.replicas = 0;
    state.note(
        NoteKind::Changed,
        profiles,
        "nacp has no profiles: the service runs no replica until `replicas` says so",
    );
    Ok(())
}

/// Remembers where the fields come from, for errors about the whole app.
fn places(state: &mut State<'_>, name: &str, node: &Node) {
    for (ours, theirs) in [
        ("image", "image"),
        ("command", "command"),
        ("entrypoint", "entrypoint"),
        ("working_dir", "working_dir"),
        ("env", "environment"),
        ("secrets", "secrets"),
        ("port", "ports"),
        ("publish", "ports"),
        ("ready", "healthcheck"),
        ("volumes", "volumes"),
        ("networks", "networks"),
        ("shm", "shm_size"),
        ("ulimits", "ulimits"),
        ("resources", "deploy"),
        ("gpu", "deploy"),
        ("replicas", "deploy"),
        ("strategy", "deploy"),
        ("security", "cap_add"),
        ("security.user", "user"),
        ("stop_grace", "stop_grace_period"),
        ("stop_signal", "stop_signal"),
        ("depends_on", "depends_on"),
        ("labels", "labels"),
        ("platform", "platform"),
    ] {
        if let Some(found) = node.get(theirs) {
            state.places.insert(format!("services.{name}.{ours}"), found.place);
        }
    }
}

/// Applies the extension: a merge patch in the words of `nacp.yaml`.
fn extended(state: &mut State<'_>, name: &str, extension: &Node, service: &Service) -> Result<Service> {
    let internal =
        |cause: serde_json::Error| -> Error { extension.wrong("the service cannot be written").caused_by(cause) };
    let mut whole = serde_json::to_value(service).map_err(internal)?;
    for (field, change) in extension.entries()? {
        state.places.insert(format!("services.{name}.{field}"), change.place);
        let mut patched = whole.clone();
        let patch = Json::Object([(field.clone(), json(change)?)].into_iter().collect());
        patch::merge(&mut patched, &patch);
        // Field by field, so that an error names the one that is wrong.
        if let Err(cause) = serde_json::from_value::<Service>(patched.clone()) {
            if !fields().contains(&field.as_str()) {
                let error = change.wrong("unknown field");
                return Err(match nearest(field, fields().iter().copied()) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint("here are the fields of a service in nacp.yaml"),
                });
            }
            return Err(change.wrong("not a valid field of nacp").with("reason", cause));
        }
        whole = patched;
    }
    serde_json::from_value(whole).map_err(internal)
}

/// The fields of a service in their order, from the one who reads them.
pub(super) fn fields() -> &'static [&'static str] {
    struct Names<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Names<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> std::result::Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(serde::de::Error::custom("only the names are asked for"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> std::result::Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("only the names are asked for"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut found: &'static [&'static str] = &[];
    let _only_the_names: std::result::Result<Service, _> = Service::deserialize(Names(&mut found));
    found
}

fn json(node: &Node) -> Result<Json> {
    Ok(match &node.value {
        Value::Null => Json::Null,
        Value::Bool(it) => Json::Bool(*it),
        Value::Int(it) => {
            let number = u64::try_from(*it).map(Json::from).or_else(|_| i64::try_from(*it).map(Json::from));
            number.map_err(|_| node.wrong("a whole number is needed that fits here"))?
        }
        Value::Float(it) => Json::from(*it),
        Value::Text(it) => Json::from(it.as_str()),
        Value::List(items) => Json::Array(items.iter().map(json).collect::<Result<_>>()?),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(key, value)| Ok((key.clone(), json(value)?))).collect::<Result<_>>()?)
        }
    })
}
