//! The data: which driver a toolkit needs, which PTX a driver reads, which GPUs both know.
//!
//! Sources: *release notes* are Table 2 and Table 3 of NVIDIA's CUDA Toolkit release notes (13.1 and 13.2); *measured*
//! are answers of `ptxas` 11.7 to 13.5 from NVIDIA's wheels to a one-line program; *driver list* is the table of
//! branches of NVIDIA's data-centre drivers as of September 2026. What is not known from one of these is absent here,
//! even where it is commonly said.

use jiff::civil::{Date, date};

use super::DriverVersion;
use crate::cuda::Version;
use crate::gpu::ComputeCapability;

/// A toolkit: the drivers that its releases came with, and the newest PTX that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolkitRow {
    /// The toolkit.
    pub toolkit: Version,
    /// Its releases, the first (update 0) first. Empty where the drivers are not known.
    pub releases: &'static [Release],
    /// The newest PTX that its compiler knows (measured), which is the newest that a driver of this CUDA version loads.
    pub ptx: Option<Version>,
}

/// A release of a toolkit and the least driver that serves all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// The number of the update; 0 is the first release.
    pub update: u32,
    /// On Linux.
    pub linux: DriverVersion,
    /// On Windows and under WSL2; none where NVIDIA names none, as for all of CUDA 13.
    pub windows: Option<DriverVersion>,
}

/// A compute capability and the toolkits and drivers that know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapabilityRow {
    /// The compute capability.
    pub compute: ComputeCapability,
    /// The architecture's name; `unnamed` where the compilers know it and no source here names it.
    pub name: &'static str,
    /// The first toolkit that writes machine code for it; none where it is older than CUDA 11.
    pub first: Option<Version>,
    /// The last toolkit that does; none where the newest still does.
    pub last: Option<Version>,
    /// The least PTX that knows it as a target (measured).
    pub ptx: Option<Version>,
    /// The last branch of the driver that drives it; none where the newest still does.
    pub last_branch: Option<u32>,
    /// Whether it is part of a system on a chip, for which NVIDIA promises machine code no compatibility.
    pub tegra: bool,
}

/// A branch of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchRow {
    /// Its number: `580` of `580.95.05`.
    pub branch: u32,
    /// The CUDA version that it serves.
    pub cuda: Version,
    /// What NVIDIA calls it, where that is known.
    pub kind: Option<&'static str>,
    /// The last day of its support, where that is known; the list names the month.
    pub end: Option<Date>,
}

/// The least driver of a family of toolkits: with it, any toolkit of the family runs with limits (minor-version
/// compatibility).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyRow {
    /// The major number of the toolkits.
    pub major: u32,
    /// On Linux.
    pub linux: DriverVersion,
    /// On Windows and under WSL2.
    pub windows: DriverVersion,
}

const fn v(major: u32, minor: u32) -> Version {
    Version { major, minor }
}

const fn cc(major: u32, minor: u32) -> ComputeCapability {
    ComputeCapability { major, minor }
}

/// A release of CUDA 11 or 12, which came with a driver for either system.
const fn both(update: u32, linux: (u32, u32, u32), windows: (u32, u32)) -> Release {
    Release { windows: Some(DriverVersion::two(windows.0, windows.1)), ..linux_only(update, linux) }
}

const fn linux_only(update: u32, (branch, minor, patch): (u32, u32, u32)) -> Release {
    Release { update, linux: DriverVersion::three(branch, minor, patch), windows: None }
}

/// A release whose Linux driver has two numbers.
const fn short(update: u32, linux: (u32, u32), windows: (u32, u32)) -> Release {
    let windows = Some(DriverVersion::two(windows.0, windows.1));
    Release { update, linux: DriverVersion::two(linux.0, linux.1), windows }
}

const fn toolkit(toolkit: Version, ptx: Option<Version>, releases: &'static [Release]) -> ToolkitRow {
    ToolkitRow { toolkit, releases, ptx }
}

