//! Which daemon is meant, as the command `docker` decides it: the environment, its contexts, and then the usual places.

use std::fmt;
use std::path::{Path, PathBuf};

use super::address::{Address, Security};
use super::failure;
use super::tls::Tls;
use crate::contexts::{self, Context};
use crate::error::{Error, ErrorKind, Result, nearest};

/// One way to a daemon.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) host: String,
    pub(super) address: Address,
    /// The context that names it.
    pub(super) context: Option<String>,
}

/// Where to look.
#[derive(Debug)]
pub(super) enum Choice {
    /// One place, which somebody has named.
    Named(Way),
    /// The first of these that answers.
    Usual(Vec<Way>),
}

/// What a choice depends on.
pub(super) struct Surroundings {
    variable: fn(&str) -> Option<String>,
    home: Option<PathBuf>,
    runtime: Option<String>,
    windows: bool,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_this_process() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        Self {
            variable,
            home: std::env::home_dir(),
            runtime: variable("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()).or_else(runtime_of_this_user),
            windows: cfg!(windows),
        }
    }

    fn set(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The folder of Docker's own files.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.set("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(self.home.as_ref()?.join(".docker")))
    }

    /// Where the command `docker` would look for its daemon.
    pub(super) fn choose(&self) -> Result<Choice> {
        if let Some(host) = self.set("DOCKER_HOST") {
            return self.way(&host).map(Choice::Named);
        }
        let current = || contexts::current(&std::fs::read_to_string(self.folder()?.join("config.json")).ok()?);
        match self.set("DOCKER_CONTEXT").or_else(current).filter(|name| name != "default") {
            Some(name) => self.context(&name).map(Choice::Named),
            None => Ok(Choice::Usual(self.usual())),
        }
    }

    /// The places where daemons listen unless they are told.
    pub(super) fn usual(&self) -> Vec<Way> {
        let home = self.home.as_ref().and_then(|home| home.to_str());
        let places = contexts::usual(self.windows, self.runtime.as_deref(), home).into_iter();
        let way = |(host, _): (String, &str)| Some(Way { address: Address::parse(&host)?, host, context: None });
        places.filter_map(way).collect()
    }

    /// The way to an address, behind TLS where the address or `DOCKER_TLS_VERIFY` asks for it.
    pub(super) fn way(&self, host: &str) -> Result<Way> {
        let folder = self.set("DOCKER_CERT_PATH").map(PathBuf::from);
        let tls = match Security::of(host) {
            Security::Always => Some(match (folder, self.folder().filter(|own| own.join("ca.pem").is_file())) {
                (Some(folder), _) | (None, Some(folder)) => Tls::from_folder(&folder)?,
                (None, None) => Tls::of_this_machine()?,
            }),
            Security::Maybe if self.set("DOCKER_TLS_VERIFY").is_some() => {
                Some(Tls::from_folder(&folder.or_else(|| self.folder()).unwrap_or_default())?)
            }
            _ => None,
        };
        way(host, tls, None)
    }

    /// The way that a context names.
    pub(super) fn context(&self, name: &str) -> Result<Way> {
        let folder = self.folder().unwrap_or_default().join("contexts");
        let own = hash(name);
        let read = |path: &Path| contexts::context(&std::fs::read_to_string(path).ok()?);
        let Some(context) = read(&folder.join("meta").join(&own).join("meta.json")) else {
            let all = std::fs::read_dir(folder.join("meta")).into_iter().flatten().flatten();
            let known: Vec<_> = all.filter_map(|entry| read(&entry.path().join("meta.json"))).collect();
            return Err(unknown(name, &folder, &known));
        };
        let certificates = folder.join("tls").join(&own).join("docker");
        let secured = Security::of(&context.host) != Security::Never;
        if secured && context.skips_verification {
            let message = "the context asks that the engine's certificate is not verified";
            return Err(Error::new(ErrorKind::Unsupported, "engine.connect", message)
                .with("context", name)
                .hint("give it the engine's authority: `docker context update --docker host=…,ca=…`"));
        }
        let tls = match (secured && certificates.is_dir(), Security::of(&context.host)) {
            (true, _) => Some(Tls::from_folder(&certificates)?),
            (false, Security::Always) => Some(Tls::of_this_machine()?),
            (false, _) => None,
        };
        way(&context.host, tls, Some(name.to_owned()))
    }
}

/// The way to an address with this TLS.
pub(super) fn way(host: &str, tls: Option<Tls>, context: Option<String>) -> Result<Way> {
    let address = Address::parse(host).ok_or_else(|| failure::no_address(host, context.as_deref()))?;
    let address = match tls {
        Some(tls) => address.secured(tls),
        None => address,
    };
    Ok(Way { host: host.to_owned(), address, context })
}

fn unknown(name: &str, folder: &Path, known: &[Context]) -> Error {
    let mut names: Vec<&str> = known.iter().map(|context| context.name.as_str()).chain(["default"]).collect();
    names.sort_unstable();
    let error = Error::new(ErrorKind::NotFound, "engine.connect", "there is no such context of docker")
        .with("context", name)
        .with("known", names.join(","))
        .with("folder", folder.display());
    match nearest(name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`docker context ls` lists them"),
    }
}

