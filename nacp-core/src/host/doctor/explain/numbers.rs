//! Numbers of errors in a text: CUDA's, NVML's and Xids.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cuda::Fault;
use crate::gpu::kernel_log::{What, parse};
use crate::gpu::xid;
use crate::host::doctor::FindingId;

/// More numbers of one log than anybody reads.
const MOST: usize = 20;

/// Whose number an error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorFamily {
    /// The CUDA driver's or the runtime library's (`CUresult`, `cudaError_t`).
    Cuda,
    /// The management library's (`nvmlReturn_t`).
    Nvml,
    /// An Xid of the kernel's driver.
    Xid,
}

impl fmt::Display for ErrorFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cuda => "CUDA error",
            Self::Nvml => "NVML error",
            Self::Xid => "Xid",
        })
    }
}

/// A number of an error that stands in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorNumber {
    /// Whose number it is.
    pub family: ErrorFamily,
    /// The number.
    pub code: i32,
    /// Its official name, such as `CUDA_ERROR_NO_DEVICE`; empty where none is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it means, in one line.
    pub meaning: String,
    /// What helps; empty where nothing in general does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
    /// The part of the text in which it stands.
    pub quote: String,
}

/// The numbers of `nvml.h`, what they mean, and what helps.
const NVML: [(i32, &str, &str, &str); 14] = [
    (1, "NVML_ERROR_UNINITIALIZED", "the management library was not started", ""),
    (3, "NVML_ERROR_NOT_SUPPORTED", "this GPU or driver does not know the question", "nothing is broken"),
    (4, "NVML_ERROR_NO_PERMISSION", "this user may not ask that", "ask as root, or see who may use /dev/nvidia*"),
    (6, "NVML_ERROR_NOT_FOUND", "there is no such GPU", "see `nvidia-smi -L`"),
    (9, "NVML_ERROR_DRIVER_NOT_LOADED", "the kernel's driver is not loaded", "load it: `sudo modprobe nvidia`"),
    (10, "NVML_ERROR_TIMEOUT", "the driver did not answer in time", "see the kernel's log for Xids"),
    (12, "NVML_ERROR_LIBRARY_NOT_FOUND", "a library of the driver is missing", "reinstall the driver"),
    (13, "NVML_ERROR_FUNCTION_NOT_FOUND", "the driver is older than the question", "install a newer driver"),
    (15, "NVML_ERROR_GPU_IS_LOST", "the driver has lost the GPU", "start the machine anew"),
    (16, "NVML_ERROR_RESET_REQUIRED", "the GPU needs a reset", "`sudo nvidia-smi --gpu-reset`"),
    (17, "NVML_ERROR_OPERATING_SYSTEM", "the operating system keeps the GPU back", ""),
    (18, "NVML_ERROR_LIB_RM_VERSION_MISMATCH", "the library and the kernel's driver are of two versions", "restart"),
    (19, "NVML_ERROR_IN_USE", "the GPU is in use", "end the programs on it first"),
    (999, "NVML_ERROR_UNKNOWN", "the driver failed within, and does not say how", "see the kernel's log"),
];

/// Which entry of the catalogue speaks of a number, where one does.
const ENTRIES: [(ErrorFamily, &[i32], u8); 15] = [
    (ErrorFamily::Cuda, &[35], 17),
    (ErrorFamily::Cuda, &[803], 18),
    (ErrorFamily::Cuda, &[804], 19),
    (ErrorFamily::Cuda, &[209], 20),
    (ErrorFamily::Cuda, &[802, 919], 21),
    (ErrorFamily::Cuda, &[999], 22),
    (ErrorFamily::Cuda, &[214], 38),
    (ErrorFamily::Cuda, &[46], 39),
    (ErrorFamily::Cuda, &[2], 40),
    (ErrorFamily::Nvml, &[18], 9),
    (ErrorFamily::Nvml, &[17], 14),
    (ErrorFamily::Nvml, &[4], 25),
    (ErrorFamily::Nvml, &[15], 37),
    (ErrorFamily::Nvml, &[16], 38),
    (ErrorFamily::Xid, &[79], 37),
];
/// Xids of memory, all of one entry.
const MEMORY: ([i32; 8], u8) = ([48, 63, 64, 94, 95, 140, 171, 172], 38);

