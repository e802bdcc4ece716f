//! The library's contract with its callers, theme by theme. One test plays at a time, for a process has one library.

mod events;
mod faults;
mod fields;
mod lifecycle;
mod parts;
mod structures;
mod symbols;

use std::path::PathBuf;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::calls::handles::nvmlDeviceGetHandleByIndex_v2;
use crate::calls::system::nvmlInit_v2;
use crate::machine::{Handle, Settings, current};
use crate::memory::{Out, Plain, blank};

/// A machine that is played until this is dropped.
struct Played {
    _turn: MutexGuard<'static, ()>,
    files: Vec<PathBuf>,
}

impl Drop for Played {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// How a node is played that comes with NACP, without latencies.
fn settings(node: &str) -> Settings<'_> {
    Settings { node, faults: "", latencies: false, trace: None, tick_file: None }
}

/// Plays a node, with the library not yet started.
fn play(settings: Settings<'_>) -> Played {
    Played { _turn: current::play(settings), files: Vec::new() }
}

/// Plays a node that comes with NACP, with the library started.
fn start(node: &str) -> Played {
    let played = play(settings(node));
    assert_eq!(nvmlInit_v2(), 0);
    played
}

/// A path of its own for a file of a test.
fn path(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("nacp-sim-nvml-{}-{nth}-{name}", std::process::id()))
}

/// Plays a node that comes with NACP after a change to its file, at the tick that the returned file holds.
fn start_changed(node: &str, change: impl FnOnce(&mut nacp_core::sim::NodeFile), faults: &str) -> (Played, PathBuf) {
    let mut file = nacp_core::sim::NodeFile::shipped(node).unwrap();
    change(&mut file);
    let (json, tick) = (path("node.json"), path("tick"));
    std::fs::write(&json, serde_json::to_string(&file).unwrap()).unwrap();
    std::fs::write(&tick, "0").unwrap();
    let node = json.to_str().unwrap();
    let mut played = play(Settings { faults, tick_file: Some(tick.clone()), ..settings(node) });
    played.files = vec![json.clone(), tick.clone()];
    assert_eq!(nvmlInit_v2(), 0);
    (played, tick)
}

/// The handle of a GPU.
fn gpu(index: u32) -> Handle {
    let mut handle = std::ptr::null();
    assert_eq!(nvmlDeviceGetHandleByIndex_v2(index, Out::to(&mut handle)), 0);
    handle
}

/// What a call writes, with its code.
fn answer<T: Plain>(call: impl FnOnce(Out<T>) -> i32) -> (i32, T) {
    let mut value = blank();
    let code = call(Out::to(&mut value));
    (code, value)
}

/// What a call that succeeds writes.
fn value<T: Plain>(call: impl FnOnce(Out<T>) -> i32) -> T {
    let (code, value) = answer(call);
    assert_eq!(code, 0);
    value
}
