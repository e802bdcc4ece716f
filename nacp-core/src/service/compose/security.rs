//! How far a container is locked up.

use super::app::State;
use super::tree::Node;
use super::wrong::{NoteKind, Wrong};
use crate::error::Result;
use crate::service::{RootAccess, Service};

/// The capabilities that Docker leaves a container.
const DOCKER: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub(super) fn read(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    let security = &mut service.security;
    if let Some(user) = node.get("user") {
        security.user = Some(user.text()?);
    }
    let read_only = node.get("read_only").map(Node::flag).transpose()?;
    let (add, drop) = (capabilities(node, "cap_add")?, capabilities(node, "cap_drop")?);
    let drops_all = drop.iter().any(|name| name == "ALL");
    let privileges = options(state, node)?;
    let as_docker = state.as_docker();
    security.root = match read_only {
        Some(true) => RootAccess::ReadOnly,
        Some(false) => RootAccess::Writable,
        None if as_docker => RootAccess::Writable,
        None => RootAccess::Auto,
    };
    if as_docker && !drops_all {
        security.capabilities.extend(DOCKER.map(str::to_owned));
    }
    for name in &drop {
        security.capabilities.remove(name);
    }
    security.capabilities.extend(add);
    security.new_privileges = privileges.unwrap_or(as_docker);
    let strict = drops_all && read_only == Some(true) && privileges.is_some();
    if !as_docker && !strict {
        let message = "containers are locked up more than Docker does it: no capabilities, no new privileges, a \
                       root that is read-only where the image allows it; loosen `security` for an image that needs more";
        state.note_once("security", NoteKind::Changed, node, message);
    }
    if let Some(mode) = node.get("ipc") {
        match mode.text()?.as_str() {
            "host" => security.host_ipc = true,
            "private" => {}
            _ => state.note(NoteKind::Dropped, mode, "the container shares its memory segments with no other one"),
        }
    }
    Ok(())
}

/// The capabilities of a list, without `CAP_` and in capitals.
fn capabilities(node: &Node, key: &str) -> Result<Vec<String>> {
    let Some(listed) = node.get(key) else { return Ok(Vec::new()) };
    let names = listed.items()?.iter().map(|item| {
        let name = item.text()?.to_uppercase();
        Ok(name.strip_prefix("CAP_").unwrap_or(&name).to_owned())
    });
    names.collect()
}

/// Whether new privileges are allowed, where the file says so.
fn options(state: &mut State<'_>, node: &Node) -> Result<Option<bool>> {
    let mut privileges = None;
    let Some(listed) = node.get("security_opt") else { return Ok(None) };
    for item in listed.items()? {
        let text = item.text()?;
        match text.split_once(['=', ':']).unwrap_or((&text, "")) {
            ("no-new-privileges", "" | "true") => privileges = Some(false),
            ("no-new-privileges", "false") => privileges = Some(true),
            ("no-new-privileges", _) => {
                return Err(item.wrong("unknown value").with("value", &text).hint("write no-new-privileges:true"));
            }
            _ => {
                let message = "the engine's own profile stays in force (seccomp, AppArmor, SELinux)";
                state.note(NoteKind::Dropped, item, message);
            }
        }
    }
    Ok(privileges)
}