impl ErrorNumber {
    /// The entry of the catalogue that speaks of it.
    pub(super) fn entry(&self) -> Option<FindingId> {
        let row = ENTRIES.iter().find(|(family, codes, _)| *family == self.family && codes.contains(&self.code));
        let memory = self.family == ErrorFamily::Xid && MEMORY.0.contains(&self.code);
        row.map(|(_, _, id)| *id).or(memory.then_some(MEMORY.1)).map(FindingId)
    }

    fn of_cuda(fault: Fault, quote: &str) -> Self {
        let text = fault.to_string();
        let meaning = text.rsplit_once(" (").map_or(text.as_str(), |(meaning, _)| meaning).to_owned();
        Self {
            family: ErrorFamily::Cuda,
            code: fault.code,
            name: fault.name().unwrap_or_default().into(),
            meaning,
            advice: fault.hint().unwrap_or_default().into(),
            quote: quote.into(),
        }
    }

    fn of_nvml(code: i32, quote: &str) -> Option<Self> {
        let (_, name, meaning, advice) = NVML.iter().find(|(known, ..)| *known == code)?;
        let family = ErrorFamily::Nvml;
        let (name, meaning, advice) = ((*name).into(), (*meaning).into(), (*advice).into());
        Some(Self { family, code, name, meaning, advice, quote: quote.into() })
    }

    fn of_xid(code: i32, quote: &str) -> Option<Self> {
        let known = xid::lookup(u32::try_from(code).ok()?)?;
        let advice = known.immediate.map(|action| format!("NVIDIA advises: {action}")).unwrap_or_default();
        let (name, meaning) = (known.name.into(), known.meaning.into());
        Some(Self { family: ErrorFamily::Xid, code, name, meaning, advice, quote: quote.into() })
    }
}

impl fmt::Display for ErrorNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.code)?;
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        write!(f, ": {}", self.meaning)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "; {}", self.advice) }
    }
}

/// Every number of an error in a text, in order and each once.
pub(super) fn all(text: &str) -> Vec<ErrorNumber> {
    let mut found: Vec<ErrorNumber> = Vec::new();
    for line in text.lines() {
        for number in in_line(line) {
            let known = found.iter().any(|other| (other.family, other.code) == (number.family, number.code));
            if !known && found.len() < MOST {
                found.push(number);
            }
        }
    }
    found
}

fn in_line(line: &str) -> Vec<ErrorNumber> {
    if let Some(What::Xid { code, .. }) = parse(line).map(|event| event.what) {
        return i32::try_from(code).ok().and_then(|code| ErrorNumber::of_xid(code, line.trim())).into_iter().collect();
    }
    let mut found = Vec::new();
    for name in line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
        if name.starts_with("CUDA_ERROR_") || name.starts_with("cudaError") {
            found.extend(Fault::from_name(name).map(|fault| ErrorNumber::of_cuda(fault, name)));
        } else if name.starts_with("NVML_ERROR_") {
            let row = NVML.iter().find(|(_, known, ..)| *known == name);
            found.extend(row.and_then(|(code, ..)| ErrorNumber::of_nvml(*code, name)));
        }
    }
    let lower = line.to_ascii_lowercase();
    let is_of_cuda = lower.contains("cuda") || lower.contains("cuinit") || lower.contains("curesult");
    for (head, family) in [
        ("cuda error", ErrorFamily::Cuda),
        ("cuda driver error", ErrorFamily::Cuda),
        ("error", ErrorFamily::Cuda),
        ("nvml error", ErrorFamily::Nvml),
        ("xid", ErrorFamily::Xid),
    ] {
        for (at, _) in lower.match_indices(head) {
            // A bare "error 2" is anybody's.
            if head == "error" && (!is_of_cuda || lower[..at].ends_with("cuda ") || lower[..at].ends_with("nvml ")) {
                continue;
            }
            let Some((code, length)) = number_after(&lower[at + head.len()..]) else { continue };
            let quote = &line[at..at + head.len() + length];
            found.extend(match family {
                ErrorFamily::Cuda if code > 0 => {
                    let fault = Fault::from_code(code);
                    fault
                        .name()
                        .is_some()
                        .then(|| ErrorNumber::of_cuda(fault, quote))
                        .or_else(|| (code == 35).then(|| ErrorNumber::of_cuda(fault, quote)))
                }
                ErrorFamily::Cuda => None,
                ErrorFamily::Nvml => ErrorNumber::of_nvml(code, quote),
                ErrorFamily::Xid => ErrorNumber::of_xid(code, quote),
            });
        }
    }
    found
}