/// Every toolkit from 11.0 on, ascending. Drivers: release notes. PTX: measured, from 11.7 on; the release notes of PTX
/// give 11.0 to 11.6 the versions 7.0 to 7.6, which nothing here relies on.
pub static TOOLKITS: &[ToolkitRow] = &[
    toolkit(v(11, 0), None, &[both(0, (450, 51, 5), (451, 48)), both(1, (450, 51, 6), (451, 82))]),
    toolkit(v(11, 1), None, &[short(0, (455, 23), (456, 38)), short(1, (455, 32), (456, 81))]),
    toolkit(v(11, 2), None, &[both(0, (460, 27, 3), (460, 82)), both(2, (460, 32, 3), (461, 33))]),
    toolkit(v(11, 3), None, &[both(0, (465, 19, 1), (465, 89))]),
    toolkit(
        v(11, 4),
        None,
        &[
            both(0, (470, 42, 1), (471, 11)),
            both(1, (470, 57, 2), (471, 41)),
            both(2, (470, 57, 2), (471, 41)),
            both(3, (470, 82, 1), (472, 50)),
            both(4, (470, 82, 1), (472, 50)),
        ],
    ),
    toolkit(
        v(11, 5),
        None,
        &[both(0, (495, 29, 5), (496, 4)), both(1, (495, 29, 5), (496, 13)), both(2, (495, 29, 5), (496, 13))],
    ),
    toolkit(
        v(11, 6),
        None,
        &[both(0, (510, 39, 1), (511, 23)), both(1, (510, 47, 3), (511, 65)), both(2, (510, 47, 3), (511, 65))],
    ),
    toolkit(v(11, 7), Some(v(7, 7)), &[both(0, (515, 43, 4), (516, 1)), both(1, (515, 48, 7), (516, 31))]),
    toolkit(v(11, 8), Some(v(7, 8)), &[both(0, (520, 61, 5), (520, 6))]),
    toolkit(v(12, 0), Some(v(8, 0)), &[both(0, (525, 60, 13), (527, 41)), both(1, (525, 85, 12), (528, 33))]),
    toolkit(v(12, 1), Some(v(8, 1)), &[both(0, (530, 30, 2), (531, 14))]),
    toolkit(
        v(12, 2),
        Some(v(8, 2)),
        &[both(0, (535, 54, 3), (536, 25)), both(1, (535, 86, 9), (536, 67)), both(2, (535, 104, 5), (537, 13))],
    ),
    toolkit(v(12, 3), Some(v(8, 3)), &[both(0, (545, 23, 6), (545, 84)), both(1, (545, 23, 8), (546, 12))]),
    toolkit(v(12, 4), Some(v(8, 4)), &[both(0, (550, 54, 14), (551, 61)), both(1, (550, 54, 15), (551, 78))]),
    toolkit(v(12, 5), Some(v(8, 5)), &[both(0, (555, 42, 2), (555, 85)), both(1, (555, 42, 6), (555, 85))]),
    toolkit(
        v(12, 6),
        Some(v(8, 5)),
        &[
            both(0, (560, 28, 3), (560, 76)),
            both(1, (560, 35, 3), (560, 94)),
            both(2, (560, 35, 3), (560, 94)),
            both(3, (560, 35, 5), (561, 17)),
        ],
    ),
    toolkit(v(12, 8), Some(v(8, 7)), &[short(0, (570, 26), (570, 65)), both(1, (570, 124, 6), (572, 61))]),
    toolkit(v(12, 9), Some(v(8, 8)), &[both(0, (575, 51, 3), (576, 2)), both(1, (575, 57, 8), (576, 57))]),
    toolkit(
        v(13, 0),
        Some(v(9, 0)),
        &[linux_only(0, (580, 65, 6)), linux_only(1, (580, 82, 7)), linux_only(2, (580, 95, 5))],
    ),
    toolkit(v(13, 1), Some(v(9, 1)), &[linux_only(0, (590, 44, 1)), linux_only(1, (590, 48, 1))]),
    toolkit(
        v(13, 2),
        Some(v(9, 2)),
        &[linux_only(0, (595, 45, 4)), linux_only(1, (595, 58, 3)), linux_only(2, (595, 71, 5))],
    ),
    toolkit(v(13, 3), Some(v(9, 3)), &[linux_only(0, (610, 43, 2)), linux_only(1, (610, 43, 2))]),
    // A secondary source names driver 616.00 for 13.4; nothing here relies on it.
    toolkit(v(13, 4), Some(v(9, 4)), &[]),
    toolkit(v(13, 5), Some(v(9, 5)), &[]),
];

/// The families (release notes, Table 2). For CUDA 13 NVIDIA names the branch alone, for either system.
pub static FAMILIES: &[FamilyRow] = &[
    FamilyRow { major: 11, linux: DriverVersion::three(450, 80, 2), windows: DriverVersion::two(452, 39) },
    FamilyRow { major: 12, linux: DriverVersion::three(525, 60, 13), windows: DriverVersion::two(527, 41) },
    FamilyRow { major: 13, linux: DriverVersion::of_branch(580), windows: DriverVersion::of_branch(580) },
];

