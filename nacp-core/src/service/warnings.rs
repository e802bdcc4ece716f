//! What is valid in an app and may not be meant, or has consequences that are easily overlooked.

use std::fmt;

use serde::Serialize;

use super::{App, GpuMemory, RootAccess, Secret, Service};

/// Something in an app that is valid and worth a second look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Warning {
    /// The field, by its path in the app, such as `services.llm.image`.
    pub field: String,
    /// What follows from it, and what to do if that is not meant.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl App {
    /// What is valid and worth a second look, service by service: what other machines reach, each lock that is
    /// loosened, what is not pinned, and what nothing acts on yet. Neither a machine nor the environment is asked.
    ///
    /// ```
    /// use nacp_core::service::{App, Service};
    ///
    /// let app = App::new("a").service("s", Service::new("ollama/ollama"));
    /// assert_eq!(app.warnings()[0].field, "services.s.image");
    /// ```
    pub fn warnings(&self) -> Vec<Warning> {
        let mut found = Vec::new();
        for (name, service) in &self.services {
            let mut warn = |field: &str, message: String| {
                found.push(Warning { field: format!("services.{name}.{field}"), message });
            };
            image(service, &mut warn);
            reach(service, &mut warn);
            locks(service, &mut warn);
            secrets(service, &mut warn);
            needs(service, &mut warn);
            if service.ready.is_none() {
                let waiting: Vec<_> = self.waiting(name).collect();
                if !waiting.is_empty() {
                    let waiting = waiting.join(", ");
                    warn(
                        "ready",
                        format!(
                            "without a probe it counts as ready when it runs, and {waiting} may start too early; add `ready`"
                        ),
                    );
                }
            }
        }
        found
    }

    /// The services that wait until this one is ready.
    fn waiting(&self, name: &str) -> impl Iterator<Item = &str> {
        let waits = move |service: &Service| service.depends_on.condition(name) == Some(super::Condition::Ready);
        self.services.iter().filter(move |(_, service)| waits(service)).map(|(other, _)| other.as_str())
    }
}

fn image(service: &Service, warn: &mut impl FnMut(&str, String)) {
    if service.image.contains('@') {
        return;
    }
    // A colon before the last slash begins the port of a registry.
    let last = service.image.rsplit('/').next().unwrap_or_default();
    match last.split_once(':').map(|(_, tag)| tag) {
        None => warn("image", "without a tag it is `latest`, another image tomorrow; name a version".into()),
        Some("latest") => warn("image", "`latest` may be another image tomorrow; name a version".into()),
        Some(_) => {}
    }
}

fn reach(service: &Service, warn: &mut impl FnMut(&str, String)) {
    let Some(publish) = service.publish else { return };
    if !publish.host.is_loopback() {
        let host = publish.host;
        let whom =
            if host.is_unspecified() { "every machine that reaches this one" } else { "machines of that network" };
        warn("publish.host", format!("{whom} can use the service at {host}; leave `host` out for this machine only"));
    }
}

fn locks(service: &Service, warn: &mut impl FnMut(&str, String)) {
    let security = &service.security;
    if security.root == RootAccess::Writable {
        warn(
            "security.root",
            "programs in the container can change its files; `auto` allows it only where the image needs it".into(),
        );
    }
    for capability in &security.capabilities {
        warn(
            "security.capabilities",
            format!("its programs keep {capability}; leave it out if the program runs without"),
        );
    }
    if security.new_privileges {
        warn("security.new_privileges", "its programs may gain privileges, as sudo does".into());
    }
    if security.host_ipc {
        warn(
            "security.host_ipc",
            "it can read and write the shared memory of other programs of the machine; `shm` gives it some of its own"
                .into(),
        );
    }
    let user = security.user.as_deref().map(|user| user.split(':').next().unwrap_or(user));
    if matches!(user, Some("0" | "root")) {
        warn("security.user", "its programs run as root".into());
    }
}

fn secrets(service: &Service, warn: &mut impl FnMut(&str, String)) {
    for (name, secret) in &service.secrets {
        if let Secret::Env(variable) = secret {
            warn(
                &format!("secrets.{name}.env"),
                format!(
                    "{variable} must be set wherever the app is applied, also after a restart of the machine; `file` is read from a file"
                ),
            );
        }
    }
}

fn needs(service: &Service, warn: &mut impl FnMut(&str, String)) {
    if service.gpu.as_ref().is_some_and(|need| need.memory == GpuMemory::Auto) {
        warn(
            "gpu.memory",
            "until it is known what the model needs, `auto` takes all that is free on a GPU; write a size to share it"
                .into(),
        );
    }
    if service.idle.is_some() {
        warn("idle", "nothing acts on it yet: the service stays on its GPU".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(service: &str) -> Vec<String> {
        let text = format!("name: a\nservices:\n  s: {{ {service} }}\n");
        App::parse(&text).unwrap().warnings().into_iter().map(|warning| warning.field).collect()
    }

    #[test]
    fn a_service_with_nothing_loosened_is_not_warned_of() {
        let plain =
            "image: 'i:1', port: 80, publish: { port: 8080 }, gpu: { memory: 1GiB }, secrets: { t: { file: ./t } }";
        assert_eq!(warned(plain), Vec::<String>::new());
        assert_eq!(warned("image: 'i:1', security: { user: '1000:0', root: read-only }"), Vec::<String>::new());
        let digest = "0".repeat(64);
        assert_eq!(warned(&format!("image: 'i@sha256:{digest}'")), Vec::<String>::new());
    }

    #[test]
    fn each_thing_that_is_easily_overlooked_is_named_by_its_field() {
        for (service, field) in [
            ("image: i", "image"),
            ("image: 'i:latest'", "image"),
            ("image: 'localhost:5000/i'", "image"),
            ("image: 'i:1', port: 80, publish: { host: 0.0.0.0 }", "publish.host"),
            ("image: 'i:1', port: 80, publish: { host: 192.168.0.2 }", "publish.host"),
            ("image: 'i:1', security: { root: writable }", "security.root"),
            ("image: 'i:1', security: { capabilities: [CHOWN] }", "security.capabilities"),
            ("image: 'i:1', security: { new_privileges: true }", "security.new_privileges"),
            ("image: 'i:1', security: { host_ipc: true }", "security.host_ipc"),
            ("image: 'i:1', security: { user: 'root:root' }", "security.user"),
            ("image: 'i:1', secrets: { t: { env: T } }", "secrets.t.env"),
            ("image: 'i:1', gpu: { memory: auto }", "gpu.memory"),
            ("image: 'i:1', port: 80, idle: 10m", "idle"),
        ] {
            assert_eq!(warned(service), [format!("services.s.{field}")], "{service}");
        }
    }

    #[test]
    fn a_service_that_others_wait_for_wants_a_probe() {
        let app = |condition: &str, probe: &str| {
            let text = format!(
                "name: a\nservices:\n  s: {{ image: 'i:1', restart: never{probe} }}\n  t: {{ image: 'i:1', depends_on: {{ s: {condition} }} }}\n"
            );
            App::parse(&text).unwrap().warnings()
        };
        let found = app("ready", "");
        assert_eq!(found[0].field, "services.s.ready");
        assert!(found[0].to_string().contains("and t may start too early"), "{}", found[0]);
        assert_eq!(app("ready", ", ready: { exec: [true] }"), []);
        assert_eq!((app("started", ""), app("completed", "")), (vec![], vec![]));
    }
}
