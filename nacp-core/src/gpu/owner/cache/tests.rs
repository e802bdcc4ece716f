use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::gpu::Unknown;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn stat(root: &Path, pid: u32, name: &str, state: char, ticks: u64) {
    let text = format!("{pid} ({name}) {state} 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 91 0 {ticks} 1 2\n");
    write(root, &format!("proc/{pid}/stat"), &text);
}

fn machine() -> (TempDir, OwnerCache) {
    let root = tempfile::tempdir().unwrap();
    for pid in [1, 2] {
        stat(root.path(), pid, "python3", 'S', 100);
        write(root.path(), &format!("proc/{pid}/status"), "Uid:\t7\t7\t7\t7\n");
        write(root.path(), &format!("proc/{pid}/cmdline"), "python3\0serve.py\0");
        write(root.path(), &format!("proc/{pid}/cgroup"), "0::/\n");
    }
    let cache = OwnerCache::new(Processes::at(root.path()));
    (root, cache)
}

fn uid(owner: &Owner) -> u32 {
    owner.user.known().unwrap().uid
}

#[test]
fn only_what_can_change_is_read_anew() {
    let (root, mut cache) = machine();
    assert_eq!(uid(&cache.owners([1])[0]), 7);
    write(root.path(), "proc/1/status", "Uid:\t8\t8\t8\t8\n");
    stat(root.path(), 1, "python3", 'R', 100);
    let again = cache.owners([1]).remove(0);
    assert_eq!((uid(&again), again.state), (7, Reading::Known(ProcessState::Running)));
}

#[test]
fn a_title_or_another_program_is_noticed() {
    let (root, mut cache) = machine();
    cache.owners([1]);
    write(root.path(), "proc/1/status", "Uid:\t8\t8\t8\t8\n");
    write(root.path(), "proc/1/cmdline", "VLLM::EngineCore\0\0\0");
    let titled = cache.owners([1]).remove(0);
    assert_eq!((titled.command_line.known().unwrap().join(" "), uid(&titled)), ("VLLM::EngineCore".to_owned(), 8));
    write(root.path(), "proc/1/status", "Uid:\t9\t9\t9\t9\n");
    stat(root.path(), 1, "sleep", 'S', 100);
    assert_eq!(uid(&cache.owners([1])[0]), 9);
}

#[test]
fn a_later_process_of_the_same_id_is_another() {
    let (root, mut cache) = machine();
    cache.owners([1]);
    stat(root.path(), 1, "python3", 'S', 999);
    write(root.path(), "proc/1/status", "Uid:\t8\t8\t8\t8\n");
    let other = cache.owners([1]).remove(0);
    assert_eq!((uid(&other), other.started.known().unwrap().ticks), (8, 999));
}

#[test]
fn a_process_that_hangs_or_has_ended_keeps_what_was_known() {
    let (root, mut cache) = machine();
    let before = cache.owners([1]).remove(0);
    for (letter, state) in [('D', ProcessState::DiskSleep), ('Z', ProcessState::Zombie)] {
        stat(root.path(), 1, "python3", letter, 100);
        write(root.path(), "proc/1/cmdline", "");
        let now = cache.owners([1]).remove(0);
        assert_eq!((&now.command_line, now.state.known()), (&before.command_line, Some(&state)), "{letter}");
    }
}

#[test]
fn a_process_that_was_first_met_hanging_is_read_when_it_goes_on() {
    let (root, mut cache) = machine();
    stat(root.path(), 1, "python3", 'D', 100);
    assert_eq!(cache.owners([1])[0].command_line, Reading::Unknown(Unknown::NotRead));
    stat(root.path(), 1, "python3", 'S', 100);
    assert_eq!(cache.owners([1])[0].command_line.known().unwrap(), &["python3", "serve.py"]);
}

#[test]
fn whoever_is_gone_or_not_asked_for_is_forgotten() {
    let (root, mut cache) = machine();
    assert_eq!(cache.owners([2, 1, 2]).iter().map(|owner| owner.pid).collect::<Vec<_>>(), [2, 1, 2]);
    assert_eq!(cache.len(), 2);
    cache.owners([2]);
    assert_eq!(cache.len(), 1);
    fs::remove_dir_all(root.path().join("proc/2")).unwrap();
    assert_eq!(cache.owners([2]), [Owner::unknown(2, Unknown::NotAvailable)]);
    assert!(cache.is_empty());
}