/// In place of a name that no source here gives.
const UNNAMED: &str = "unnamed";

/// A row whose GPUs newer drivers and toolkits have dropped.
const fn dropped(compute: ComputeCapability, name: &'static str, ptx: Option<Version>, tegra: bool) -> CapabilityRow {
    let (last, last_branch) = if compute.major == 3 { (v(11, 8), 470) } else { (v(12, 9), 580) };
    CapabilityRow { compute, name, first: None, last: Some(last), ptx, last_branch: Some(last_branch), tegra }
}

const fn current(
    compute: ComputeCapability,
    name: &'static str,
    first: Option<Version>,
    ptx: Version,
) -> CapabilityRow {
    CapabilityRow { compute, name, first, last: None, ptx: Some(ptx), last_branch: None, tegra: false }
}

/// Every compute capability that `ptxas` 11.7 to 13.5 knows, ascending. First and last toolkit are measured from 11.7
/// on; 8.0, 8.6 and 8.7 are from the release notes of PTX. Last branch: release notes.
pub static CAPABILITIES: &[CapabilityRow] = &[
    dropped(cc(3, 5), "Kepler", None, false),
    dropped(cc(3, 7), "Kepler", None, false),
    dropped(cc(5, 0), "Maxwell", None, false),
    dropped(cc(5, 2), "Maxwell", None, false),
    dropped(cc(5, 3), "Maxwell", None, true),
    dropped(cc(6, 0), "Pascal", None, false),
    dropped(cc(6, 1), "Pascal", None, false),
    dropped(cc(6, 2), "Pascal", None, true),
    dropped(cc(7, 0), "Volta", Some(v(6, 0)), false),
    dropped(cc(7, 2), "Volta", Some(v(6, 1)), true),
    current(cc(7, 5), "Turing", None, v(6, 3)),
    current(cc(8, 0), "Ampere", Some(v(11, 0)), v(7, 0)),
    current(cc(8, 6), "Ampere", Some(v(11, 1)), v(7, 1)),
    CapabilityRow { tegra: true, ..current(cc(8, 7), "Ampere", Some(v(11, 4)), v(7, 4)) },
    // Which product it is is not known here; nothing is promised for it either.
    CapabilityRow { tegra: true, ..current(cc(8, 8), UNNAMED, Some(v(13, 0)), v(9, 0)) },
    current(cc(8, 9), "Ada", Some(v(11, 8)), v(7, 8)),
    current(cc(9, 0), "Hopper", Some(v(11, 8)), v(7, 8)),
    current(cc(10, 0), "Blackwell", Some(v(12, 8)), v(8, 6)),
    // Thor, which CUDA 13 calls 11.0.
    CapabilityRow { last: Some(v(12, 9)), tegra: true, ..current(cc(10, 1), "Blackwell", Some(v(12, 8)), v(8, 6)) },
    current(cc(10, 3), "Blackwell", Some(v(12, 9)), v(8, 8)),
    current(cc(10, 7), UNNAMED, Some(v(13, 4)), v(9, 4)),
    CapabilityRow { tegra: true, ..current(cc(11, 0), "Blackwell", Some(v(13, 0)), v(9, 0)) },
    current(cc(12, 0), "Blackwell", Some(v(12, 8)), v(8, 7)),
    current(cc(12, 1), "Blackwell", Some(v(12, 9)), v(8, 8)),
];

/// The families of `f`: PTX for the first number is compiled for the devices after it (measured with `ptxas` 13.5).
pub(super) static FAMILY_TARGETS: &[(ComputeCapability, &[ComputeCapability])] = &[
    (cc(10, 0), &[cc(10, 0), cc(10, 3), cc(10, 7)]),
    (cc(10, 1), &[cc(10, 1), cc(11, 0)]),
    (cc(10, 3), &[cc(10, 3), cc(10, 7)]),
    (cc(10, 7), &[cc(10, 7)]),
    (cc(11, 0), &[cc(11, 0)]),
    (cc(12, 0), &[cc(12, 0), cc(12, 1)]),
    (cc(12, 1), &[cc(12, 1)]),
];

const fn branch(branch: u32, cuda: Version) -> BranchRow {
    BranchRow { branch, cuda, kind: None, end: None }
}

