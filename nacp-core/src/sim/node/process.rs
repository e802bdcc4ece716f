//! Programs that use a GPU of a node file.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::gpu::ProcessKind;
use crate::units::Bytes;

/// A process of a [`GpuFile`](super::GpuFile).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessFile {
    /// Which process.
    pub pid: Pid,
    /// What it uses the GPU for.
    pub kind: ProcessKind,
    /// Whether it computes through the Multi-Process Service.
    #[serde(default)]
    pub mps: bool,
    /// Its memory on the GPU.
    #[serde(default)]
    pub memory: Bytes,
    /// Of it, the protected part under confidential computing.
    #[serde(default)]
    pub protected: Bytes,
    /// How much of the GPU it uses; absent where nothing of it ran lately.
    #[serde(default, rename = "use")]
    pub usage: Option<UsageFile>,
    /// Its name, for whoever asks the driver; absent: what this machine's `/proc` says.
    #[serde(default)]
    pub name: Option<String>,
}

/// What a process used of a GPU over the last sampling period, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsageFile {
    /// The streaming multiprocessors.
    pub sm: u32,
    /// The memory's bandwidth.
    pub memory: u32,
    /// The video encoder.
    pub encoder: u32,
    /// The video decoder.
    pub decoder: u32,
    /// The JPEG decoder.
    pub jpeg: u32,
    /// The optical flow accelerator.
    pub ofa: u32,
}

/// A process id of a node file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pid {
    /// The process that reads the file, so that tools which look it up find it.
    #[serde(rename = "self")]
    Own,
    /// A process that is started for this entry and does nothing, so that there are several that tools find.
    Spawn,
    /// This process.
    #[serde(untagged)]
    Number(u32),
}

/// The processes that were started for the entries of a node file. They end with this value, and with the process that
/// started them however that ends: each reads from a pipe that then closes.
#[derive(Debug, Default)]
pub struct Children(Mutex<HashMap<usize, Child>>);

impl Children {
    /// The number of a process. One that is to be started is started when it is asked for the first time; `nth` tells
    /// the entries of a file apart.
    ///
    /// # Errors
    /// What the operating system says when it cannot start a process.
    pub fn resolve(&self, pid: Pid, nth: usize) -> std::io::Result<u32> {
        match pid {
            Pid::Own => Ok(std::process::id()),
            Pid::Number(number) => Ok(number),
            Pid::Spawn => {
                let mut children = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(child) = children.get(&nth) {
                    return Ok(child.id());
                }
                let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
                let pid = child.id();
                children.insert(nth, child);
                Ok(pid)
            }
        }
    }

    /// Ends all that were started.
    pub fn stop(&self) {
        for (_, mut child) in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            // One that has already ended needs no more than to be waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_to_be_started_exists_until_it_is_stopped() {
        let children = Children::default();
        assert_eq!(children.resolve(Pid::Number(7), 0).unwrap(), 7);
        assert_eq!(children.resolve(Pid::Own, 0).unwrap(), std::process::id());
        let first = children.resolve(Pid::Spawn, 1).unwrap();
        assert_eq!(children.resolve(Pid::Spawn, 1).unwrap(), first);
        assert_ne!(children.resolve(Pid::Spawn, 2).unwrap(), first);
        let alive = || std::path::Path::new(&format!("/proc/{first}")).exists();
        assert!(alive());
        children.stop();
        assert!(!alive());
    }
}
