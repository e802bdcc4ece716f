//! The memory of a machine.

use super::Root;

/// All memory of the machine, in bytes.
pub(in crate::host) fn memory(root: &Root) -> Option<u64> {
    total(root.text("/proc/meminfo").found()?)
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let number = line.trim().strip_suffix("kB")?.trim();
    number.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_machine_is_in_kibibytes() {
        assert_eq!(total("MemTotal:        8021824 kB\nMemFree: 1 kB"), Some(8_021_824 << 10));
        for broken in ["", "MemTotal: many kB", "MemTotal: 1 MB", "MemTotal: 18446744073709551615 kB"] {
            assert_eq!(total(broken), None, "{broken}");
        }
    }
}