/// The number that follows at once, after blanks, `code`, `#`, and one of `:`, `=`, `(`; and where it ends.
fn number_after(text: &str) -> Option<(i32, usize)> {
    let rest = text.trim_start().strip_prefix("code").unwrap_or(text);
    let rest = rest.trim_start_matches([' ', ':', '=', '(', '#', '\t']);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = rest.get(digits..)?.chars().next();
    // A part of a longer word or of a version is no number of an error.
    let whole = !after.is_some_and(|letter| {
        letter.is_ascii_alphanumeric()
            || letter == '.' && {
                rest.get(digits + 1..)
                    .and_then(|more| more.chars().next())
                    .is_some_and(|letter| letter.is_ascii_digit())
            }
    });
    let code = rest.get(..digits)?.parse().ok().filter(|_| whole && digits <= 5)?;
    Some((code, text.len() - rest.len() + digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<(ErrorFamily, i32)> {
        all(text).iter().map(|number| (number.family, number.code)).collect()
    }

    #[test]
    fn numbers_and_names_are_found_in_their_usual_spellings() {
        use ErrorFamily::{Cuda, Nvml, Xid};
        for (text, expected) in [
            ("CUDA error 803", vec![(Cuda, 803)]),
            ("cuInit failed with error code 100", vec![(Cuda, 100)]),
            ("CUDA error: 700 - an illegal memory access", vec![(Cuda, 700)]),
            ("Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized", vec![(Cuda, 802)]),
            ("cudaErrorSystemNotReady", vec![(Cuda, 802)]),
            ("RuntimeError: CUDA_ERROR_ILLEGAL_ADDRESS (700)", vec![(Cuda, 700)]),
            ("nvml error 18", vec![(Nvml, 18)]),
            ("NVML_ERROR_GPU_IS_LOST", vec![(Nvml, 15)]),
            ("[  12.3] NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.", vec![(Xid, 79)]),
            ("dcgm reports XID 31 on GPU 3", vec![(Xid, 31)]),
            ("CUDA error 100\nCUDA error 100\nXid: 13", vec![(Cuda, 100), (Xid, 13)]),
        ] {
            assert_eq!(codes(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_of_an_error_is_none() {
        for text in [
            "",
            "error 404: not found",
            "CUDA 12.8 is installed",
            "CUDA error 12.8 something",
            "CUDA error 123456789",
            "CUDA error 8o3",
            "CUDA error -",
            "xid",
            "Xid 4711",
            "é CUDA error ",
        ] {
            assert_eq!(codes(text), [], "{text}");
        }
    }

    #[test]
    fn a_log_of_errors_has_an_end() {
        let log: String = (1..=172).map(|code| format!("Xid {code}\n")).collect();
        assert_eq!(all(&log).len(), MOST);
    }

    #[test]
    fn a_number_says_what_it_means_and_what_helps() {
        let text = |text: &str| all(text)[0].to_string();
        assert_eq!(
            text("CUDA error 100"),
            "CUDA error 100 CUDA_ERROR_NO_DEVICE: the CUDA driver sees no GPU; check \
            `nvidia-smi -L`, CUDA_VISIBLE_DEVICES, and that the container was given a GPU"
        );
        assert!(text("Xid 13").starts_with("Xid 13 ROBUST_CHANNEL_GR_EXCEPTION: "), "{}", text("Xid 13"));
    }
}
