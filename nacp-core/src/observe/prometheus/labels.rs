//! The labels of a line: which GPU, which part of it, on which machine, for whom.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::encode::Labels;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{GpuState, MigDevice, Snapshot};

/// Under which label the name of the machine stands: dcgm-exporter wrote `Hostname` until 4.5.3 and `hostname` since.
///
/// ```
/// use nacp_core::observe::HostnameLabel;
///
/// assert_eq!("Hostname".parse::<HostnameLabel>()?, HostnameLabel::Upper);
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostnameLabel {
    /// Nowhere.
    None,
    /// `hostname`.
    #[default]
    Lower,
    /// `Hostname`.
    Upper,
    /// Under both, while dashboards are moved from one to the other.
    Both,
}

impl HostnameLabel {
    const NAMES: [(&'static str, Self); 4] =
        [("none", Self::None), ("hostname", Self::Lower), ("Hostname", Self::Upper), ("both", Self::Both)];

    fn labels(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Lower => &["hostname"],
            Self::Upper => &["Hostname"],
            Self::Both => &["Hostname", "hostname"],
        }
    }
}

impl fmt::Display for HostnameLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::NAMES.iter().find(|(_, label)| label == self).map_or("", |(name, _)| name))
    }
}

impl FromStr for HostnameLabel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, label)| *label).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "observe.hostname", "no such label of a machine's name")
                .with("value", format_args!("{text:?}"))
                .hint("it is one of none, hostname, Hostname, both")
        })
    }
}

/// The label of everything that is made up.
pub(super) fn simulated(simulated: bool) -> Labels {
    if simulated { vec![("simulated", Cow::Borrowed("true"))] } else { Vec::new() }
}

/// Which GPU, in as few labels as name it.
pub(super) fn short(state: &GpuState) -> Labels {
    vec![("gpu", Cow::Owned(state.gpu.index.to_string())), ("UUID", Cow::Owned(state.gpu.id.as_str().to_owned()))]
}

/// All labels that dcgm-exporter gives to a line, in its order. `attributes` are sorted by name.
pub(super) fn full(
    snapshot: &Snapshot,
    state: &GpuState,
    instance: Option<&Instance<'_>>,
    hostname: Option<(HostnameLabel, &str)>,
    attributes: Labels,
) -> Labels {
    let gpu = &state.gpu;
    let mut labels = short(state);
    labels.extend(gpu.pci.known().map(|pci| ("pci_bus_id", Cow::Owned(pci.clone()))));
    labels.push(("device", Cow::Owned(format!("nvidia{}", gpu.index))));
    labels.push(("modelName", Cow::Owned(gpu.name.clone())));
    if let Some(Instance { id, profile }) = instance {
        labels.push(("GPU_I_PROFILE", Cow::Owned((*profile).to_owned())));
        labels.push(("GPU_I_ID", Cow::Owned(id.to_string())));
    }
    if let Some((label, name)) = hostname {
        labels.extend(label.labels().iter().map(|label| (*label, Cow::Owned(name.to_owned()))));
    }
    labels.extend(snapshot.origin.driver.iter().map(|driver| ("DCGM_FI_DRIVER_VERSION", Cow::Owned(driver.clone()))));
    labels.extend(attributes);
    labels.extend(simulated(snapshot.origin.simulated));
    labels
}

/// A GPU instance, as dcgm-exporter names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instance<'a> {
    pub(super) id: u32,
    /// Empty where it is unknown.
    pub(super) profile: &'a str,
}

impl<'a> Instance<'a> {
    /// The GPU instance that a partition lies in. The profile of a partition that is a part of one, such as
    /// `1c.3g.20gb`, ends with that of its GPU instance.
    pub(super) fn of(device: &'a MigDevice) -> Option<Self> {
        let profile = device.profile.known().map_or("", String::as_str);
        let whole = profile.split_once("c.").filter(|(slices, _)| slices.bytes().all(|byte| byte.is_ascii_digit()));
        Some(Self { id: *device.gpu_instance.known()?, profile: whole.map_or(profile, |(_, whole)| whole) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Reading;

    #[test]
    fn a_label_of_the_machine_s_name_is_read_as_it_is_written_and_others_are_refused() {
        for (name, label) in HostnameLabel::NAMES {
            assert_eq!((label.to_string().as_str(), name.parse::<HostnameLabel>().unwrap()), (name, label));
        }
        let error = "HOSTNAME".parse::<HostnameLabel>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no such label of a machine's name: value=\"HOSTNAME\"; it is one of none, hostname, Hostname, both"
        );
    }

    #[test]
    fn a_part_of_a_gpu_instance_has_the_profile_of_the_whole() {
        let mut device = MigDevice::new("MIG-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap(), 0);
        assert_eq!(Instance::of(&device), None, "without its number it cannot be told from others");
        device.gpu_instance = Reading::Known(2);
        for (profile, whole) in [("1g.5gb", "1g.5gb"), ("1c.3g.20gb", "3g.20gb"), ("1g.5gb+me", "1g.5gb+me")] {
            device.profile = Reading::Known(profile.to_owned());
            assert_eq!(Instance::of(&device), Some(Instance { id: 2, profile: whole }));
        }
    }
}
