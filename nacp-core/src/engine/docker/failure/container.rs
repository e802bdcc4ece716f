//! Why a container could not be created or started.

use bollard::errors::Error as Api;

use super::{call, quoted, said, status};
use crate::engine::docker::list::Holder;
use crate::engine::{ContainerId, ContainerSpec, labels};
use crate::error::{Error, ErrorKind};

/// Whether a container could not be created because its name is taken.
pub(in crate::engine::docker) fn taken(error: &Api) -> bool {
    status(error) == Some(409) || said(error).contains("is already in use by")
}

/// A container that could not be created; `holder` has its name where the name is what is taken.
pub(in crate::engine::docker) fn uncreated(spec: &ContainerSpec, holder: Option<&Holder>, error: Api) -> Error {
    if taken(&error) {
        return name_taken(spec, holder).caused_by(error);
    }
    let text = said(&error);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let failed = |kind, message: &str| {
        Error::new(kind, "engine.create", message).with("container", &spec.name).with("engine", quoted(&error))
    };
    let described = if has(&["does not match the specified platform"]) {
        failed(ErrorKind::Unsupported, "the image on this machine is for another platform")
            .with("image", &spec.image)
            .hint("pull it for the platform that is asked for")
    } else if has(&["bind source path does not exist"]) {
        failed(ErrorKind::InvalidArgument, "a folder that is to be mounted is not on the engine's machine")
            .hint("create it there or correct `host`")
    } else if has(&["network not found"]) {
        failed(ErrorKind::NotFound, "there is no such network")
    } else if has(&INVALID) {
        failed(ErrorKind::InvalidArgument, "the engine refuses the request")
    } else if status(&error) == Some(404) {
        Error::new(ErrorKind::NotFound, "engine.create", "the image is not on this machine").with("image", &spec.image)
    } else {
        return call("engine.create", error).with("container", &spec.name);
    };
    described.caused_by(error)
}

/// What Podman says, with the status of a failure of its own, of a request that can never succeed.
const INVALID: [&str; 4] = ["unknown capability", "invalid signal", "invalid ulimit", "Minimum memory limit allowed"];

/// A network or volume that a container is to be connected with and that is not there.
pub(in crate::engine::docker) fn not_there(spec: &ContainerSpec, kind: &'static str, name: &str) -> Error {
    let error = Error::new(ErrorKind::NotFound, "engine.create", format!("there is no such {kind}"))
        .with(kind, name)
        .with("container", &spec.name);
    error.hint(match kind {
        "volume" => format!("create it with `docker volume create {name}`, or let the app have a volume of its own"),
        _ => "create it before the containers that are to be in it".to_owned(),
    })
}

/// Files that could not be put into a container.
pub(in crate::engine::docker) fn files(spec: &ContainerSpec, folder: &str, error: Api) -> Error {
    call("engine.create", error)
        .with("container", &spec.name)
        .with("folder", folder)
        .hint("the container has been removed again; choose another folder for its files")
}

/// Whether a container could not be renamed because that is its name already.
pub(in crate::engine::docker) fn same_name(error: &Api) -> bool {
    said(error).contains("Renaming a container with the same name as its current name")
}

/// Whether a network could not be removed because it is used.
pub(in crate::engine::docker) fn is_used(error: &Api) -> bool {
    let text = said(error);
    ["has active endpoints", "has associated containers", "network is being used", "has active containers"]
        .iter()
        .any(|words| text.contains(words))
}

fn name_taken(spec: &ContainerSpec, holder: Option<&Holder>) -> Error {
    let conflict = Error::new(ErrorKind::Conflict, "engine.create", "a container of this name is there already")
        .with("container", &spec.name);
    let Some(holder) = holder else { return conflict.hint("it is gone by now; try again").retry_later() };
    let conflict = conflict.with("id", ContainerId(holder.id.clone()));
    match holder.app() {
        None => conflict.hint("it is not NACP's: remove it or rename it"),
        Some(app) if spec.labels.get(labels::APP).is_some_and(|own| own == app) => {
            conflict.hint("another program is applying the same app; try again").retry_later()
        }
        Some(app) => conflict.with("app", app).hint("it belongs to another app: delete that app or rename this one"),
    }
}

/// Whether a container could not be removed because somebody is removing it.
pub(in crate::engine::docker) fn under_way(error: &Api) -> bool {
    status(error) == Some(409) && said(error).contains("already in progress")
}

