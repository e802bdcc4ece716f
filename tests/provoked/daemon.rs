//! Daemons of a test's own, which share nothing with the machine's.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The image of the simulated service, made by `tests/sim-service/image`.
pub(crate) const IMAGE: &str = "nacp/sim-service:0.1";
/// What a Docker daemon starts itself. Nothing of NVIDIA is among them.
const PROGRAMS: [&str; 8] =
    ["containerd", "containerd-shim-runc-v2", "docker-init", "docker-proxy", "iptables", "modprobe", "ps", "runc"];
const PATIENCE: Duration = Duration::from_secs(30);

/// What a daemon answers to a request that it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
}

/// A daemon in a folder of its own, stopped when it is dropped.
pub(crate) struct Daemon {
    folder: TempDir,
    process: Child,
}

impl Daemon {
    /// Docker Engine with this configuration, and with the image; its search path has what it needs and no hook.
    pub(crate) fn docker(configuration: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("bin");
        fs::create_dir(&programs).unwrap();
        fs::create_dir(folder.path().join("cdi")).unwrap();
        for name in PROGRAMS {
            if let Some(program) = on_the_path(name) {
                symlink(program, programs.join(name)).unwrap();
            }
        }
        let process = dockerd(folder.path(), configuration);
        let daemon = Self { folder, process };
        daemon.ready();
        daemon
    }

    /// Podman behind its Docker-compatible socket, with the image; nothing where it is not installed.
    pub(crate) fn podman() -> Option<Self> {
        let program = on_the_path("podman")?;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // Its own defaults are above what a machine without rights to raise limits allows.
        fs::write(
            at("containers.conf"),
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n",
        )
        .unwrap();
        let process = Command::new(program)
            .args(["--storage-driver", "vfs", "--runtime", "runc", "--cgroup-manager", "cgroupfs"])
            .args(["--events-backend", "file", "--root"])
            .arg(at("data"))
            .arg("--runroot")
            .arg(at("run"))
            .arg("--tmpdir")
            .arg(at("tmp"))
            .args(["system", "service", "--time", "0"])
            .arg(format!("unix://{}", at("docker.sock").display()))
            .env("CONTAINERS_CONF", at("containers.conf"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let daemon = Self { folder, process };
        daemon.ready();
        Some(daemon)
    }

    /// Stops it and starts it anew with what it has, its configuration changed.
    pub(crate) fn restart(&mut self, configuration: &Value) {
        self.stop();
        self.process = dockerd(self.folder.path(), configuration);
        self.ready();
    }

    /// Its address, as `DOCKER_HOST` has it.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// A path within its folder: `cdi` holds specifications, `bin` is its search path.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it answers to a request.
    pub(crate) fn ask(&self, request: &str, body: &[u8]) -> Result<String, Refusal> {
        let (status, text) = exchange(&self.path("docker.sock"), request, body).expect("the daemon answers");
        if (200..300).contains(&status) {
            return Ok(text);
        }
        let message = serde_json::from_str::<Value>(&text).ok().and_then(|it| Some(it["message"].as_str()?.to_owned()));
        Err(Refusal { status, message: message.unwrap_or(text) })
    }

    /// Creates a container of the image with this `HostConfig`, which runs until it is removed.
    pub(crate) fn create(&self, name: &str, mut limits: Value, env: &[&str]) -> Result<(), Refusal> {
        limits["NetworkMode"] = json!("none");
        let body = json!({ "Image": IMAGE, "Env": env, "HostConfig": limits });
        self.ask(&format!("POST /containers/create?name={name}"), body.to_string().as_bytes()).map(drop)
    }

    /// Starts a container.
    pub(crate) fn start(&self, name: &str) -> Result<(), Refusal> {
        self.ask(&format!("POST /containers/{name}/start"), b"").map(drop)
    }

    /// Stops a container.
    pub(crate) fn halt(&self, name: &str) {
        self.ask(&format!("POST /containers/{name}/stop?t=5"), b"").unwrap();
    }

    /// Removes a container, whatever it does.
    pub(crate) fn remove(&self, name: &str) {
        self.ask(&format!("DELETE /containers/{name}?force=true"), b"").unwrap();
    }

    /// Waits until it answers, and gives it the image.
    fn ready(&self) {
        let begin = Instant::now();
        while !matches!(exchange(&self.path("docker.sock"), "GET /_ping", b""), Ok((200, _))) {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(begin.elapsed() < PATIENCE, "the daemon does not answer:\n{}", log());
            sleep(Duration::from_millis(50));
        }
        if self.ask(&format!("GET /images/{IMAGE}/json"), b"").is_err() {
            let saved = Command::new("docker").args(["save", IMAGE]).output().unwrap();
            assert!(saved.status.success(), "tests/sim-service/image makes the image: {saved:?}");
            self.ask("POST /images/load", &saved.stdout).unwrap();
        }
    }

    fn stop(&mut self) {
        let signal = |name: &str| Command::new("kill").args([name, &self.process.id().to_string()]).status().is_ok();
        let begin = Instant::now();
        let mut asked = signal("-TERM");
        while asked && !matches!(self.process.try_wait(), Ok(Some(_))) {
            asked = begin.elapsed() < PATIENCE;
            sleep(Duration::from_millis(20));
        }
        if !asked {
            drop(self.process.kill());
            drop(self.process.wait());
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let listed = exchange(&self.path("docker.sock"), "GET /containers/json?all=true", b"").unwrap_or_default().1;
        let containers: Vec<Value> = serde_json::from_str(&listed).unwrap_or_default();
        for id in containers.iter().filter_map(|container| container["Id"].as_str()) {
            let request = format!("DELETE /containers/{id}?force=true");
            drop(exchange(&self.path("docker.sock"), &request, b""));
        }
        self.stop();
    }
}

fn dockerd(folder: &Path, configuration: &Value) -> Child {
    let mut configuration = configuration.clone();
    configuration["cdi-spec-dirs"] = json!([folder.join("cdi")]);
    fs::write(folder.join("daemon.json"), configuration.to_string()).unwrap();
    let at = |name: &str| folder.join(name);
    // In a network of its own: a daemon without a bridge removes the one that another daemon has.
    Command::new(on_the_path("unshare").expect("unshare"))
        .arg("--net")
        .arg(on_the_path("dockerd").expect("dockerd"))
        .args(["--bridge=none", "--iptables=false", "--config-file"])
        .arg(at("daemon.json"))
        .arg("--data-root")
        .arg(at("data"))
        .arg("--exec-root")
        .arg(at("run"))
        .arg("--pidfile")
        .arg(at("pid"))
        .arg(format!("--host=unix://{}", at("docker.sock").display()))
        .env("PATH", at("bin"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(at("log")).unwrap())
        .spawn()
        .unwrap()
}

fn on_the_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// One request, `METHOD /path`, over a connection of its own: the status and the body.
fn exchange(socket: &Path, request: &str, body: &[u8]) -> std::io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let kind = if body.first() == Some(&b'{') { "application/json" } else { "application/x-tar" };
    // HTTP/1.0: the answer is not in chunks and ends with the connection.
    write!(stream, "{request} HTTP/1.0\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok((status, body.to_owned()))
}
