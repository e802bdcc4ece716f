//! Failures provoked on real daemons: their texts are explained, the doctor finds them with that daemon's evidence, and
//! no longer once they are mended.
//!
//! Each daemon is the test's own. Docker Engine needs root; Podman is asked where it is installed.

mod daemon;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::Path;

use daemon::{Daemon, Refusal};
use serde_json::{Value, json};

/// Whether this machine lets a test start daemons of its own; if not, a line says why.
fn possible() -> bool {
    if std::env::var("NACP_NO_DOCKER").is_ok_and(|value| value == "1") {
        println!("SKIP: no Docker daemon answers");
        return false;
    }
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        println!("SKIP: only root can start a daemon of its own");
        return false;
    }
    true
}

fn cdi(on: bool) -> Value {
    json!({ "features": { "cdi": on } })
}

fn request(driver: &str, ids: &[&str]) -> Value {
    let (count, capabilities) = if ids.is_empty() { (-1, json!([["gpu"]])) } else { (0, json!(null)) };
    json!({ "DeviceRequests": [{ "Driver": driver, "Count": count, "DeviceIDs": ids, "Capabilities": capabilities }] })
}

fn refused(status: u16, message: &str) -> Refusal {
    Refusal { status, message: message.into() }
}

/// How the daemon refuses to start a container that it has created.
fn fails(daemon: &Daemon, name: &str, limits: Value) -> Refusal {
    daemon.create(name, limits, &[]).unwrap();
    daemon.start(name).unwrap_err()
}

