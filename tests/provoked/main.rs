//! Failures provoked on real daemons: their texts are explained, the doctor finds them with that daemon's evidence, and
//! no longer once they are mended.
//!
//! Each daemon is the test's own. Docker Engine needs root; Podman is asked where it is installed.

mod daemon;
mod doctor;
mod restart;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::Path;

use daemon::{Daemon, Refusal};
use doctor::{finding, finds, is_mended, means, survey};
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

/// What the images of CUDA say of themselves: whoever runs them wants a GPU.
const WANTS_A_GPU: &str = "NVIDIA_VISIBLE_DEVICES=all";

#[test]
fn a_daemon_without_a_hook_knows_no_driver_until_it_is_started_with_one() {
    if !possible() {
        return;
    }
    let mut docker = Daemon::docker(&cdi(true));
    let no_driver =
        |name| refused(500, &format!("could not select device driver \"{name}\" with capabilities: [[gpu]]"));
    assert_eq!(fails(&docker, "provoked-any", request("", &[])), no_driver(""));
    assert_eq!(fails(&docker, "provoked-misnamed", request("nvidia.com/gpu", &[])), no_driver("nvidia.com/gpu"));
    let broken = survey(&docker);
    means("D01", &no_driver(""), &broken);
    means("D02", &no_driver("nvidia.com/gpu"), &broken);
    finds("D01", "provoked-any", &no_driver("").message, &broken);
    finds("D02", "provoked-misnamed", "nvidia.com/gpu", &broken);
    assert_eq!(finding("D02", "provoked-any", &broken), None);

    let hook = docker.path("bin/nvidia-container-runtime-hook");
    fs::write(&hook, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(docker.start("provoked-any"), Err(no_driver("")), "a daemon that runs does not look for hooks again");
    docker.restart(&cdi(true));
    docker.start("provoked-any").unwrap();
    docker.remove("provoked-misnamed");
    docker.create("provoked-misnamed", request("nvidia", &[]), &[]).unwrap();
    docker.start("provoked-misnamed").unwrap();
    is_mended("D01", "provoked-any", &docker);
    is_mended("D02", "provoked-misnamed", &docker);
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
    assert_eq!(fails(&docker, "provoked-named", named()), unresolvable);
    let unknown = survey(&docker);
    means("D04", &unresolvable, &unknown);
    finds("D04", "provoked-named", "nvidia.com/gpu=GPU-1", &unknown);

    // Root reads a file whatever its permissions, so what cannot be read here is a file that is no specification.
    fs::write(&spec, "cdiVersion: [").unwrap();
    assert_eq!(docker.start("provoked-named"), Err(unresolvable));
    finds("D04", "provoked-named", "cdi/nvidia.json", &survey(&docker));

    fs::write(&spec, specification(&node, &new)).unwrap();
    let node = node.display();
    let gone = injection(&format!(
        "failed to inject devices: failed to stat CDI host device \"{node}\": no such file or directory"
    ));
    assert_eq!(docker.start("provoked-named"), Err(gone.clone()));
    let stale = survey(&docker);
    means("D05", &gone, &stale);
    finds("D05", "provoked-named", &node.to_string(), &stale);

    fs::write(&spec, specification(Path::new("/dev/null"), &old)).unwrap();
    let old = old.display();
    let stale =
        format!("error mounting \"{old}\" to rootfs at \"/lib/libcuda.so.1\": stat {old}: no such file or directory");
    let refusal = docker.start("provoked-named").unwrap_err();
    assert!(refusal.message.contains(&stale), "{refusal:?}");
    let old_driver = survey(&docker);
    means("D05", &refusal, &old_driver);
    finds("D05", "provoked-named", &old.to_string(), &old_driver);

    fs::write(&spec, specification(Path::new("/dev/null"), &new)).unwrap();
    docker.start("provoked-named").unwrap();
    is_mended("D04", "provoked-named", &docker);
    is_mended("D05", "provoked-named", &docker);
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
    assert_eq!(fails(&docker, "provoked-off", request("cdi", &["nvidia.com/gpu=GPU-1"])), no_driver);
    let off = survey(&docker);
    means("D03", &no_driver, &off);
    finds("D03", "provoked-off", &no_driver.message, &off);

    docker.restart(&cdi(true));
    docker.start("provoked-off").unwrap();
    is_mended("D03", "provoked-off", &docker);
}

#[test]
fn what_a_daemon_refuses_of_runtimes_limits_and_clients() {
    if !possible() {
        return;
    }
    let mut docker = Daemon::docker(&cdi(true));
    let runtime = json!({ "Runtime": "nvidia" });
    let unknown = refused(400, "unknown or invalid runtime name: nvidia");
    assert_eq!(docker.create("provoked-runtime", runtime.clone(), &[]), Err(unknown.clone()));

    let program = docker.path("bin/nvidia-container-runtime");
    let mut configured = cdi(true);
    configured["runtimes"] = json!({ "nvidia": { "path": program } });
    docker.restart(&configured);
    let gone = format!("fork/exec {}: no such file or directory", program.display());
    let refusal = fails(&docker, "provoked-runtime", runtime);
    assert!(refusal.message.contains(&gone), "{refusal:?}");
    let gone = survey(&docker);
    means("D33", &refusal, &gone);
    finds("D33", "provoked-runtime", "fork/exec", &gone);

    symlink(docker.path("bin/runc"), &program).unwrap();
    docker.start("provoked-runtime").unwrap();
    docker.halt("provoked-runtime");
    docker.restart(&cdi(true));
    assert_eq!(docker.start("provoked-runtime"), Err(unknown.clone()));
    let forgotten = survey(&docker);
    means("D33", &unknown, &forgotten);
    finds("D33", "provoked-runtime", "nvidia", &forgotten);

    docker.restart(&configured);
    docker.start("provoked-runtime").unwrap();
    is_mended("D33", "provoked-runtime", &docker);
}

#[test]
fn a_limit_above_the_daemons_own_is_refused() {
    if !possible() {
        return;
    }
    let docker = Daemon::docker(&cdi(true));
    let unlimited = json!({ "Ulimits": [{ "Name": "memlock", "Soft": -1, "Hard": -1 }] });
    docker.create("provoked-locked", unlimited, &[WANTS_A_GPU]).unwrap();
    match docker.start("provoked-locked") {
        Err(refusal) => {
            let text = "error setting rlimit type 8: operation not permitted";
            assert!(refusal.status == 500 && refusal.message.contains(text), "{refusal:?}");
            let locked = survey(&docker);
            means("D48", &refusal, &locked);
            finds("D48", "provoked-locked", text, &locked);
            docker.remove("provoked-locked");
            docker.create("provoked-locked", json!({}), &[WANTS_A_GPU]).unwrap();
            docker.start("provoked-locked").unwrap();
            is_mended("D48", "provoked-locked", &docker);
        }
        Ok(()) => println!("SKIP: this machine lets its daemon raise the limit of locked memory"),
    }
}

#[test]
fn a_client_of_another_time_is_refused() {
    if !possible() {
        return;
    }
    let docker = Daemon::docker(&cdi(true));
    let version: Value = serde_json::from_str(&docker.ask("GET /version", b"").unwrap()).unwrap();
    let (min, max) = (version["MinAPIVersion"].as_str().unwrap(), version["ApiVersion"].as_str().unwrap());
    let new = refused(400, &format!("client version 1.99 is too new. Maximum supported API version is {max}"));
    assert_eq!(docker.ask("GET /v1.99/info", b""), Err(new.clone()));
    let old = refused(
        400,
        &format!(
            "client version 1.12 is too old. Minimum supported API version is {min}, \
         please upgrade your client to a newer version"
        ),
    );
    assert_eq!(docker.ask("GET /v1.12/info", b""), Err(old.clone()));
    let here = survey(&docker);
    means("D42", &new, &here);
    means("D42", &old, &here);
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
    podman.create("provoked-silent", request("", &[]), &[WANTS_A_GPU]).unwrap();
    podman.start("provoked-silent").unwrap();
    let told: Value = serde_json::from_str(&podman.ask("GET /containers/provoked-silent/json", b"").unwrap()).unwrap();
    assert_eq!((&told["State"]["Running"], &told["HostConfig"]["DeviceRequests"]), (&json!(true), &Value::Null));
    finds("D43", "provoked-silent", "no device of a GPU", &survey(&podman));

    podman.remove("provoked-silent");
    podman.create("provoked-silent", json!({ "Devices": [{ "PathOnHost": "/dev/null", "PathInContainer": "/dev/nvidia0", "CgroupPermissions": "rw" }] }), &[WANTS_A_GPU]).unwrap();
    podman.start("provoked-silent").unwrap();
    is_mended("D43", "provoked-silent", &podman);
}

#[test]
fn a_daemon_that_is_restarted_under_an_apply_is_survived_where_containers_go_on() {
    if possible() {
        restart::survives(true);
    }
}

#[test]
fn a_daemon_that_is_restarted_under_an_apply_is_survived_where_containers_end_with_it() {
    if possible() {
        restart::survives(false);
    }
}
