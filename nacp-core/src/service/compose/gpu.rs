//! What a service needs of the GPUs, in the four ways in which compose files say it.

use super::app::State;
use super::env::{self, VISIBLE};
use super::service::EXTENSION;
use super::tree::{Node, Value};
use super::wrong::{NoteKind, Wrong};
use crate::error::Result;
use crate::service::{GpuMemory, GpuNeed, Service};

/// What makes a reservation one of an NVIDIA GPU.
const CAPABILITIES: [&str; 8] = ["gpu", "nvidia", "compute", "compat32", "graphics", "utility", "video", "display"];
/// What the NVIDIA runtime takes for no GPU.
const NONE: [&str; 3] = ["", "none", "void"];

pub(super) fn read(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    let mut count = 0u32;
    let mut first = None;
    let reserved = ["deploy", "resources", "reservations", "devices"];
    let reserved = reserved.iter().try_fold(node, |node, key| node.get(key));
    for list in [reserved, node.get("gpus")].into_iter().flatten() {
        if let Value::Text(word) = &list.value {
            if word != "all" {
                return Err(list.wrong("unknown value").with("value", word).hint("write all, or a list of devices"));
            }
            all(state, list);
            count = count.saturating_add(1);
            first.get_or_insert(list);
            continue;
        }
        for item in list.items()? {
            if let Some(wanted) = reservation(state, item)? {
                count = count.saturating_add(wanted);
                first.get_or_insert(item);
            }
        }
    }
    let runtime = runtime(state, node, count)?;
    count = count.saturating_add(runtime.map_or(0, |(count, _)| count));
    let at = first.or(runtime.map(|(_, at)| at));
    let devices = devices(state, node, count)?;
    count = count.saturating_add(devices.map_or(0, |(count, _)| count));
    let Some(at) = at.or(devices.map(|(_, at)| at)).filter(|_| count > 0) else { return Ok(()) };
    service.gpu = Some(GpuNeed::memory(GpuMemory::Auto).count(count));
    let known = node.get(EXTENSION).and_then(|ours| ours.get("gpu")).and_then(|gpu| gpu.get("memory"));
    if known.is_none() {
        let message = "Compose knows no GPU memory: it is `auto`, and the replica is promised all that is free; \
                       write `gpu.memory`, here as x-nacp: { gpu: { memory: 3GiB } }";
        state.note(NoteKind::Assumed, at, message);
    }
    Ok(())
}

fn all(state: &mut State<'_>, node: &Node) {
    let message = "Compose gives all GPUs, nacp one of its choice; write `gpu.count` for more";
    state.note(NoteKind::Changed, node, message);
}

/// How many GPUs a reservation asks for; nothing for one of other devices.
fn reservation(state: &mut State<'_>, item: &Node) -> Result<Option<u32>> {
    let options = "the driver's options are nacp's to choose";
    state.rest(item, &["driver", "count", "device_ids", "capabilities"], &[("options", options)])?;
    let driver = item.get("driver").map(Node::text).transpose()?.unwrap_or_else(|| "nvidia".into());
    let mut capabilities = Vec::new();
    if let Some(listed) = item.get("capabilities") {
        for capability in listed.items()? {
            for capability in capability.items()? {
                capabilities.push(capability.text()?);
            }
        }
    }
    let ids = match item.get("device_ids") {
        None => Vec::new(),
        Some(listed) => listed.items()?.iter().map(Node::text).collect::<Result<_>>()?,
    };
    let is_ours = match driver.as_str() {
        "nvidia" => capabilities.is_empty() || capabilities.iter().any(|it| CAPABILITIES.contains(&it.as_str())),
        "cdi" => ids.iter().all(|id| id.starts_with("nvidia.com/")),
        _ => false,
    };
    if !is_ours {
        let message = "nacp gives containers NVIDIA GPUs only; this device is not given";
        state.note(NoteKind::Dropped, item, message);
        return Ok(None);
    }
    if let Some(node) = item.get("device_ids").filter(|_| !ids.is_empty()) {
        if item.get("count").is_some() {
            return Err(node.wrong("count and device_ids exclude each other").hint("keep one of them"));
        }
        if ids.iter().any(|id| id == "nvidia.com/gpu=all" || id == "all") {
            all(state, node);
            return Ok(Some(1));
        }
        let message = format!("nacp chooses the GPUs itself, by UUID; {} of its choice", ids.len());
        state.note(NoteKind::Changed, node, message);
        return Ok(Some(u32::try_from(ids.len()).unwrap_or(u32::MAX)));
    }
    match item.get("count") {
        Some(count) if !matches!(&count.value, Value::Text(word) if word == "all") && count.value != Value::Int(-1) => {
            count.number().map(Some)
        }
        count => {
            all(state, count.unwrap_or(item));
            Ok(Some(1))
        }
    }
}

