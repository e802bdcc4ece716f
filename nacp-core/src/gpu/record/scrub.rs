//! Taking out what identifies a machine.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::format::Header;
use super::recorder::{broken, json};
use crate::error::Result;
use crate::gpu::{Event, EventKind, Gpu, GpuId, Process, Reading, Sample, Unknown};

/// The length of a UUID with its prefix.
const UUID: usize = 40;
/// What stands where something was taken out.
const GONE: &str = "scrubbed";
/// The shortest secret that is looked for in other texts. A shorter one, such as the serial number `0`, would be found
/// in half of them; it is taken out of its own field alone.
const SHORTEST: usize = 6;
/// Parts of the names of functions whose answers identify a machine, a user or a program.
const TELLING: [&str; 8] = ["UUID", "Uuid", "Serial", "BoardId", "PlatformInfo", "Fabric", "Hostname", "ProcessName"];

/// Replaces what identifies a machine, the same each time that it comes.
#[derive(Debug, Default)]
pub(super) struct Scrubber {
    ids: BTreeMap<String, String>,
    gpus: usize,
    partitions: usize,
    boards: Vec<u32>,
    chassis: Vec<String>,
    clusters: Vec<String>,
    /// Text that must not stand anywhere, and what stands there instead.
    secrets: Vec<(String, String)>,
}

impl Scrubber {
    pub(super) fn header(&mut self, header: &mut Header) -> Result<Value> {
        if let Some(file) = Path::new(&header.origin.name).file_name().and_then(|name| name.to_str()) {
            header.origin.name = file.to_owned();
        }
        // GPUs first, so that they are numbered as they are listed.
        for gpu in &header.gpus {
            self.text(gpu.id.as_str());
        }
        header.gpus.iter_mut().for_each(|gpu| self.gpu(gpu));
        for call in &mut header.support.calls {
            if let Reading::Known(answer) = &mut call.answer
                && TELLING.iter().any(|part| call.function.contains(part))
            {
                GONE.clone_into(answer);
            }
        }
        let mut value = json(header)?;
        self.value(&mut value);
        Ok(value)
    }

    fn gpu(&mut self, gpu: &mut Gpu) {
        let identity = &mut gpu.identity;
        if let Reading::Known(serial) = &identity.serial {
            hide(&mut self.secrets, serial.clone(), GONE.to_owned());
            identity.serial = Reading::Unknown(Unknown::NotRead);
        }
        if let Reading::Known(board) = &mut identity.board {
            *board = u32::try_from(number(&mut self.boards, board)).unwrap_or(u32::MAX);
        }
        if let Reading::Known(platform) = &mut identity.platform
            && !platform.chassis.is_empty()
        {
            let made_up = format!("chassis-{}", number(&mut self.chassis, &platform.chassis));
            hide(&mut self.secrets, std::mem::replace(&mut platform.chassis, made_up.clone()), made_up);
        }
        if let Reading::Known(fabric) = &mut gpu.fabric
            && !fabric.cluster.is_empty()
        {
            let made_up = format!("{:032x}", number(&mut self.clusters, &fabric.cluster));
            hide(&mut self.secrets, std::mem::replace(&mut fabric.cluster, made_up.clone()), made_up);
        }
    }

    pub(super) fn sample(&mut self, mut sample: Sample) -> Result<Value> {
        if let Reading::Known(processes) = &mut sample.processes {
            for process in processes {
                let bare = Process::new(process.pid, process.kind, process.memory.clone());
                let partitions = std::mem::take(&mut process.partitions);
                *process = Process { partitions, utilization: process.utilization.clone(), ..bare };
            }
        }
        let mut value = json(&sample)?;
        self.value(&mut value);
        Ok(value)
    }

    pub(super) fn event(&mut self, mut event: Event) -> Result<Event> {
        if let EventKind::Xid { detail, .. } | EventKind::Sxid { detail, .. } = &mut event.kind {
            *detail = without_names(detail);
        }
        let mut value = json(&event)?;
        self.value(&mut value);
        serde_json::from_value(value).map_err(broken)
    }