/// A port wanted on a daemon of another machine, whose loopback address this machine cannot reach.
pub(in crate::engine::docker) fn elsewhere(host: &str, spec: &ContainerSpec) -> Error {
    let message = "the engine is on another machine, and a container's port is published on that machine alone";
    Error::new(ErrorKind::Unsupported, "engine.create", message)
        .with("host", host)
        .with("container", &spec.name)
        .hint("run NACP on the engine's machine")
}

/// A container that could not be started.
pub(in crate::engine::docker) fn start(id: &ContainerId, error: Api) -> Error {
    let text = said(&error);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let failed = |kind, message: &str| {
        Error::new(kind, "engine.start", message).with("container", id).with("engine", quoted(&error))
    };
    // From the particular to the general: one text often has the words of several layers.
    let described = if has(&["no space left on device"]) {
        failed(ErrorKind::ResourceExhausted, "there is no room for the container")
            .hint("free space on the disk where the engine keeps its containers")
    } else if has(&["requirement error", "unsatisfied condition: cuda"]) {
        failed(ErrorKind::Unsupported, "the NVIDIA driver is too old for the image")
            .hint("update the driver, or choose an image for an older CUDA version")
    } else if has(&["CDI device injection failed", "unresolvable CDI devices", "could not select device driver"]) {
        failed(ErrorKind::Unsupported, "the engine cannot give the container its GPU")
            .hint("run `nvidia-ctk cdi generate` again and restart the engine")
    } else if has(&["nvidia-container-"]) {
        failed(ErrorKind::Unsupported, "the NVIDIA Container Toolkit cannot give the container its GPU")
            .hint("check that `nvidia-smi` works and that the NVIDIA Container Toolkit is whole")
    } else if has(&["unable to find user", "unable to find group"]) {
        failed(ErrorKind::InvalidArgument, "the container's user is not in its image")
            .hint("write the user as numbers, such as 1000:1000")
    } else if has(&["rlimit"]) {
        failed(ErrorKind::Unsupported, "the engine cannot set the kernel's limits for the container")
            .hint("ask for lower limits, or let the engine itself have higher ones")
    } else if has(&["error mounting"]) {
        failed(ErrorKind::Unsupported, "the engine cannot mount a file or volume into the container")
            .hint("if the NVIDIA driver has been updated, run `nvidia-ctk cdi generate` again")
    } else if has(&["port is already allocated", "address already in use"]) {
        failed(ErrorKind::Conflict, "the container's port is taken")
    } else if has(&["exec format error"]) {
        failed(ErrorKind::InvalidArgument, "the container's program is not made for this machine's processor")
            .hint("choose an image for this platform")
    } else if program_is_missing(&text) {
        failed(ErrorKind::InvalidArgument, "the container's program is not in its image")
    } else if status(&error) == Some(500) {
        failed(ErrorKind::EngineUnavailable, "the engine cannot start the container")
    } else {
        return call("engine.start", error).with("container", id);
    };
    described.caused_by(error)
}

/// Whether it is the container's own program that is missing, in the words of runc or of crun: other things that the
/// engine misses on the way have the same words.
fn program_is_missing(text: &str) -> bool {
    let runc = text.split_once("exec: \"").is_some_and(|(_, program)| {
        program.contains("executable file not found") || program.contains("no such file or directory")
    });
    runc || text.contains("attempted to invoke a command that was not found")
}

#[cfg(test)]
mod tests {
    use super::super::tests::answer;
    use super::*;
    use crate::error::Retry;

