//! Architectures that programs are compiled for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, nearest};
use crate::gpu::ComputeCapability;

/// What a program is compiled for, as compilers spell it: `sm_90a` is machine code, `compute_90` is PTX.
///
/// ```
/// use nacp_core::cuda::compat::{Arch, Form, Reach};
///
/// let arch: Arch = "sm_90a".parse()?;
/// assert_eq!((arch.form, arch.compute.to_string().as_str(), arch.reach), (Form::Machine, "9.0", Reach::Exact));
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arch {
    /// Machine code or PTX.
    pub form: Form,
    /// The compute capability.
    pub compute: ComputeCapability,
    /// Which other devices it is for.
    pub reach: Reach,
}

/// What a program is delivered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// Machine code (SASS, a cubin): `sm_90`.
    Machine,
    /// The text of PTX, compiled by the driver when it is loaded: `compute_90`.
    Ptx,
}

/// Which devices besides its own an architecture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reach {
    /// Later ones too: `90`.
    Onward,
    /// Its family: `100f`.
    Family,
    /// None: `90a`.
    Exact,
}

impl Arch {
    /// Machine code for this compute capability, without features of this one alone.
    pub const fn machine(compute: ComputeCapability) -> Self {
        Self { form: Form::Machine, compute, reach: Reach::Onward }
    }

    /// PTX for this compute capability, without features of this one alone.
    pub const fn ptx(compute: ComputeCapability) -> Self {
        Self { form: Form::Ptx, compute, reach: Reach::Onward }
    }
}

impl From<ComputeCapability> for Arch {
    /// Machine code for it.
    fn from(compute: ComputeCapability) -> Self {
        Self::machine(compute)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Machine => "sm",
            Form::Ptx => "compute",
        };
        let reach = match self.reach {
            Reach::Onward => "",
            Reach::Family => "f",
            Reach::Exact => "a",
        };
        f.pad(&format!("{form}_{}{}{reach}", self.compute.major, self.compute.minor))
    }
}

impl FromStr for Arch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        read(text.trim()).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidArgument, "cuda.arch", "not an architecture of a GPU")
                .with("value", format_args!("{text:?}"));
            let known: Vec<_> = super::tables::CAPABILITIES
                .iter()
                .flat_map(|row| [Arch::machine(row.compute).to_string(), Arch::ptx(row.compute).to_string()])
                .collect();
            match nearest(text, known.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("write it as a compiler does, for example sm_90a or compute_80"),
            }
        })
    }
}

/// The last digit is the minor number: `103` is 10.3.
fn read(text: &str) -> Option<Arch> {
    let (form, rest) = match text.split_once('_')? {
        ("sm", rest) => (Form::Machine, rest),
        ("compute", rest) => (Form::Ptx, rest),
        _ => return None,
    };
    let (digits, reach) = match (rest.strip_suffix('a'), rest.strip_suffix('f')) {
        (Some(digits), _) => (digits, Reach::Exact),
        (_, Some(digits)) => (digits, Reach::Family),
        _ => (rest, Reach::Onward),
    };
    let plain = (2..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = digits.parse().ok().filter(|number| plain && *number >= 10)?;
    Some(Arch { form, compute: ComputeCapability { major: number / 10, minor: number % 10 }, reach })
}

impl TryFrom<String> for Arch {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Arch> for String {
    fn from(arch: Arch) -> Self {
        arch.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_spelling_of_compilers_is_read() {
        for (text, form, major, minor, reach) in [
            ("sm_50", Form::Machine, 5, 0, Reach::Onward),
            ("sm_90a", Form::Machine, 9, 0, Reach::Exact),
            ("sm_103f", Form::Machine, 10, 3, Reach::Family),
            ("compute_80", Form::Ptx, 8, 0, Reach::Onward),
            ("compute_120a", Form::Ptx, 12, 0, Reach::Exact),
            (" sm_121 ", Form::Machine, 12, 1, Reach::Onward),
        ] {
            let compute = ComputeCapability { major, minor };
            assert_eq!(text.parse::<Arch>().unwrap(), Arch { form, compute, reach }, "{text}");
        }
    }

    #[test]
    fn what_is_no_architecture_is_refused_with_the_nearest() {
        for wrong in
            ["", "90", "sm_", "sm_9", "sm_05", "sm_a", "sm_90b", "sm_90aa", "sm_+90", "sm-90", "gfx_90", "sm_12345"]
        {
            assert_eq!(wrong.parse::<Arch>().unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong}");
        }
        let message = |text: &str| text.parse::<Arch>().unwrap_err().to_string();
        assert_eq!(message("sm90"), "not an architecture of a GPU: value=\"sm90\"; did you mean sm_90?");
        assert_eq!(
            message("Hopper"),
            "not an architecture of a GPU: value=\"Hopper\"; write it as a compiler does, for example sm_90a or \
             compute_80"
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(major in 1u32..100, minor in 0u32..10, form in 0..2, reach in 0usize..3) {
            let form = if form == 0 { Form::Machine } else { Form::Ptx };
            let reach = [Reach::Onward, Reach::Family, Reach::Exact][reach];
            let arch = Arch { form, compute: ComputeCapability { major, minor }, reach };
            prop_assert_eq!(arch.to_string().parse::<Arch>().unwrap(), arch);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = text.parse::<Arch>();
        }
    }
}
