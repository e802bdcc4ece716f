//! When the machine was started.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use jiff::Timestamp;

use super::{Reading, Unknown};

/// The line stands after one line for each processor and one, very long, for the interrupts.
const LIMIT: u64 = 4 << 20;

/// When the machine was started, to a second: `btime` in `proc/stat` below `root`. The kernel computes it anew whenever
/// its clock is set.
pub(super) fn time(root: &Path) -> Reading<Timestamp> {
    let unknown = Reading::Unknown(Unknown::NotAvailable);
    let Ok(file) = std::fs::File::open(root.join("proc/stat")) else { return unknown };
    let lines = BufReader::new(file.take(LIMIT)).lines().map_while(Result::ok);
    let seconds = lines.filter_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).next();
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).map_or(unknown, Reading::Known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_the_machine_is_read_where_it_is_told() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(time(root.path()).unknown(), Some(Unknown::NotAvailable));
        std::fs::create_dir(root.path().join("proc")).unwrap();
        std::fs::write(root.path().join("proc/stat"), "cpu 1 2\nintr 7\nbtime 1700000000\nprocesses 9\n").unwrap();
        assert_eq!(time(root.path()).known().unwrap().to_string(), "2023-11-14T22:13:20Z");
    }
}
