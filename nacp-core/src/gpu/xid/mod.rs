//! NVIDIA's catalogue of Xids, the numbers by which the driver reports the errors of a GPU, as data.
//!
//! What a number stands for and what NVIDIA advises is public: the catalogue for Ampere and later GPUs, and the names in
//! the source of the open kernel modules. The sentences here are NACP's own. A number that is not in the catalogue stays a
//! number: [`lookup`] has nothing on it, and nothing is invented.
//!
//! ```
//! use nacp_core::gpu::xid::{Action, Severity, lookup};
//!
//! let gone = lookup(79).unwrap();
//! assert_eq!((gone.immediate, gone.severity()), (Some(Action::RestartMachine), Severity::Critical));
//! assert_eq!(gone.immediate.unwrap().to_string(), "RESTART_BM");
//! assert!(lookup(4711).is_none());
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

mod table;

pub use table::CATALOGUE;

/// What is known of one Xid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Xid {
    /// The number.
    pub code: u32,
    /// NVIDIA's name for it.
    pub name: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// What to do at once; `None` where the catalogue advises nothing.
    pub immediate: Option<Action>,
    /// What to do when it comes again, or to find its cause. `None` where the catalogue advises nothing, nothing but to
    /// ignore it, or the same as at once.
    pub investigate: Option<Action>,
}

impl Xid {
    /// How grave it is, as the advice for the moment tells.
    pub fn severity(&self) -> Severity {
        self.immediate.map_or(Severity::Warning, Action::severity)
    }
}

/// What is known of the Xid with this number; nothing where the catalogue does not have it.
pub fn lookup(code: u32) -> Option<&'static Xid> {
    let at = CATALOGUE.binary_search_by_key(&code, |xid| xid.code).ok()?;
    CATALOGUE.get(at)
}

/// How grave an Xid is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing needs to be done at once: NVIDIA says to ignore it, or it follows from another Xid.
    Notice,
    /// A program, or somebody, has something to do; the GPU goes on. Also where nothing is advised.
    Warning,
    /// The GPU, a link or the machine cannot be relied on until it was reset, restarted or repaired.
    Critical,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $severity:ident, $resets:literal;)*) => {
        /// What NVIDIA advises, in NVIDIA's words. `Display` is the word of the catalogue, such as `RESTART_APP`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Action] = &[$(Action::$name),*];

            /// The word of the catalogue.
            pub const fn word(self) -> &'static str {
                match self { $(Action::$name => $word),* }
            }

            /// How grave an Xid is for which this is advised at once.
            pub const fn severity(self) -> Severity {
                match self { $(Action::$name => Severity::$severity),* }
            }

            /// Whether it ends every program on the GPU: a reset, or a restart of the machine. A workflow may come to that
            /// in the end and does not count.
            pub const fn resets_gpu(self) -> bool {
                match self { $(Action::$name => $resets),* }
            }
        }
    };
}

