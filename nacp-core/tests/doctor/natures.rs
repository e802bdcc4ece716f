//! Machines of the fixtures that are no healthy ones.

/// Machines whose findings are their nature, such as a Docker Desktop on Linux beside a GPU, with these findings: they must
/// have them and no other. Every other whole machine has none.
pub(crate) const NOT_HEALTHY: [(&str, &[&str]); 9] = [
    ("desktop-linux", &["D30"]),
    ("docker-20-10", &["D01"]),
    ("docker-desktop-distribution", &["D42"]),
    ("docker-desktop-linux", &["D30"]),
    ("docker-snap", &["D01", "D29"]),
    ("windows-docker-desktop", &["D42"]),
    ("windows-docker-desktop-hyper-v", &["D31"]),
    ("wsl1-docker-desktop", &["D42"]),
    ("wsl2-docker-desktop", &["D42"]),
];

/// The findings that are a machine's nature; none of a healthy one.
pub(crate) fn expected(machine: &str) -> &'static [&'static str] {
    NOT_HEALTHY.iter().find(|(name, _)| *name == machine).map_or(&[], |(_, ids)| ids)
}
