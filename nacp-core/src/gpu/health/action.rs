//! What mends a condition, in NVIDIA's words where it has one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::gpu::RecoveryAction;

/// What has to be done about a condition. `Display` says it in plain words, [`command`](Self::command) gives the
/// command that does it where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Nothing (NVIDIA: IGNORE).
    None,
    /// Start the program again that was hit (RESTART_APP).
    RestartApp,
    /// Look for the mistake in the program (CHECK_APP).
    CheckApp,
    /// End the parent of the dead process, so that what it holds is given back.
    EndParent,
    /// Let the driver stay loaded.
    SetPersistence,
    /// Reset the GPU (RESET_GPU).
    ResetGpu,
    /// Reset the PCIe bus of the GPU (`NVML_GPU_RECOVERY_ACTION_BUS_RESET`).
    ResetBus,
    /// End the programs that use NVLink, then reset all GPUs of the link together (`DRAIN_P2P`).
    DrainPeers,
    /// End the programs that use the GPU, then reset it (`DRAIN_AND_RESET`).
    DrainAndReset,
    /// Recover the IMEX domain (`RECOVER_IMEX_DOMAIN`).
    RecoverImex,
    /// Start the fabric manager again, and read its log.
    CheckFabric,
    /// Restart the machine (RESTART_BM, `NODE_REBOOT`, `SYSTEM_REBOOT`).
    Reboot,
    /// Unload and load the driver's modules, or restart the machine.
    ReloadDriver,
    /// Install the driver again.
    ReinstallDriver,
    /// Install a newer driver or firmware (UPDATE_SWFW).
    UpdateDriver,
    /// Look at fans, air flow and coolant.
    CheckCooling,
    /// Look at the power supply and its cables.
    CheckPower,
    /// Look at slot, risers and connectors (CHECK_MECHANICALS).
    CheckMechanicals,
    /// Run NVIDIA's field diagnostic; it decides about a replacement.
    RunFieldDiagnostic,
    /// Have the hardware inspected: what restarts can do they have done.
    InspectHardware,
    /// Ask NVIDIA or the machine's maker (CONTACT_SUPPORT).
    ContactSupport,
}

impl Action {
    /// What the driver asks for in words of its own.
    pub(super) fn of(recovery: RecoveryAction) -> Self {
        match recovery.code() {
            0 => Self::None,
            1 => Self::ResetGpu,
            2 | 7 => Self::Reboot,
            3 => Self::DrainPeers,
            4 => Self::DrainAndReset,
            5 => Self::RecoverImex,
            6 => Self::ResetBus,
            _ => Self::ContactSupport,
        }
    }

    /// The command that does it, where one command does. Those for one GPU need its PCI address.
    pub fn command(self, pci: Option<&str>) -> Option<String> {
        match self {
            Self::ResetGpu | Self::DrainAndReset => pci.map(|pci| format!("nvidia-smi --gpu-reset -i {pci}")),
            Self::SetPersistence => Some("nvidia-smi -pm 1".into()),
            Self::CheckFabric => Some("systemctl restart nvidia-fabricmanager".into()),
            Self::Reboot => Some("systemctl reboot".into()),
            _ => None,
        }
    }

    /// Whether a reset of the GPU does it.
    pub(super) const fn is_done_by_a_reset(self) -> bool {
        matches!(
            self,
            Self::None | Self::RestartApp | Self::CheckApp | Self::ResetGpu | Self::DrainAndReset | Self::DrainPeers
        )
    }

    /// Whether only hands do it, so that even a restart of the machine is no reason to call it done.
    pub(super) const fn needs_hands(self) -> bool {
        matches!(self, Self::RunFieldDiagnostic | Self::InspectHardware)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "nothing to do",
            Self::RestartApp => "start the program again",
            Self::CheckApp => "look for the mistake in the program",
            Self::EndParent => "end the parent of the dead process",
            Self::SetPersistence => "switch persistence mode on",
            Self::ResetGpu => "reset the GPU",
            Self::ResetBus => "reset the GPU's PCIe bus",
            Self::DrainPeers => "end the programs on its NVLink peers, then reset them together",
            Self::DrainAndReset => "end its programs and reset the GPU",
            Self::RecoverImex => "recover the IMEX domain",
            Self::CheckFabric => "start the fabric manager again",
            Self::Reboot => "restart the machine",
            Self::ReloadDriver => "load the driver anew",
            Self::ReinstallDriver => "install the driver again",
            Self::UpdateDriver => "update driver and firmware",
            Self::CheckCooling => "check the cooling",
            Self::CheckPower => "check the power supply",
            Self::CheckMechanicals => "check slot, risers and connectors",
            Self::RunFieldDiagnostic => "run NVIDIA's field diagnostic, which decides about a replacement",
            Self::InspectHardware => "have the hardware inspected",
            Self::ContactSupport => "contact support",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_asks_for_keeps_its_meaning() {
        let actions: Vec<_> = (0..9).map(|code| Action::of(RecoveryAction::from_code(code))).collect();
        assert_eq!(
            actions,
            [
                Action::None,
                Action::ResetGpu,
                Action::Reboot,
                Action::DrainPeers,
                Action::DrainAndReset,
                Action::RecoverImex,
                Action::ResetBus,
                Action::Reboot,
                Action::ContactSupport,
            ]
        );
    }

    #[test]
    fn a_command_for_one_gpu_names_it_and_there_is_none_without_its_address() {
        let pci = "00000000:19:00.0";
        assert_eq!(Action::ResetGpu.command(Some(pci)).as_deref(), Some("nvidia-smi --gpu-reset -i 00000000:19:00.0"));
        assert_eq!(Action::ResetGpu.command(None), None);
        assert_eq!(Action::SetPersistence.command(None).as_deref(), Some("nvidia-smi -pm 1"));
        assert_eq!(Action::CheckCooling.command(Some(pci)), None);
    }
}
