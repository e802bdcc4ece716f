//! Writing an app as a compose file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::emit::Yaml;
use super::service::{EXTENSION, fields};
use super::wrong::{Note, NoteKind};
use super::{Exported, Import, health, patch, variables, words, write};
use crate::error::{Error, ErrorKind, Result};
use crate::service::{
    App, Check, Condition, MountSource, Pull, Restart, RootAccess, Secret, Service, Strategy, Topology,
};

/// Where a container with a read-only root has memory.
pub(super) const SCRATCH: [&str; 3] = ["/run", "/tmp", "/var/tmp"];

type Entries = Vec<(String, Yaml)>;

/// Writes an app as a compose file that `docker compose` takes. What Compose cannot say stands in `x-nacp` of the
/// service, and [`import`](super::import) gives the same app again.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an app that is not valid, as [`App::validate`] tells.
pub fn export(app: &App) -> Result<Exported> {
    app.validate()?;
    let shared = Shared::of(app);
    let mut notes = Vec::new();
    let mut services: BTreeMap<&str, Entries> = BTreeMap::new();
    for (name, service) in &app.services {
        services.insert(name, written(app, name, service, &shared, &mut notes));
    }
    let plain = file(app, &services, &shared);
    // What comes back otherwise than it was is what Compose cannot say.
    let read = Import::new(&plain).folder("/").read()?.app;
    for (name, service) in &app.services {
        let from = read.services.get(name).map_or(Ok(Json::Null), as_json)?;
        if let Some(patch) = patch::difference(&from, &as_json(service)?)
            && let Some(entries) = services.get_mut(name.as_str())
        {
            entries.push((EXTENSION.into(), extension(patch)?));
        }
    }
    Ok(Exported { text: file(app, &services, &shared), notes })
}

fn as_json(service: &Service) -> Result<Json> {
    serde_json::to_value(service).map_err(|cause| {
        let error = Error::new(ErrorKind::Internal, "compose.export", "the service cannot be written");
        error.with("reason", &cause).caused_by(cause)
    })
}

/// The patch in the order of the fields and in words that people read.
fn extension(mut patch: Json) -> Result<Yaml> {
    if let Some(security) = patch.get_mut("security") {
        // The default is said by name.
        if security.is_null() {
            *security = json!({});
        }
        if let Some(fields) = security.as_object_mut()
            && fields.get("root").is_none_or(Json::is_null)
        {
            fields.insert("root".into(), json!("auto"));
        }
    }
    let mut yaml = write::ordered(&patch)?;
    write::sized_service(&mut yaml);
    if let Yaml::Map(entries) = &mut yaml {
        let order = fields();
        entries.sort_by_key(|(name, _)| order.iter().position(|field| field == name));
    }
    Ok(yaml)
}

fn file(app: &App, services: &BTreeMap<&str, Entries>, shared: &Shared) -> String {
    let mut top: Entries = vec![
        ("name".into(), app.name.as_str().into()),
        ("services".into(), Yaml::map(services.iter().map(|(name, entries)| (*name, Yaml::Map(entries.clone()))))),
    ];
    let networks: BTreeSet<&String> = app.services.values().flat_map(|service| &service.networks).collect();
    let empty = || Yaml::Map(Vec::new());
    let mut add = |name: &str, declared: Entries| {
        if !declared.is_empty() {
            top.push((name.into(), Yaml::Map(declared)));
        }
    };
    add("networks", networks.into_iter().map(|name| (name.clone(), empty())).collect());
    let volume = |(name, source): (&String, &MountSource)| {
        let declared = match source {
            MountSource::External(outside) => {
                Yaml::map([("name", Yaml::from(outside.as_str())), ("external", true.into())])
            }
            _ => empty(),
        };
        (name.clone(), declared)
    };
    add("volumes", shared.volumes.iter().map(volume).collect());
    let secret = |(name, secret): (&String, &Secret)| {
        let (key, value) = match secret {
            Secret::File(path) => ("file", path),
            Secret::Env(variable) => ("environment", variable),
        };
        (name.clone(), Yaml::map([(key, value.as_str())]))
    };
    add("secrets", shared.secrets.iter().map(secret).collect());
    let mut file = Yaml::Map(top);
    file.each_text(&variables::escaped);
    file.to_string()
}

