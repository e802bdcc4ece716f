//! Where the command `docker` looks for its daemon: the files of its contexts, and the places where daemons listen unless
//! they are told otherwise. Text in, places out; who reads the files and asks the daemons is elsewhere.

use serde_json::Value;

/// Where Docker Desktop hands its daemon to the other distributions of WSL2.
const DESKTOP_PROXY: &str = "/mnt/wsl/docker-desktop/shared-sockets/guest-services/docker.proxy.sock";

/// A context, as its `meta.json` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// Its name.
    pub(crate) name: String,
    /// The address of its daemon.
    pub(crate) host: String,
    /// Whether the daemon's certificate is not to be verified.
    #[cfg_attr(not(feature = "docker"), allow(dead_code, reason = "only an engine connects"))]
    pub(crate) skips_verification: bool,
}

/// The context in the text of a `meta.json`; nothing where it names no Docker daemon.
pub(crate) fn context(meta: &str) -> Option<Context> {
    let meta: Value = serde_json::from_str(meta).ok()?;
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let docker = &meta["Endpoints"]["docker"];
    let skips_verification = docker["SkipTLSVerify"].as_bool() == Some(true);
    Some(Context { name: text(&meta["Name"])?, host: text(&docker["Host"])?, skips_verification })
}

/// The context that the text of Docker's `config.json` makes the current one.
pub(crate) fn current(config: &str) -> Option<String> {
    let config: Value = serde_json::from_str(config).ok()?;
    config["currentContext"].as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Where daemons listen unless they are told, Docker's before Podman's, each with what it is called. `runtime` is the
/// user's folder for sockets, `home` the user's own.
pub(crate) fn usual(windows: bool, runtime: Option<&str>, home: Option<&str>) -> Vec<(String, &'static str)> {
    if windows {
        let pipes = [
            ("docker_engine", "default pipe"),
            ("dockerDesktopLinuxEngine", "pipe of Docker Desktop"),
            ("podman-machine-default", "pipe of Podman"),
        ];
        return pipes.map(|(pipe, name)| (format!("npipe:////./pipe/{pipe}"), name)).to_vec();
    }
    let below = |folder: Option<&str>, path: &str| folder.map(|folder| format!("{folder}/{path}"));
    let sockets = [
        (Some("/var/run/docker.sock".to_owned()), "default socket"),
        (below(runtime, "docker.sock"), "rootless socket"),
        (below(home, ".docker/run/docker.sock"), "socket of Docker Desktop"),
        (below(home, ".docker/desktop/docker.sock"), "socket of Docker Desktop"),
        (Some(DESKTOP_PROXY.to_owned()), "proxy of Docker Desktop"),
        (Some("/run/podman/podman.sock".to_owned()), "podman socket"),
        (below(runtime, "podman/podman.sock"), "podman socket"),
    ];
    sockets.into_iter().filter_map(|(path, name)| Some((format!("unix://{}", path?), name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_has_a_name_and_a_docker_daemon() {
        let meta = r#"{"Name":"lab","Metadata":{},"Endpoints":{"docker":{"Host":"ssh://gpu-7","SkipTLSVerify":true}}}"#;
        let lab = Context { name: "lab".into(), host: "ssh://gpu-7".into(), skips_verification: true };
        assert_eq!(context(meta), Some(lab));
        for no_context in ["", "{", "[]", r#"{"Name":"k","Endpoints":{"kubernetes":{}}}"#, r#"{"Name":"k"}"#] {
            assert_eq!(context(no_context), None, "{no_context}");
        }
        assert_eq!(current(r#"{"currentContext":"lab","auths":{}}"#), Some("lab".into()));
        assert_eq!((current("{}"), current(r#"{"currentContext":""}"#), current("?")), (None, None, None));
    }

    #[test]
    fn docker_comes_before_podman() {
        let places = usual(false, Some("/run/user/7"), Some("/home/ada"));
        let at = |place: &str| places.iter().position(|(endpoint, _)| endpoint == place).unwrap();
        assert_eq!(at("unix:///var/run/docker.sock"), 0);
        assert!(at("unix:///home/ada/.docker/run/docker.sock") < at("unix:///run/user/7/podman/podman.sock"));
        assert_eq!(usual(false, None, None).len(), 3);
        assert!(usual(true, None, None).iter().all(|(endpoint, _)| endpoint.starts_with("npipe:////./pipe/")));
    }
}