    /// Every text in it, however deep.
    fn value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(entries) => entries.values_mut().for_each(|item| self.value(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = next_prefix(rest) {
            let (before, after) = rest.split_at(at);
            clean.push_str(before);
            match after.get(..UUID).filter(|id| id.parse::<GpuId>().is_ok()) {
                Some(id) => {
                    clean.push_str(self.made_up(id));
                    rest = &after[UUID..];
                }
                None => {
                    clean.push_str(&after[..4]);
                    rest = &after[4..];
                }
            }
        }
        clean.push_str(rest);
        self.secrets.iter().fold(clean, |clean, (secret, made_up)| match clean.contains(secret.as_str()) {
            true => clean.replace(secret.as_str(), made_up),
            false => clean,
        })
    }

    /// The made-up id for a real one. Its number is only that of its turn: nothing of the real one is in it.
    fn made_up(&mut self, id: &str) -> &str {
        let Self { ids, gpus, partitions, .. } = self;
        ids.entry(id.to_owned()).or_insert_with(|| {
            let count = if id.starts_with("GPU") { gpus } else { partitions };
            *count += 1;
            format!("{}-{count:08x}-0000-4000-8000-{count:012x}", &id[..3])
        })
    }
}

/// Remembers what must not stand anywhere, unless it is too short to be told from other text.
fn hide(secrets: &mut Vec<(String, String)>, secret: String, made_up: String) {
    if secret.len() >= SHORTEST {
        secrets.push((secret, made_up));
    }
}

/// Where the next thing that may be a UUID begins.
fn next_prefix(text: &str) -> Option<usize> {
    [text.find("GPU-"), text.find("MIG-")].into_iter().flatten().min()
}

/// The turn of a value among those seen before, from 1.
fn number<T: PartialEq + Clone>(seen: &mut Vec<T>, value: &T) -> usize {
    let at = seen.iter().position(|it| it == value).unwrap_or_else(|| {
        seen.push(value.clone());
        seen.len() - 1
    });
    at + 1
}

/// A line of the kernel log without the names of programs (`name=…` up to the comma).
fn without_names(detail: &str) -> String {
    let mut parts = detail.split("name=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |clean, part| {
        let rest = part.find(',').map_or("", |at| &part[at..]);
        format!("{clean}name={GONE}{rest}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbered_by_their_turn_and_stay_the_same_wherever_they_stand() {
        let mut scrubber = Scrubber::default();
        scrubber.secrets.push(("1320921012345".to_owned(), GONE.to_owned()));
        let (one, two) = ("GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab", "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789AC");
        let first = scrubber.text(one);
        assert_eq!(first, "GPU-00000001-0000-4000-8000-000000000001");
        assert!(first.parse::<GpuId>().is_ok());
        assert_eq!(
            scrubber.text(&format!("MIG-{one}/1/0 é{two}, serial 1320921012345 GPU-x MIG-{}", &one[4..])),
            format!(
                "MIG-{first}/1/0 éGPU-00000002-0000-4000-8000-000000000002, serial scrubbed GPU-x \
                 MIG-00000001-0000-4000-8000-000000000001"
            )
        );
    }

    #[test]
    fn a_short_secret_leaves_its_own_field_and_no_other_text_is_harmed() {
        let mut scrubber = Scrubber::default();
        let id = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
        for (serial, kept) in [("0", "00000000:01:00.0 has 1024 MiB"), ("1320921012345", "serial scrubbed")] {
            let mut gpu = Gpu::new(GpuId::clone(&id), 0, "short");
            gpu.identity.serial = Reading::Known(serial.to_owned());
            scrubber.gpu(&mut gpu);
            assert_eq!(gpu.identity.serial.known(), None, "{serial}");
            assert_eq!(scrubber.text(&kept.replace("scrubbed", serial)), kept);
        }
    }

    #[test]
    fn programs_have_no_names() {
        assert_eq!(
            without_names("pid=77, name=secret prog, Ch 00000010, name=x"),
            "pid=77, name=scrubbed, Ch 00000010, name=scrubbed"
        );
        assert_eq!(without_names("GPU has fallen off the bus."), "GPU has fallen off the bus.");
    }
}
