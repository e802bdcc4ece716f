//! A registry on loopback: Debian's `docker-registry`, in a folder of its own, stopped when it is dropped.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// A registry that runs.
pub(crate) struct Registry {
    pub(crate) host: String,
    process: Child,
    folder: TempDir,
}

impl Registry {
    /// A registry that lets in everyone, or only this user with this password. Nothing, with a line that says so, where
    /// its program is not installed.
    pub(crate) async fn start(user: Option<(&str, &str)>) -> Option<Self> {
        let Some(program) = on_the_path("docker-registry") else {
            assert!(std::env::var("CI").is_err(), "docker-registry is not installed");
            println!("SKIP: docker-registry is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let auth = match user {
            Some((name, password)) => {
                let users = Command::new("htpasswd").args(["-Bbn", name, password]).output().expect("htpasswd").stdout;
                fs::write(folder.path().join("users"), users).unwrap();
                format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", folder.path().join("users").display())
            }
            None => String::new(),
        };
        // Somebody else may take the port in between: then another one is tried.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let host = format!("127.0.0.1:{port}");
            let configuration = format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
                 http: {{addr: '{host}'}}\n{auth}",
                folder.path().join("data").display()
            );
            fs::write(folder.path().join("config.yml"), configuration).unwrap();
            let mut process = Command::new(&program)
                .arg("serve")
                .arg(folder.path().join("config.yml"))
                .stdout(Stdio::null())
                .stderr(fs::File::create(folder.path().join("log")).unwrap())
                .spawn()
                .unwrap();
            for _ in 0..200 {
                if process.try_wait().unwrap().is_some() {
                    break;
                }
                if TcpStream::connect(&host).await.is_ok() {
                    return Some(Self { host, process, folder });
                }
                sleep(Duration::from_millis(50)).await;
            }
            drop((process.kill(), process.wait()));
        }
        panic!("the registry does not start: {}", fs::read_to_string(folder.path().join("log")).unwrap_or_default());
    }

    /// The folder of the registry's own, for a test's files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop((self.process.kill(), self.process.wait()));
    }
}

fn on_the_path(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