/// What services share by name at the top of the file.
#[derive(Default)]
struct Shared {
    volumes: BTreeMap<String, MountSource>,
    secrets: BTreeMap<String, Secret>,
}

impl Shared {
    fn of(app: &App) -> Self {
        let mut shared = Self::default();
        let mounts = || app.services.values().flat_map(|service| &service.volumes);
        for (name, _) in mounts().filter(|(_, mount)| mount.source == MountSource::Volume) {
            shared.volumes.insert(name.clone(), MountSource::Volume);
        }
        for (name, mount) in mounts().filter(|(_, mount)| matches!(mount.source, MountSource::External(_))) {
            let name = key_for(&shared.volumes, name, &mount.source);
            shared.volumes.insert(name, mount.source.clone());
        }
        for (name, secret) in app.services.values().flat_map(|service| &service.secrets) {
            let name = key_for(&shared.secrets, name, secret);
            shared.secrets.insert(name, secret.clone());
        }
        shared
    }
}

/// The name under which a thing is declared: the wanted one, or that with a number where another thing has it.
fn key_for<T: PartialEq>(declared: &BTreeMap<String, T>, wanted: &str, thing: &T) -> String {
    let is_free = |name: &String| declared.get(name).is_none_or(|there| there == thing);
    let names = std::iter::once(wanted.to_owned()).chain((2u32..).map(|number| format!("{wanted}-{number}")));
    names.into_iter().find(is_free).unwrap_or_else(|| wanted.to_owned())
}

fn written(app: &App, name: &str, service: &Service, shared: &Shared, notes: &mut Vec<Note>) -> Entries {
    let mut entries = Entries::new();
    let mut put = |key: &str, value: Option<Yaml>| entries.extend(value.map(|value| (key.to_owned(), value)));
    let texts = |list: &[String]| (!list.is_empty()).then(|| list.iter().map(String::as_str).collect::<Yaml>());
    let text = |text: &Option<String>| text.as_deref().map(Yaml::from);
    put("image", Some(service.image.as_str().into()));
    put("platform", text(&service.platform));
    put(
        "pull_policy",
        match service.pull {
            Pull::Missing => None,
            Pull::Always => Some("always".into()),
            Pull::Never => Some("never".into()),
        },
    );
    put("entrypoint", texts(&service.entrypoint));
    put("command", texts(&service.command));
    put("working_dir", text(&service.working_dir));
    put("environment", environment(service));
    put("secrets", secrets(service, shared));
    put("ports", ports(service));
    put("volumes", mounts(service, shared));
    match service.networks.is_empty() {
        true => put("network_mode", Some("bridge".into())),
        false => put("networks", Some(service.networks.iter().map(String::as_str).collect())),
    }
    put("depends_on", depends_on(app, service));
    put("healthcheck", healthcheck(service));
    put("shm_size", service.shm.map(|size| words::size_text(size).into()));
    put("ulimits", ulimits(service));
    put("stop_signal", text(&service.stop_signal));
    let grace = words::time_text(service.stop_grace);
    put("stop_grace_period", (grace != "10s").then(|| grace.into()));
    put(
        "restart",
        Some(match service.restart {
            Restart::Always => "always".into(),
            Restart::OnFailure => "on-failure".into(),
            Restart::Never => "no".into(),
        }),
    );
    let security = &service.security;
    put("user", text(&security.user));
    let locked = security.root != RootAccess::Writable;
    put("read_only", Some(locked.into()));
    let taken = |path: &str| service.volumes.values().any(|mount| mount.path == path);
    let scratch: Yaml = SCRATCH.into_iter().filter(|path| locked && !taken(path)).collect();
    put("tmpfs", Some(scratch).filter(|list| *list != Yaml::List(Vec::new())));
    put("cap_drop", Some(["ALL"].into_iter().collect()));
    let kept: Vec<String> = security.capabilities.iter().cloned().collect();
    put("cap_add", texts(&kept));
    let privileges = if security.new_privileges { "no-new-privileges:false" } else { "no-new-privileges:true" };
    put("security_opt", Some([privileges].into_iter().collect()));
    put("ipc", security.host_ipc.then(|| "host".into()));
    let labels = service.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    put("labels", (!service.labels.is_empty()).then(|| Yaml::map(labels)));
    put("deploy", deploy(service));
    tell(name, service, notes);
    entries
}

