//! The partitions of a GPU as handles that can be asked (Multi-Instance GPU).

use super::inventory::told;
use super::kept::Reader;
use super::library::{Calls, Code, Device, Ear};
use super::sample::memory;
use crate::gpu::{GpuId, MigUse, Reading, Unknown};

/// A partition that programs can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PartitionHandle {
    pub(super) id: GpuId,
    pub(super) device: Device,
    /// Its position among the partitions of its GPU.
    pub(super) index: u32,
    pub(super) gpu_instance: Reading<u32>,
    pub(super) compute_instance: Reading<u32>,
}

/// The partitions of a GPU that is partitioned; nothing where it is not.
pub(super) type Partitions = Option<Vec<PartitionHandle>>;

/// Finds the partitions of a GPU.
pub(super) fn partitions<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Result<Partitions, Code> {
    let (current, _) = calls.mig_mode(device)?;
    if current == 0 {
        return Ok(None);
    }
    let mut found = Vec::new();
    for index in 0..calls.max_mig_devices(device)? {
        let partition = match calls.mig_device(device, index) {
            Ok(partition) => partition,
            // Nothing is at this position.
            Err(Code::NOT_FOUND | Code::INVALID_ARGUMENT) => continue,
            Err(code) => return Err(code),
        };
        let Some(id) = calls.uuid(partition).ok().and_then(|uuid| uuid.parse().ok()) else {
            // Nobody can name it.
            tracing::warn!(index, "a partition does not tell who it is");
            continue;
        };
        found.push(PartitionHandle {
            id,
            device: partition,
            index,
            gpu_instance: calls.gpu_instance_id(partition).into(),
            compute_instance: calls.compute_instance_id(partition).into(),
        });
    }
    Ok(Some(found))
}

impl<E: Ear> Reader<'_, E> {
    /// Takes the partitions out of what is kept; they are looked for once after each inventory.
    fn lend_partitions(&mut self) -> Result<Partitions, Unknown> {
        if let Some(known) = self.kept.partitions.take() {
            return known;
        }
        partitions(&self.calls, self.device).map_err(|code| {
            self.kept.suspect |= code.is_about_the_handle();
            Unknown::from(code)
        })
    }

    /// Whether a partition that answered this way is no longer there: it does not tell its instance either. Then all
    /// partitions are looked for again at the next tick.
    pub(super) fn is_gone(&mut self, partition: &PartitionHandle, reason: Unknown) -> bool {
        let gone = [Code::INVALID_ARGUMENT, Code::NOT_FOUND, Code::GPU_IS_LOST].map(Unknown::from).contains(&reason)
            && self.calls.gpu_instance_id(partition.device).is_err();
        self.kept.divided_anew |= gone;
        gone
    }

    /// Calls `f` with this reader and the partitions, or with nothing where the GPU is not partitioned.
    pub(super) fn with_partitions<T>(
        &mut self,
        f: impl FnOnce(&mut Self, Option<&[PartitionHandle]>) -> T,
    ) -> Result<T, Unknown> {
        let lent = self.lend_partitions();
        let answer = lent.as_ref().map(|found| f(self, found.as_deref())).map_err(|reason| *reason);
        // What failed in passing is looked for again.
        let outdated =
            std::mem::take(&mut self.kept.divided_anew) || lent.as_ref().is_err_and(|reason| passes(*reason));
        self.kept.partitions = if outdated { None } else { Some(lent) };
        answer
    }

    /// The memory of each partition, written into the list that is there.
    pub(super) fn partition_use(&mut self, into: &mut Reading<Vec<MigUse>>) {
        let mut list = match std::mem::take(into) {
            Reading::Known(list) => list,
            Reading::Unknown(_) => Vec::new(),
        };
        let answer = self.with_partitions(|reader, partitions| {
            let partitions = partitions.unwrap_or_default();
            let mut there = 0;
            for partition in partitions {
                let memory = told(memory(&reader.calls, partition.device).inspect_err(|code| {
                    reader.kept.suspect |= code.is_about_the_handle();
                }));
                if memory.unknown().is_some_and(|reason| reader.is_gone(partition, reason)) {
                    continue;
                }
                match list.get_mut(there) {
                    Some(place) if place.id == partition.id => place.memory = memory,
                    Some(place) => *place = MigUse { id: partition.id.clone(), memory },
                    None => list.push(MigUse { id: partition.id.clone(), memory }),
                }
                there += 1;
            }
            list.truncate(there);
        });
        *into = match answer {
            Ok(()) => Reading::Known(list),
            Err(reason) => Reading::Unknown(reason),
        };
    }
}

/// Whether asking again may help.
fn passes(reason: Unknown) -> bool {
    !matches!(reason, Unknown::NotSupported | Unknown::TooOld)
}