/// The name of a context's folder.
fn hash(name: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The folder for this user's sockets, where no variable names it.
fn runtime_of_this_user() -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        Some(format!("/run/user/{}", std::fs::metadata("/proc/self").ok()?.uid()))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn at(home: &Path, variable: fn(&str) -> Option<String>) -> Surroundings {
        Surroundings { variable, home: Some(home.to_owned()), runtime: Some("/run/user/7".into()), windows: false }
    }

    fn write(home: &Path, name: &str, docker: &str) {
        let folder = home.join(".docker/contexts/meta").join(hash(name));
        std::fs::create_dir_all(&folder).unwrap();
        let meta = format!(r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{docker}}}}}"#);
        std::fs::write(folder.join("meta.json"), meta).unwrap();
    }

    fn named(choice: Result<Choice>) -> (String, Option<String>) {
        match choice.unwrap() {
            Choice::Named(way) => (way.host, way.context),
            Choice::Usual(ways) => panic!("{ways:?}"),
        }
    }

    #[test]
    fn the_environment_counts_before_the_context_and_the_context_before_the_usual_places() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        write(home, "lab", r#"{"Host":"tcp://192.0.2.7:2375"}"#);
        write(home, "gpu", r#"{"Host":"ssh://ada@gpu-7"}"#);
        let Choice::Usual(ways) = at(home, nothing).choose().unwrap() else { panic!() };
        assert_eq!(ways[0].host, "unix:///var/run/docker.sock");
        assert!(ways.iter().any(|way| way.host == "unix:///run/user/7/podman/podman.sock"));

        std::fs::write(home.join(".docker/config.json"), r#"{"currentContext":"lab"}"#).unwrap();
        let lab = ("tcp://192.0.2.7:2375".to_owned(), Some("lab".to_owned()));
        assert_eq!(named(at(home, nothing).choose()), lab);
        let gpu = |name: &str| (name == "DOCKER_CONTEXT").then(|| "gpu".to_owned());
        assert_eq!(named(at(home, gpu).choose()), ("ssh://ada@gpu-7".to_owned(), Some("gpu".to_owned())));
        let host = |name: &str| match name {
            "DOCKER_HOST" => Some("unix:///x.sock".to_owned()),
            "DOCKER_CONTEXT" => Some("gpu".to_owned()),
            _ => None,
        };
        assert_eq!(named(at(home, host).choose()), ("unix:///x.sock".to_owned(), None));
        let default = |name: &str| (name == "DOCKER_CONTEXT").then(|| "default".to_owned());
        assert!(matches!(at(home, default).choose().unwrap(), Choice::Usual(_)));
    }

    #[test]
    fn a_context_that_is_not_there_is_told_with_the_nearest_name() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "laboratory", r#"{"Host":"tcp://192.0.2.7:2375"}"#);
        let error = at(home.path(), nothing).context("labratory").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let folder = home.path().join(".docker/contexts").display().to_string();
        assert_eq!(
            error.to_string(),
            format!(
                "there is no such context of docker: context=labratory known=default,laboratory folder={folder}; \
                 did you mean `laboratory`?"
            )
        );
    }

    #[test]
    fn a_context_that_cannot_be_used_says_why() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "blind", r#"{"Host":"tcp://192.0.2.7:2376","SkipTLSVerify":true}"#);
        write(home.path(), "odd", r#"{"Host":"carrier-pigeon://coop"}"#);
        let surroundings = at(home.path(), nothing);
        let blind = surroundings.context("blind").unwrap_err();
        assert_eq!((blind.kind(), blind.get("context")), (ErrorKind::Unsupported, Some("blind")));
        let odd = surroundings.context("odd").unwrap_err();
        assert_eq!(
            odd.to_string(),
            "not an address of a container engine: host=carrier-pigeon://coop context=odd; \
             write unix:///path/to.sock, tcp://host:port or ssh://user@host"
        );
    }

    #[test]
    fn tls_is_asked_for_by_the_address_or_the_variable() {
        let home = tempfile::tempdir().unwrap();
        let verify = |name: &str| match name {
            "DOCKER_TLS_VERIFY" => Some("1".to_owned()),
            "DOCKER_CERT_PATH" => Some("/nonexistent/certificates".to_owned()),
            _ => None,
        };
        for host in ["tcp://192.0.2.7", "https://192.0.2.7"] {
            let error = at(home.path(), verify).way(host).unwrap_err();
            assert_eq!(error.get("folder"), Some("/nonexistent/certificates"), "{host}");
        }
        for host in ["unix:///x.sock", "http://192.0.2.7"] {
            assert!(!matches!(at(home.path(), verify).way(host).unwrap().address, Address::Tls(..)), "{host}");
        }
        assert!(matches!(at(home.path(), nothing).way("tcp://192.0.2.7").unwrap().address, Address::Tcp(..)));
    }
}
