//! Volumes, folders and memory that are mounted.

use super::app::State;
use super::names;
use super::tree::{Node, Value};
use super::words;
use super::wrong::{NoteKind, Wrong};
use crate::error::{Result, nearest};
use crate::service::{Mount, Service};
use crate::units::Bytes;

/// The size of memory that is mounted where the file sets none.
const MEMORY: Bytes = Bytes::gib(1);

pub(super) fn read(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    if let Some(listed) = node.get("volumes") {
        for item in listed.items()? {
            match &item.value {
                Value::Map(_) => long(state, item, service)?,
                _ => short(state, item, service)?,
            }
        }
    }
    if let Some(listed) = node.get("tmpfs") {
        for item in listed.items()? {
            let text = item.text()?;
            let (path, options) = text.split_once(':').unwrap_or((&text, ""));
            let size = options.split(',').find_map(|option| option.strip_prefix("size="));
            let size = match size {
                None => None,
                Some(size) => {
                    let node = Node { value: Value::Text(size.to_owned()), ..item.clone() };
                    Some(words::size(&node)?)
                }
            };
            // With a read-only root the container has memory there anyway.
            let is_scratch = options.is_empty() && super::export::SCRATCH.contains(&path);
            if is_scratch && node.get("read_only").map(Node::flag).transpose()?.unwrap_or_default() {
                continue;
            }
            memory(state, item, Mount::memory(size.unwrap_or(MEMORY), path), size.is_none(), false, service);
        }
    }
    Ok(())
}

fn short(state: &mut State<'_>, item: &Node, service: &mut Service) -> Result<()> {
    let text = item.text()?;
    // A drive letter of Windows is not a separator.
    let drive = text.len() > 2 && text.as_bytes()[0].is_ascii_alphabetic() && matches!(&text[1..3], ":\\" | ":/");
    let cut = if drive { text[2..].find(':').map(|at| at + 2) } else { text.find(':') };
    let Some(cut) = cut else {
        return named(state, item, None, &text, false, service);
    };
    let (source, rest) = (&text[..cut], &text[cut + 1..]);
    let (path, options) = rest.split_once(':').unwrap_or((rest, ""));
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" | "z" | "Z" | "nocopy" | "cached" | "delegated" | "consistent" => {}
            other => {
                let message = format!("the folder is mounted without the option {other}");
                state.note(NoteKind::Dropped, item, message);
            }
        }
    }
    if drive || source.starts_with(['/', '.', '~', '\\']) {
        return host(state, item, source, path, read_only, service);
    }
    named(state, item, Some(source), path, read_only, service)
}

fn long(state: &mut State<'_>, item: &Node, service: &mut Service) -> Result<()> {
    let how = "it is mounted as the engine does it";
    let read = ["type", "source", "target", "read_only", "bind", "volume", "tmpfs"];
    state.rest(item, &read, &[("consistency", how), ("image", how)])?;
    let path = item.get("target").ok_or_else(|| item.wrong("a target is needed").hint("add `target`"))?.text()?;
    let source = item.get("source").map(Node::text).transpose()?;
    let read_only = item.get("read_only").map(Node::flag).transpose()?.unwrap_or_default();
    if let Some(bind) = item.get("bind") {
        let there = "the folder must be there before the service starts";
        state.rest(bind, &["selinux"], &[("propagation", how), ("create_host_path", there), ("recursive", how)])?;
    }
    if let Some(volume) = item.get("volume") {
        let whole = "the whole volume is mounted";
        state.rest(volume, &["nocopy"], &[("subpath", whole), ("labels", "the volume gets no labels of yours")])?;
    }
    let kind = item.get("type").map(Node::text).transpose()?.unwrap_or_else(|| "volume".into());
    match kind.as_str() {
        "volume" => named(state, item, source.as_deref(), &path, read_only, service),
        "bind" => {
            let source = source.ok_or_else(|| item.wrong("a source is needed").hint("add `source`"))?;
            host(state, item, &source, &path, read_only, service)
        }
        "tmpfs" => {
            let size = match item.get("tmpfs") {
                None => None,
                Some(tmpfs) => {
                    state.rest(tmpfs, &["size"], &[("mode", "every user can write there")])?;
                    tmpfs.get("size").map(words::size).transpose()?
                }
            };
            memory(state, item, Mount::memory(size.unwrap_or(MEMORY), path), size.is_none(), read_only, service);
            Ok(())
        }
        "npipe" | "cluster" | "image" => Err(item
            .wrong("this kind of mount cannot be imported")
            .with("type", kind)
            .hint("use volume, bind or tmpfs")),
        _ => {
            let error = item.wrong("unknown value").with("value", kind);
            Err(error.hint("choose one of volume, bind, tmpfs"))
        }
    }
}