fn environment(service: &Service) -> Option<Yaml> {
    let mut environment = service.env.clone();
    if let Some(model) = &service.model {
        environment.entry("NACP_MODEL".into()).or_insert_with(|| model.clone());
    }
    if let Some(determinism) = service.determinism {
        determinism.set(&mut environment);
    }
    (!environment.is_empty()).then(|| Yaml::map(environment))
}

fn secrets(service: &Service, shared: &Shared) -> Option<Yaml> {
    let items = service.secrets.iter().map(|(name, secret)| {
        let key = key_for(&shared.secrets, name, secret);
        match key == *name {
            true => Yaml::from(key),
            false => Yaml::map([("source", key.as_str()), ("target", name)]),
        }
    });
    (!service.secrets.is_empty()).then(|| items.collect())
}

/// The long form says everything in the same way, whatever kind of address it is.
fn ports(service: &Service) -> Option<Yaml> {
    let port = service.port?;
    let publish = service.publish.unwrap_or_default();
    let mut entries = vec![("target".to_owned(), Yaml::from(u32::from(port)))];
    entries.extend(publish.port.map(|port| ("published".to_owned(), Yaml::from(port.to_string()))));
    entries.push(("host_ip".to_owned(), publish.host.to_string().into()));
    entries.push(("protocol".to_owned(), "tcp".into()));
    Some(Yaml::List(vec![Yaml::Map(entries)]))
}

fn mounts(service: &Service, shared: &Shared) -> Option<Yaml> {
    let items = service.volumes.iter().map(|(name, mount)| {
        let (kind, source) = match &mount.source {
            MountSource::Volume => ("volume", Some(name.clone())),
            outside @ MountSource::External(_) => ("volume", Some(key_for(&shared.volumes, name, outside))),
            MountSource::Host(folder) => ("bind", Some(folder.clone())),
            MountSource::Memory(_) => ("tmpfs", None),
        };
        let mut entries: Entries = vec![("type".into(), kind.into())];
        entries.extend(source.map(|source| ("source".to_owned(), source.into())));
        entries.push(("target".into(), mount.path.as_str().into()));
        if mount.read_only {
            entries.push(("read_only".into(), true.into()));
        }
        if let MountSource::Memory(size) = mount.source {
            entries.push(("tmpfs".into(), Yaml::map([("size", Yaml::Int(size.0.into()))])));
        }
        Yaml::Map(entries)
    });
    (!service.volumes.is_empty()).then(|| Yaml::List(items.collect()))
}

fn depends_on(app: &App, service: &Service) -> Option<Yaml> {
    let entries = service.depends_on.0.iter().map(|(name, condition)| {
        let checked = app.services.get(name).is_some_and(|other| healthcheck(other).is_some());
        let condition = match condition {
            Condition::Ready if checked => "service_healthy",
            Condition::Ready | Condition::Started => "service_started",
            Condition::Completed => "service_completed_successfully",
        };
        (name.as_str(), Yaml::map([("condition", condition)]))
    });
    (!service.depends_on.is_empty()).then(|| Yaml::map(entries))
}

fn healthcheck(service: &Service) -> Option<Yaml> {
    let probe = service.ready.as_ref()?;
    let test = health::test(&probe.check, service.port)?;
    Some(Yaml::map([
        ("test", test.into_iter().collect::<Yaml>()),
        ("interval", words::time_text(probe.every).into()),
        ("timeout", words::time_text(probe.timeout).into()),
        ("retries", probe.failures.into()),
        ("start_period", words::time_text(health::start_period(probe)).into()),
    ]))
}

fn ulimits(service: &Service) -> Option<Yaml> {
    let limits = service.ulimits.iter().map(|(name, limit)| {
        let limit = match limit.soft == limit.hard {
            true => Yaml::Int(limit.soft.into()),
            false => Yaml::map([("soft", Yaml::Int(limit.soft.into())), ("hard", Yaml::Int(limit.hard.into()))]),
        };
        (name.as_str(), limit)
    });
    (!service.ulimits.is_empty()).then(|| Yaml::map(limits))
}