    #[test]
    fn each_failure_to_start_has_its_kind() {
        let runc = "failed to create task for container: OCI runtime create failed: runc create failed: unable to start \
                    container process: ";
        for (status, text, kind) in [
            (400, "exec: \"nope\": executable file not found in $PATH: unknown", ErrorKind::InvalidArgument),
            (400, "exec: \"/nope\": stat /nope: no such file or directory", ErrorKind::InvalidArgument),
            (400, "exec: \"/bin/x\": exec format error", ErrorKind::InvalidArgument),
            (500, "error mounting \"/usr/lib/libcuda.so.5\": no such file or directory", ErrorKind::Unsupported),
            (500, "error running prestart hook #0: nvidia-container-cli: nvml error", ErrorKind::Unsupported),
            (500, "exec: \"nvidia-container-runtime\": executable file not found", ErrorKind::Unsupported),
            (500, "mkdir /run/x: no space left on device", ErrorKind::ResourceExhausted),
            (500, "open /sys/fs/cgroup/x: no such file or directory", ErrorKind::EngineUnavailable),
            (500, "Bind for 127.0.0.1:1 failed: port is already allocated", ErrorKind::Conflict),
            (500, "error setting rlimits for ready process: operation not permitted", ErrorKind::Unsupported),
            (500, "unable to find user app: no matching entries in passwd file", ErrorKind::InvalidArgument),
        ] {
            let error = start(&ContainerId("c".into()), answer(status, &format!("{runc}{text}")));
            assert_eq!((error.kind(), error.retry()), (kind, Retry::Never), "{error}");
            assert!(error.get("engine").unwrap().contains("OCI runtime"), "{error}");
        }
        let broken = start(&ContainerId("c".into()), std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
        assert_eq!((broken.kind(), broken.retry()), (ErrorKind::EngineUnavailable, Retry::Later));
    }

    #[test]
    fn the_hint_fits_the_cause() {
        for (text, hint) in [
            ("nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8", "update the driver"),
            ("nvidia-container-cli: initialization error: nvml error: driver not loaded", "`nvidia-smi`"),
            ("error mounting \"/usr/lib/libcuda.so.535\" to rootfs", "`nvidia-ctk cdi generate`"),
        ] {
            let error = start(&ContainerId("c".into()), answer(500, text));
            assert!(error.hint_text().unwrap().contains(hint), "{error}");
        }
    }

    #[test]
    fn a_start_that_fails_for_its_gpu_says_so() {
        let text = "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=7";
        let error = start(&ContainerId("0123456789abcdef".into()), answer(500, text));
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            format!(
                "the engine cannot give the container its GPU: container=0123456789ab engine={text:?}; \
                 run `nvidia-ctk cdi generate` again and restart the engine"
            )
        );
    }

    #[test]
    fn each_failure_to_create_has_its_kind() {
        let spec = ContainerSpec::new("n", "i:1");
        for (status, text, kind) in [
            (404, "No such image: i:1", ErrorKind::NotFound),
            (
                404,
                "image with reference i:1 was found but does not match the specified platform",
                ErrorKind::Unsupported,
            ),
            (
                400,
                "invalid mount config for type \"bind\": bind source path does not exist: /x",
                ErrorKind::InvalidArgument,
            ),
            (500, "container create: unable to find network with name or ID x: network not found", ErrorKind::NotFound),
            (500, "container create: \"CAP_NOPE\": unknown capability", ErrorKind::InvalidArgument),
            (500, "fill out specgen: invalid signal: SIGNOPE", ErrorKind::InvalidArgument),
            (400, "Minimum memory limit allowed is 6MB", ErrorKind::InvalidArgument),
            (500, "it broke", ErrorKind::EngineUnavailable),
        ] {
            let error = uncreated(&spec, None, answer(status, text));
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.get("container") == Some("n") || error.get("image") == Some("i:1"), "{error}");
        }
    }

    #[test]
    fn who_holds_the_name_decides_whether_to_try_again() {
        let mut spec = ContainerSpec::new("nacp-a-llm-0", "busybox");
        spec.labels.insert(labels::APP.to_owned(), "a".to_owned());
        let holder = |labels: &str| {
            let text = format!(r#"{{"Id":"0123456789abcdef","Config":{{"Labels":{labels}}}}}"#);
            serde_json::from_str::<Holder>(&text).unwrap()
        };
        let told = |holder: Option<Holder>| {
            let error = uncreated(&spec, holder.as_ref(), answer(409, "Conflict. The name is already in use"));
            assert_eq!(error.kind(), ErrorKind::Conflict);
            (error.retry(), error.hint_text().unwrap().to_owned(), error.get("id").map(str::to_owned))
        };
        let id = Some("0123456789ab".to_owned());
        let own = told(Some(holder(r#"{"nacp.app":"a"}"#)));
        assert_eq!(own, (Retry::Later, "another program is applying the same app; try again".to_owned(), id.clone()));
        let foreign = (Retry::Never, "it is not NACP's: remove it or rename it".to_owned(), id);
        assert_eq!([told(Some(holder("null"))), told(Some(holder(r#"{"x":"a"}"#)))], [foreign.clone(), foreign]);
        assert_eq!(told(Some(holder(r#"{"nacp.app":"b"}"#))).0, Retry::Never);
        assert_eq!(told(None).0, Retry::Later);
    }
}
