//! What a user reads when Docker is not there, not allowed, not running or silent.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nacp_core::engine::Docker;
use nacp_core::{Error, ErrorKind, Retry};

async fn refused(host: &str) -> Error {
    Docker::connect_to(host).await.unwrap_err()
}

#[tokio::test]
async fn no_socket() {
    let error = refused("unix:///nonexistent/docker.sock").await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::EngineUnavailable, Retry::Later));
    assert_eq!(
        error.to_string(),
        "no container engine's socket is there: host=unix:///nonexistent/docker.sock; \
         install and start Docker Engine or Podman, or set DOCKER_HOST"
    );
}

#[tokio::test]
async fn a_socket_that_nobody_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    drop(UnixListener::bind(&path).unwrap());
    let host = format!("unix://{}", path.display());
    let error = refused(&host).await;
    assert_eq!(error.to_string(), format!("the container engine is not running: host={host}; start it"));
}

#[tokio::test]
async fn a_port_that_nobody_serves() {
    let error = refused("tcp://127.0.0.1:1").await;
    assert_eq!(error.to_string(), "the container engine is not running: host=tcp://127.0.0.1:1; start it");
}

#[tokio::test]
async fn not_an_address() {
    let error = refused("ftp://127.0.0.1").await;
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(
        error.to_string(),
        "not an address of a container engine: host=ftp://127.0.0.1; write unix:///path/to.sock or tcp://host:port"
    );
}

// The clock stands still and jumps to the next time limit as soon as everything waits.
#[tokio::test(start_paused = true)]
async fn an_engine_that_never_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let _silent = UnixListener::bind(&path).unwrap();
    let host = format!("unix://{}", path.display());
    let error = tokio::time::timeout(Duration::from_secs(600), refused(&host)).await.expect("a time limit of its own");
    assert_eq!(error.to_string(), format!("the container engine does not answer: host={host}"));
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

/// The part that runs as a user without rights: only run by the test below, in a process of its own.
#[tokio::test]
async fn user_without_permission() {
    let Ok(host) = std::env::var("NACP_TEST_HOST") else { return };
    let error = refused(&host).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    println!("told: {error}");
}

#[test]
fn a_socket_without_permission() {
    if !is_root() {
        println!("SKIP: only root can become a user without rights");
        return;
    }
    let folder = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let _socket = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    // A copy, because the folder of the build may be closed to other users.
    let program = folder.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let host = format!("unix://{}", path.display());
    let output = Command::new(&program)
        .args(["--exact", "user_without_permission", "--nocapture"])
        .env("NACP_TEST_HOST", &host)
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let expected = format!(
        "told: no permission to use the container engine's socket: host={host}; \
         add this user to the group `docker`, or set DOCKER_HOST to an engine of this user's own"
    );
    assert!(output.status.success() && told.contains(&expected), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|own| own.uid() == 0)
}