fn deploy(service: &Service) -> Option<Yaml> {
    let mut deploy = Entries::new();
    if service.replicas != 1 {
        deploy.push(("replicas".into(), service.replicas.into()));
    }
    let mut resources = Entries::new();
    let limits: Entries = [
        ("cpus", service.resources.cpus.map(|cpus| cpus.to_string().into())),
        ("memory", service.resources.memory.map(|size| words::size_text(size).into())),
        ("pids", service.resources.pids.map(Yaml::from)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect();
    if !limits.is_empty() {
        resources.push(("limits".into(), Yaml::Map(limits)));
    }
    if let Some(gpu) = &service.gpu {
        let device = [
            ("driver", Yaml::from("nvidia")),
            ("count", gpu.count.into()),
            ("capabilities", ["gpu"].into_iter().collect()),
        ];
        let devices = Yaml::List(vec![Yaml::map(device)]);
        resources.push(("reservations".into(), Yaml::map([("devices", devices)])));
    }
    if !resources.is_empty() {
        deploy.push(("resources".into(), Yaml::Map(resources)));
    }
    let update = match service.strategy {
        it if it == Strategy::default() => None,
        Strategy::BlueGreen => Some((0, "start-first")),
        Strategy::Rolling { surge: 0, unavailable } => Some((unavailable, "stop-first")),
        Strategy::Rolling { surge, .. } => Some((surge, "start-first")),
    };
    if let Some((parallel, order)) = update {
        let update = [("parallelism", Yaml::from(parallel)), ("order", order.into())];
        deploy.push(("update_config".into(), Yaml::map(update)));
    }
    (!deploy.is_empty()).then_some(Yaml::Map(deploy))
}

/// What Compose does otherwise.
fn tell(name: &str, service: &Service, notes: &mut Vec<Note>) {
    use NoteKind::{Changed, Dropped};
    let mut note = |kind, field: &str, message: String| {
        notes.push(Note::about(kind, format!("services.{name}.{field}"), message));
    };
    if let Some(gpu) = &service.gpu {
        let message = "Compose counts no GPU memory: services may get the same GPU and ask for more than it has";
        note(Changed, "gpu.memory", message.into());
        let more = [
            ("mig", gpu.mig.is_some()),
            ("compute", gpu.compute.is_some()),
            ("cuda", gpu.cuda.is_some()),
            ("topology", gpu.topology != Topology::Any),
        ];
        for (field, _) in more.into_iter().filter(|(_, is_set)| *is_set) {
            note(Dropped, &format!("gpu.{field}"), "Compose takes any GPU".into());
        }
    }
    if let Some(probe) = &service.ready {
        match (&probe.check, health::test(&probe.check, service.port)) {
            (Check::Exec(_), _) => {}
            (_, None) => {
                let message = "Compose cannot ask this: services that wait for it wait for its start only";
                note(Dropped, "ready", message.into());
            }
            (check, Some(_)) => {
                let program = if matches!(check, Check::Tcp) { "nc" } else { "curl or wget" };
                note(Changed, "ready", format!("Compose asks in the container: the image needs {program}"));
            }
        }
    }
    if service.live.is_some() {
        note(Dropped, "live", "Compose does not restart a service that no longer answers".into());
    }
    if service.model.is_some() {
        note(Dropped, "model", "Compose routes no requests by their model; NACP_MODEL is set".into());
    }
    if service.idle.is_some() {
        note(Dropped, "idle", "Compose swaps nothing out".into());
    }
    if service.priority != 0 {
        note(Dropped, "priority", "Compose starts services by their dependencies only".into());
    }
    if service.strategy != Strategy::default() {
        note(Changed, "strategy", "docker compose up replaces all containers at once; Swarm keeps the order".into());
    }
    if service.security.root == RootAccess::Auto {
        let message = "the root is read-only; write read_only: false for an image that must write elsewhere";
        note(Changed, "security.root", message.into());
    }
}
