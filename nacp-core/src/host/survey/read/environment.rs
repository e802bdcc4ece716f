//! Variables that decide which GPUs, libraries and daemons are used.

use super::{Given, Put};

pub(super) fn read(given: &Given) -> Put {
    let mut variables = given.root.variables(decides);
    for name in ["DOCKER_HOST", "CONTAINER_HOST"] {
        if let Some(value) = variables.get_mut(name) {
            *value = without_user(value);
        }
    }
    Box::new(move |survey| survey.environment = variables)
}

/// Whether a variable decides that. Others are not looked at: they may hold secrets.
fn decides(name: &str) -> bool {
    const NAMES: [&str; 5] =
        ["LD_LIBRARY_PATH", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_API_VERSION", "CONTAINER_HOST"];
    is_nvidia(name) || NAMES.contains(&name)
}

/// Whether a variable of a container is kept.
pub(super) fn is_kept(name: &str) -> bool {
    is_nvidia(name) || name == "LD_LIBRARY_PATH"
}

fn is_nvidia(name: &str) -> bool {
    name.starts_with("NVIDIA_") || name.starts_with("CUDA_")
}

/// An address without the user's name in it: `ssh://ada@node` is `ssh://…@node`.
fn without_user(address: &str) -> String {
    match address.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (user, machine))) if !user.contains('/') => format!("{scheme}://…@{machine}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_variables_are_not_looked_at() {
        for (name, kept) in [
            ("CUDA_VISIBLE_DEVICES", true),
            ("NVIDIA_VISIBLE_DEVICES", true),
            ("DOCKER_HOST", true),
            ("DOCKER_CERT_PATH", false),
            ("HF_TOKEN", false),
            ("HOME", false),
        ] {
            assert_eq!(decides(name), kept, "{name}");
        }
    }

    #[test]
    fn a_user_s_name_is_not_kept() {
        assert_eq!(without_user("ssh://ada@node:22"), "ssh://…@node:22");
        assert_eq!(without_user("unix:///run/user/1000/docker.sock"), "unix:///run/user/1000/docker.sock");
        assert_eq!(without_user("unix:///home/a@b/x"), "unix:///home/a@b/x");
        assert_eq!(without_user("@"), "@");
    }
}