#[test]
fn a_daemon_without_a_hook_knows_no_driver_until_it_is_started_with_one() {
    if !possible() {
        return;
    }
    let mut docker = Daemon::docker(&cdi(true));
    let no_driver =
        |name| refused(500, &format!("could not select device driver \"{name}\" with capabilities: [[gpu]]"));
    assert_eq!(fails(&docker, "any", request("", &[])), no_driver(""));
    assert_eq!(fails(&docker, "misnamed", request("nvidia.com/gpu", &[])), no_driver("nvidia.com/gpu"));

    let hook = docker.path("bin/nvidia-container-runtime-hook");
    fs::write(&hook, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(docker.start("any"), Err(no_driver("")), "a daemon that runs does not look for hooks again");
    docker.restart(&cdi(true));
    docker.start("any").unwrap();
    docker.remove("misnamed");
    docker.create("renamed", request("nvidia", &[]), &[]).unwrap();
    docker.start("renamed").unwrap();
}

/// The same where the daemon may as well start it.
fn fails_or_starts(daemon: &Daemon, name: &str, limits: Value) -> Option<Refusal> {
    daemon.create(name, limits, &[]).unwrap();
    daemon.start(name).err()
}

/// A specification with one device, `GPU-1`, of a device node and a library.
fn specification(node: &Path, library: &Path) -> String {
    json!({
        "cdiVersion": "0.6.0",
        "kind": "nvidia.com/gpu",
        "devices": [{ "name": "GPU-1", "containerEdits": {
            "deviceNodes": [{ "path": "/dev/nvidia0", "hostPath": node }],
            "mounts": [{ "hostPath": library, "containerPath": "/lib/libcuda.so.1", "options": ["ro", "bind"] }],
        } }],
    })
    .to_string()
}

#[test]
fn a_cdi_device_is_had_when_its_specification_is_whole_and_fresh() {
    if !possible() {
        return;
    }
    let docker = Daemon::docker(&cdi(true));
    let [spec, node, old, new] =
        ["cdi/nvidia.json", "renderD129", "libcuda.so.535.54.03", "libcuda.so.580.95.05"].map(|name| docker.path(name));
    fs::write(&new, "").unwrap();

    let named = || request("cdi", &["nvidia.com/gpu=GPU-1"]);
    let injection = |what: &str| refused(500, &format!("CDI device injection failed: {what}"));
    let unresolvable = injection("unresolvable CDI devices nvidia.com/gpu=GPU-1");
    assert_eq!(fails(&docker, "wants", named()), unresolvable);

    // Root reads a file whatever its permissions, so what cannot be read here is a file that is no specification.
    fs::write(&spec, "cdiVersion: [").unwrap();
    assert_eq!(docker.start("wants"), Err(unresolvable));

    fs::write(&spec, specification(&node, &new)).unwrap();
    let node = node.display();
    let gone =
        format!("failed to inject devices: failed to stat CDI host device \"{node}\": no such file or directory");
    assert_eq!(docker.start("wants"), Err(injection(&gone)));

    fs::write(&spec, specification(Path::new("/dev/null"), &old)).unwrap();
    let old = old.display();
    let stale =
        format!("error mounting \"{old}\" to rootfs at \"/lib/libcuda.so.1\": stat {old}: no such file or directory");
    let refusal = docker.start("wants").unwrap_err();
    assert!(refusal.message.contains(&stale), "{refusal:?}");

    fs::write(&spec, specification(Path::new("/dev/null"), &new)).unwrap();
    docker.start("wants").unwrap();
}

#[test]
fn a_daemon_with_cdi_off_has_no_driver_for_it() {
    if !possible() {
        return;
    }
    let mut docker = Daemon::docker(&cdi(false));
    let library = docker.path("libcuda.so.580.95.05");
    fs::write(&library, "").unwrap();
    fs::write(docker.path("cdi/nvidia.json"), specification(Path::new("/dev/null"), &library)).unwrap();
    let no_driver = refused(500, "could not select device driver \"cdi\" with capabilities: []");
    assert_eq!(fails(&docker, "off", request("cdi", &["nvidia.com/gpu=GPU-1"])), no_driver);

    docker.restart(&cdi(true));
    docker.start("off").unwrap();
}

#[test]
fn what_a_daemon_refuses_of_runtimes_limits_and_clients() {
    if !possible() {
        return;
    }
    let mut docker = Daemon::docker(&cdi(true));
    let runtime = json!({ "Runtime": "nvidia" });
    let unknown = refused(400, "unknown or invalid runtime name: nvidia");
    assert_eq!(docker.create("runtime", runtime.clone(), &[]), Err(unknown.clone()));

    let program = docker.path("bin/nvidia-container-runtime");
    let mut configured = cdi(true);
    configured["runtimes"] = json!({ "nvidia": { "path": program } });
    docker.restart(&configured);
    let gone = format!("fork/exec {}: no such file or directory", program.display());
    let refusal = fails(&docker, "runtime", runtime);
    assert!(refusal.message.contains(&gone), "{refusal:?}");

    symlink(docker.path("bin/runc"), &program).unwrap();
    docker.start("runtime").unwrap();
    docker.halt("runtime");
    docker.restart(&cdi(true));
    assert_eq!(docker.start("runtime"), Err(unknown));

    docker.restart(&configured);
    docker.start("runtime").unwrap();
}

#[test]
fn a_limit_above_the_daemons_own_and_a_client_of_another_time_are_refused() {
    if !possible() {
        return;
    }
    let docker = Daemon::docker(&cdi(true));
    match fails_or_starts(&docker, "locked", json!({ "Ulimits": [{ "Name": "memlock", "Soft": -1, "Hard": -1 }] })) {
        Some(refusal) => {
            let text = "error setting rlimit type 8: operation not permitted";
            assert!(refusal.status == 500 && refusal.message.contains(text), "{refusal:?}");
            docker.remove("locked");
            docker.create("locked", json!({}), &[]).unwrap();
            docker.start("locked").unwrap();
        }
        None => println!("this machine lets its daemon raise the limit of locked memory"),
    }

    let version: Value = serde_json::from_str(&docker.ask("GET /version", b"").unwrap()).unwrap();
    let (min, max) = (version["MinAPIVersion"].as_str().unwrap(), version["ApiVersion"].as_str().unwrap());
    let new = format!("client version 1.99 is too new. Maximum supported API version is {max}");
    assert_eq!(docker.ask("GET /v1.99/info", b""), Err(refused(400, &new)));
    let old = format!(
        "client version 1.12 is too old. Minimum supported API version is {min}, \
         please upgrade your client to a newer version"
    );
    assert_eq!(docker.ask("GET /v1.12/info", b""), Err(refused(400, &old)));
}

#[test]
fn podman_takes_a_request_for_gpus_and_forgets_it() {
    if !possible() {
        return;
    }
    let Some(podman) = Daemon::podman() else {
        println!("SKIP: podman is not installed");
        return;
    };
    podman.create("silent", request("", &[]), &["NVIDIA_VISIBLE_DEVICES=all"]).unwrap();
    podman.start("silent").unwrap();
    let told: Value = serde_json::from_str(&podman.ask("GET /containers/silent/json", b"").unwrap()).unwrap();
    assert_eq!((&told["State"]["Running"], &told["HostConfig"]["DeviceRequests"]), (&json!(true), &Value::Null));
}