/// The branches, ascending. CUDA: release notes. Kind and end: driver list, where it names them.
pub static BRANCHES: &[BranchRow] = &[
    branch(450, v(11, 0)),
    branch(455, v(11, 1)),
    branch(460, v(11, 2)),
    branch(465, v(11, 3)),
    branch(470, v(11, 4)),
    branch(495, v(11, 5)),
    branch(510, v(11, 6)),
    branch(515, v(11, 7)),
    branch(520, v(11, 8)),
    branch(525, v(12, 0)),
    branch(530, v(12, 1)),
    BranchRow { kind: Some("long-term support"), end: Some(date(2026, 6, 30)), ..branch(535, v(12, 2)) },
    branch(545, v(12, 3)),
    branch(550, v(12, 4)),
    branch(555, v(12, 5)),
    branch(560, v(12, 6)),
    branch(570, v(12, 8)),
    branch(575, v(12, 9)),
    BranchRow { kind: Some("long-term support"), end: Some(date(2028, 6, 30)), ..branch(580, v(13, 0)) },
    branch(590, v(13, 1)),
    BranchRow { kind: Some("production"), end: Some(date(2027, 3, 31)), ..branch(595, v(13, 2)) },
    BranchRow { kind: Some("new feature"), end: Some(date(2026, 8, 31)), ..branch(610, v(13, 3)) },
];

/// What is known of a compute capability.
pub fn capability(compute: ComputeCapability) -> Option<&'static CapabilityRow> {
    CAPABILITIES.iter().find(|row| row.compute == compute)
}

/// What is known of the branch of a driver.
pub fn branch_of(driver: DriverVersion) -> Option<&'static BranchRow> {
    BRANCHES.iter().find(|row| row.branch == driver.branch())
}

/// The last branch of the driver for a compute capability, also where the table has only its relatives.
pub(super) fn last_branch(compute: ComputeCapability) -> Option<&'static BranchRow> {
    let last = match capability(compute) {
        Some(row) => row.last_branch?,
        None if compute.major == 3 => 470,
        None => return None,
    };
    BRANCHES.iter().find(|row| row.branch == last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ascending<T: PartialOrd + Copy>(values: &[T]) -> bool {
        values.windows(2).all(|pair| pair[0] < pair[1])
    }

    #[test]
    fn every_table_is_ascending() {
        assert!(ascending(&TOOLKITS.iter().map(|row| row.toolkit).collect::<Vec<_>>()));
        assert!(ascending(&CAPABILITIES.iter().map(|row| row.compute).collect::<Vec<_>>()));
        assert!(ascending(&BRANCHES.iter().map(|row| row.branch).collect::<Vec<_>>()));
        assert!(ascending(&BRANCHES.iter().map(|row| row.cuda).collect::<Vec<_>>()));
        assert!(ascending(&FAMILIES.iter().map(|row| row.major).collect::<Vec<_>>()));
        let ptx: Vec<_> = TOOLKITS.iter().filter_map(|row| row.ptx).collect();
        assert!(ptx.is_sorted());
    }

    #[test]
    fn a_later_release_never_needs_an_older_driver() {
        let releases: Vec<_> = TOOLKITS.iter().flat_map(|row| row.releases).collect();
        assert!(releases.iter().map(|it| it.linux).is_sorted());
        assert!(releases.iter().filter_map(|it| it.windows).is_sorted());
        assert!(releases.iter().all(|it| it.windows.is_some() == (it.linux < DriverVersion::of_branch(580))));
        assert!(TOOLKITS.iter().all(|row| row.releases.iter().map(|it| it.update).is_sorted()));
    }

    #[test]
    fn each_branch_serves_the_toolkit_that_came_with_it() {
        for row in TOOLKITS {
            for release in row.releases {
                let branch = branch_of(release.linux).unwrap_or_else(|| panic!("{}", release.linux));
                assert_eq!(branch.cuda, row.toolkit);
            }
        }
    }

    #[test]
    fn a_gpu_is_dropped_by_toolkits_and_drivers_at_once() {
        for row in CAPABILITIES.iter().filter(|row| row.last_branch.is_some()) {
            assert!(row.last.is_some(), "{}", row.compute);
        }
        assert_eq!(last_branch(cc(6, 1)).map(|row| row.branch), Some(580));
        assert_eq!(last_branch(cc(3, 0)).map(|row| row.branch), Some(470));
        assert_eq!(last_branch(cc(9, 0)), None);
        assert_eq!(last_branch(cc(99, 0)), None);
    }
}
