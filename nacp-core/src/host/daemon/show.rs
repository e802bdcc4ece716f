//! How a person reads a daemon.

use std::fmt;

use super::{Daemon, DaemonInfo, DaemonPlace};
use crate::host::Seen;

impl fmt::Display for DaemonPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ThisKernel => "on this kernel",
            Self::DesktopWsl2 => "in Docker Desktop's virtual machine on WSL2",
            Self::DesktopVm => "in Docker Desktop's virtual machine on Hyper-V or macOS",
            Self::DesktopLinux => "in Docker Desktop's virtual machine on Linux",
            Self::OtherVm => "in another virtual machine on this machine",
            Self::Remote => "on another machine",
            Self::Unknown => "in an unknown place",
        })
    }
}

impl fmt::Display for DaemonInfo {
    /// `Docker Engine 26.1.5 (API 1.24 to 1.45), rootless`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.version.is_empty() {
            write!(f, " {}", self.version)?;
        }
        match (&self.min_api, &self.api) {
            (Some(min), Some(max)) => write!(f, " (API {min} to {max})")?,
            (None, Some(max)) => write!(f, " (API {max})")?,
            (_, None) => {}
        }
        if self.rootless() {
            f.write_str(", rootless")?;
        }
        self.incomplete.as_ref().map_or(Ok(()), |missing| write!(f, ", {missing}"))
    }
}

impl fmt::Display for Daemon {
    /// Who answers and where it runs, then the address, what named it, and what the place was concluded from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Seen::Found(info) => write!(f, "{info} {}", self.place)?,
            Seen::Absent => f.write_str("no daemon")?,
            Seen::Unreadable(why) => write!(f, "daemon {} without an answer: {why}", self.place)?,
            Seen::NotAsked => f.write_str("a daemon that was not asked")?,
        }
        write!(f, " [{}; {}", self.endpoint, self.found_by)?;
        if self.chosen {
            f.write_str("; docker uses it")?;
        }
        for evidence in self.evidence.iter().filter(|evidence| evidence.value != self.endpoint) {
            write!(f, "; {evidence}")?;
        }
        f.write_str("]")
    }
}