/// How many GPUs `runtime: nvidia` and its variable ask for.
fn runtime<'a>(state: &mut State<'_>, node: &'a Node, reserved: u32) -> Result<Option<(u32, &'a Node)>> {
    let runtime = node.get("runtime");
    let name = runtime.map(Node::text).transpose()?;
    let pairs = node.get("environment").map(env::pairs).transpose()?.unwrap_or_default();
    let visible = pairs.into_iter().find(|(name, ..)| name == VISIBLE);
    if let Some((_, _, at)) = &visible {
        state.note(NoteKind::Dropped, at, "nacp sets NVIDIA_VISIBLE_DEVICES from the GPUs that it chooses");
    }
    match (runtime, name.as_deref()) {
        (Some(at), Some(other)) if other != "nvidia" && other != "runc" => {
            let message = format!("the container is run by the engine's own runtime, not by {other}");
            state.note(NoteKind::Dropped, at, message);
        }
        _ => {}
    }
    let by_name = runtime.filter(|_| name.as_deref() == Some("nvidia"));
    let value = visible.as_ref().map(|(_, value, _)| value.clone().unwrap_or_default());
    let at = match (by_name, &visible) {
        (Some(at), _) => at,
        (None, Some((_, _, at))) => *at,
        (None, None) => return Ok(None),
    };
    if reserved > 0 || value.as_deref().is_some_and(|value| NONE.contains(&value)) {
        return Ok(None);
    }
    match value.as_deref() {
        None | Some("all") => {
            all(state, at);
            Ok(Some((1, at)))
        }
        Some(list) => {
            let count = list.split(',').filter(|id| !id.trim().is_empty()).count();
            let message = format!("nacp chooses the GPUs itself, by UUID; {count} of its choice");
            state.note(NoteKind::Changed, at, message);
            Ok(Some((u32::try_from(count).unwrap_or(u32::MAX), at)))
        }
    }
}

/// How many GPUs are passed as device nodes or CDI names.
fn devices<'a>(state: &mut State<'_>, node: &'a Node, reserved: u32) -> Result<Option<(u32, &'a Node)>> {
    let Some(listed) = node.get("devices") else { return Ok(None) };
    let (mut count, mut first) = (0, None);
    for item in listed.items()? {
        let path = match &item.value {
            Value::Map(_) => item.get("source").map(Node::text).transpose()?.unwrap_or_default(),
            _ => item.text()?,
        };
        let gpu = path.strip_prefix("/dev/nvidia").and_then(|rest| rest.split(':').next());
        if path.starts_with("nvidia.com/gpu=") || gpu.is_some_and(|number| number.parse::<u32>().is_ok()) {
            count += 1;
            first.get_or_insert(item);
            state.note(NoteKind::Changed, item, "nacp chooses the GPU itself, by UUID");
        } else if gpu.is_none() {
            state.note(NoteKind::Dropped, item, "nacp gives containers NVIDIA GPUs only; this device is not given");
        }
    }
    Ok(first.filter(|_| reserved == 0).map(|at| (count, at)))
}