actions! {
    /// Nothing.
    Ignore = "IGNORE", Notice, false;
    /// Start the program anew.
    RestartApp = "RESTART_APP", Warning, false;
    /// Reset the GPU: end all that use it, then `nvidia-smi --gpu-reset`, or restart the machine.
    ResetGpu = "RESET_GPU", Critical, true;
    /// Start the virtual machine anew.
    RestartVm = "RESTART_VM", Critical, true;
    /// Start the machine anew (*BM* is bare metal).
    RestartMachine = "RESTART_BM", Critical, true;
    /// Read the recovery action that the driver recommends; the Xid only says that it has changed.
    ReadRecoveryAction = "XID_154", Warning, false;
    /// Look for the mistake in the program, or in how it uses CUDA.
    CheckApp = "CHECK_APP/CUDA", Warning, false;
    /// Look for what unified memory reports of it.
    CheckUvm = "CHECK_UVM", Warning, false;
    /// Check power cables, seating and cooling of the board.
    CheckMechanicals = "CHECK_MECHANICALS", Critical, false;
    /// Bring the driver and the firmware up to date.
    UpdateSoftware = "UPDATE_SWFW", Warning, false;
    /// Look for a fault in the driver or the system's software.
    InvestigateSoftware = "INVESTIGATE_SW", Warning, false;
    /// Look for a fault in software of the user's.
    InvestigateUserSoftware = "INVESTIGATE_SW_USER", Warning, false;
    /// Examine the signal of the link.
    InvestigateLink = "INVESTIGATE_LINK_SI", Critical, false;
    /// Report it where it stands alone; with other Xids it only follows from them.
    ReportIfAlone = "SYMPATHETIC_REPORT_SOLO", Notice, false;
    /// Ask the maker of the machine, or NVIDIA.
    ContactSupport = "CONTACT_SUPPORT", Warning, false;
    /// NVIDIA's steps for Xid 13: tell a faulty program from a faulty GPU.
    WorkflowXid13 = "WORKFLOW_XID_13", Warning, false;
    /// NVIDIA's steps for Xid 31: tell a faulty program from a faulty GPU.
    WorkflowXid31 = "WORKFLOW_XID_31", Warning, false;
    /// NVIDIA's steps for Xid 45: follow the Xid that came with it; alone it may follow from the end of a program.
    WorkflowXid45 = "WORKFLOW_XID_45", Notice, false;
    /// NVIDIA's steps for Xid 48: drain, and go by the Xids 63, 64, 94 and 95 that come with it.
    WorkflowXid48 = "WORKFLOW_XID_48", Critical, false;
    /// NVIDIA's steps for Xid 137.
    WorkflowXid137 = "XID_137_FLOW", Warning, false;
    /// NVIDIA's steps for an error of an NVLink.
    WorkflowNvlink = "WORKFLOW_NVLINK_ERR", Critical, false;
    /// NVIDIA's steps for an error of an NVLink of the fifth generation: the numbers in the line decide.
    WorkflowNvlink5 = "WORKFLOW_NVLINK5_ERR", Critical, false;
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Action::*;
    use super::*;

    #[test]
    fn the_catalogue_is_in_order_and_without_doubles() {
        assert!(CATALOGUE.windows(2).all(|pair| pair[0].code < pair[1].code));
        for code in 1..=176 {
            assert_eq!(lookup(code).map(|xid| xid.code), Some(code));
        }
        assert_eq!((lookup(0), lookup(177), lookup(u32::MAX)), (None, None, None));
        let names: BTreeSet<_> = CATALOGUE.iter().map(|xid| xid.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        assert!(CATALOGUE.iter().all(|xid| !xid.name.is_empty() && !xid.meaning.is_empty()));
    }

    #[test]
    fn each_xid_that_matters_has_nvidias_advice() {
        let rows: &[(&[u32], Option<Action>, Option<Action>)] = &[
            (&[13], Some(RestartApp), Some(WorkflowXid13)),
            (&[31], Some(RestartApp), Some(WorkflowXid31)),
            (&[32, 69], Some(RestartApp), Some(CheckApp)),
            (&[43], Some(Ignore), Some(ContactSupport)),
            (&[45], Some(WorkflowXid45), None),
            (&[46], Some(ResetGpu), Some(ContactSupport)),
            (&[48], Some(WorkflowXid48), None),
            (&[54], Some(CheckMechanicals), Some(ContactSupport)),
            (&[62], Some(ResetGpu), Some(ContactSupport)),
            (&[63], Some(Ignore), None),
            (&[64], Some(ResetGpu), Some(ContactSupport)),
            (&[68], Some(RestartApp), Some(ContactSupport)),
            (&[74], Some(WorkflowNvlink), Some(ContactSupport)),
            (&[79], Some(RestartMachine), Some(ContactSupport)),
            (&[92], Some(Ignore), Some(ContactSupport)),
            (&[94], Some(RestartApp), None),
            (&[95], Some(ResetGpu), None),
            (&[109], Some(ResetGpu), Some(ContactSupport)),
            (&[110], Some(ResetGpu), Some(InvestigateSoftware)),
            (&[119, 120], Some(ResetGpu), Some(InvestigateSoftware)),
            (&[121], Some(Ignore), Some(ContactSupport)),
            (&[137], Some(Ignore), Some(WorkflowXid137)),
            (&[140], Some(ResetGpu), Some(ContactSupport)),
            (&[143], Some(ResetGpu), Some(ContactSupport)),
            (&[144, 145, 146, 147, 148, 149, 150], Some(WorkflowNvlink5), None),
            (&[154], Some(ReadRecoveryAction), None),
            (&[155], Some(ResetGpu), Some(InvestigateUserSoftware)),
            (&[156], Some(ResetGpu), None),
            (&[157], Some(Ignore), Some(ContactSupport)),
            (&[158], Some(ResetGpu), Some(ContactSupport)),
            (&[159], Some(CheckUvm), Some(ReportIfAlone)),
            (&[160, 161], Some(Ignore), Some(InvestigateSoftware)),
            (&[162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172], None, None),
            (&[999], None, None),
        ];
        for (codes, immediate, investigate) in rows {
            for code in *codes {
                let xid = lookup(*code).unwrap();
                assert_eq!((xid.immediate, xid.investigate), (*immediate, *investigate), "{code}");
            }
        }
    }

    #[test]
    fn severity_follows_the_advice() {
        for (code, severity) in [
            (63, Severity::Notice),
            (45, Severity::Notice),
            (13, Severity::Warning),
            (172, Severity::Warning),
            (48, Severity::Critical),
            (79, Severity::Critical),
        ] {
            assert_eq!(lookup(code).unwrap().severity(), severity, "{code}");
        }
        for action in Action::ALL {
            assert!(!action.resets_gpu() || action.severity() == Severity::Critical, "{action}");
        }
        assert!(lookup(95).unwrap().immediate.is_some_and(Action::resets_gpu));
        assert!(!lookup(94).unwrap().immediate.is_some_and(Action::resets_gpu));
    }

    #[test]
    fn json_uses_the_words_of_the_catalogue() {
        for action in Action::ALL {
            let json = serde_json::to_string(action).unwrap();
            assert_eq!(json, format!("\"{action}\""));
            assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), *action);
        }
        let words: BTreeSet<_> = Action::ALL.iter().map(|action| action.word()).collect();
        assert_eq!(words.len(), Action::ALL.len());
    }
}