fn add(service: &mut Service, name: &str, mount: Mount, read_only: bool) {
    let name = names::free(name, &service.volumes);
    service.volumes.insert(name, if read_only { mount.read_only() } else { mount });
}

fn host(
    state: &State<'_>,
    item: &Node,
    source: &str,
    path: &str,
    read_only: bool,
    service: &mut Service,
) -> Result<()> {
    add(service, path, Mount::host(absolute(state, item, source)?, path), read_only);
    Ok(())
}

fn memory(state: &mut State<'_>, item: &Node, mount: Mount, is_assumed: bool, read_only: bool, service: &mut Service) {
    if is_assumed {
        let message = "the file sets no size: it is 1 GiB of memory at most; change `memory` of the mount if need be";
        state.note(NoteKind::Assumed, item, message);
    }
    let path = mount.path.clone();
    add(service, &path, mount, read_only);
}

fn named(
    state: &mut State<'_>,
    item: &Node,
    source: Option<&str>,
    path: &str,
    read_only: bool,
    service: &mut Service,
) -> Result<()> {
    let Some(source) = source else {
        let message = "the volume gets a name and is kept when the containers go";
        state.note(NoteKind::Changed, item, message);
        add(service, path, Mount::volume(path), read_only);
        return Ok(());
    };
    let Some(declared) = state.volumes.get(source).cloned() else {
        let error = item.wrong("no such volume in this file").with("value", source);
        return Err(match nearest(source, state.volumes.keys().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint("declare it under `volumes` at the top, or begin a folder with ./ or /"),
        });
    };
    let how = "the engine's own driver keeps the data on its disk; mount what lies elsewhere by its folder";
    let labels = [("labels", "the volume gets no labels of yours"), ("driver", how), ("driver_opts", how)];
    if let Some(driver) = declared.get("driver") {
        if driver.text()? == "local" && declared.get("driver_opts").is_none() {
            state.rest(&declared, &["driver", "external", "name"], &labels)?;
        } else {
            state.rest(&declared, &["external", "name"], &labels)?;
        }
    } else {
        state.rest(&declared, &["external", "name"], &labels)?;
    }
    let name = declared.get("name").map(Node::text).transpose()?;
    let external = declared.get("external").map(Node::flag).transpose()?.unwrap_or_default();
    if external || name.is_some() {
        add(service, source, Mount::external(name.unwrap_or_else(|| source.to_owned()), path), read_only);
        return Ok(());
    }
    let plain = names::plain(source).ok_or_else(|| item.wrong("not a name for a volume").with("value", source))?;
    if service.volumes.contains_key(&plain) {
        let error = item.wrong("a volume is mounted once in a service").with("value", source);
        return Err(error.hint("mount it once and let the program find the rest below, or use two volumes"));
    }
    let message = format!(
        "the volume {plain} is nacp's own and begins empty; to go on with the data of Compose, write \
         `external` with the name that docker volume ls shows"
    );
    state.note_once(&format!("volume {source}"), NoteKind::Changed, item, message);
    let mount = Mount::volume(path);
    service.volumes.insert(plain, if read_only { mount.read_only() } else { mount });
    Ok(())
}

/// A path from the root: `~` is the home, everything else counts from the folder of the file.
pub(super) fn absolute(state: &State<'_>, node: &Node, path: &str) -> Result<String> {
    let is_rooted = |path: &str| path.starts_with(['/', '\\']) || path.get(1..2) == Some(":");
    if is_rooted(path) {
        return Ok(path.to_owned());
    }
    if let Some(rest) = path.strip_prefix('~') {
        let home = state.variable("HOME").ok_or_else(|| {
            let error = node.wrong("the home folder is not known").with("value", path);
            error.hint("set HOME, or write the path from the root")
        })?;
        return Ok(format!("{}{rest}", home.trim_end_matches('/')));
    }
    let folder = state.folder().ok_or_else(|| {
        let error = node.wrong("the folder of the file is not known").with("value", path);
        error.hint("tell it, or write the path from the root")
    })?;
    let mut parts: Vec<&str> = folder.trim_end_matches('/').split('/').collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.len() > 1 {
                    parts.pop();
                }
            }
            part => parts.push(part),
        }
    }
    Ok(if parts == [""] { "/".to_owned() } else { parts.join("/") })
}
