//! Two certificates side by side: are the bits the same, and if not, why.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Certificate, Influence, KernelDigest, Scope, Suite, environment};

/// Whether two certificates show the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Agreement {
    /// Every kernel that both ran gave the same bits.
    SameBits,
    /// The bits differ, and both certificates together promise that they do not: a device or its software is faulty,
    /// or a certificate is.
    Broken,
    /// The bits differ, and nobody promised otherwise.
    Permitted,
    /// Nothing can be said.
    NotComparable,
}

/// Which of the two is wrong, as the CPU computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Faulty {
    /// The first.
    First,
    /// The second.
    Second,
    /// Both.
    Both,
    /// This version of NACP has not the suite to tell.
    Unknown,
}

/// Which of the two certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The first.
    First,
    /// The second.
    Second,
}

/// One thing in which two certificates differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// One is not as it was written: its digest does not fit. Nothing can be compared.
    Altered {
        /// Which.
        side: Side,
    },
    /// They ran different suites. Nothing can be compared.
    Suite {
        /// The suite of the first.
        first: Box<Suite>,
        /// The suite of the second.
        second: Box<Suite>,
    },
    /// They ran different sizes of the suite. Nothing can be compared.
    Profile {
        /// The size of the first.
        first: String,
        /// The size of the second.
        second: String,
    },
    /// One gave different answers from run to run, so that its bits stand for nothing.
    DoesNotRepeat {
        /// Which.
        side: Side,
    },
    /// A kernel gave different bits.
    Bits {
        /// Its entry.
        kernel: String,
        /// Which of the two is wrong.
        faulty: Faulty,
    },
    /// A kernel that only one of them ran: the other device has no tensor units for it.
    OneSided {
        /// Its entry.
        kernel: String,
        /// Who ran it.
        side: Side,
    },
    /// The devices, the driver or NACP itself differ.
    Place {
        /// The field, such as `device.name`.
        field: String,
        /// What the first says.
        first: String,
        /// What the second says.
        second: String,
    },
    /// A variable of the environment differs.
    Environment {
        /// Its name.
        variable: String,
        /// Its value in the first, if it was set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<String>,
        /// Its value in the second, if it was set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        second: Option<String>,
        /// What it can change.
        influence: Option<Influence>,
    },
}

/// What [`compare`] found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Whether the bits are the same.
    pub agreement: Agreement,
    /// Everything in which the two differ, what decides first.
    pub reasons: Vec<Reason>,
    /// Whether one of them is about a simulated device.
    pub simulated: bool,
}

/// Compares two certificates, with the reason for each difference. Which of two different results is wrong, the CPU
/// says; it takes about a second.
pub fn compare(first: &Certificate, second: &Certificate) -> Comparison {
    let mut reasons = obstacles(first, second);
    let simulated = first.simulated || second.simulated;
    if !reasons.is_empty() {
        return Comparison { agreement: Agreement::NotComparable, reasons, simulated };
    }
    let bits = bits(first, second);
    let place = place(first, second);
    let same = !bits.iter().any(|reason| matches!(reason, Reason::Bits { .. }));
    let agreement = match (same, promised(first, second)) {
        (true, _) => Agreement::SameBits,
        (false, true) => Agreement::Broken,
        (false, false) => Agreement::Permitted,
    };
    reasons.extend(bits);
    reasons.extend(place);
    reasons.extend(variables(first, second));
    Comparison { agreement, reasons, simulated }
}

/// Why nothing can be compared.
fn obstacles(first: &Certificate, second: &Certificate) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for (side, one) in [(Side::First, first), (Side::Second, second)] {
        if one.digest().ok().as_ref() != Some(&one.digest) {
            reasons.push(Reason::Altered { side });
        }
    }
    if first.suite != second.suite {
        reasons.push(Reason::Suite { first: Box::new(first.suite.clone()), second: Box::new(second.suite.clone()) });
    }
    if first.profile != second.profile {
        let name = |one: &Certificate| one.profile.name().to_owned();
        reasons.push(Reason::Profile { first: name(first), second: name(second) });
    }
    for (side, one) in [(Side::First, first), (Side::Second, second)] {
        if one.compared.distinct != 1 {
            reasons.push(Reason::DoesNotRepeat { side });
        }
    }
    reasons
}

fn bits(first: &Certificate, second: &Certificate) -> Vec<Reason> {
    // The reference takes a part of a second, and is not needed where nothing differs.
    let is_right = |one: &Certificate, result: &KernelDigest| {
        let right = (one.suite == Suite::current()).then(|| Suite::reference(one.profile, one.device.compute));
        right.and_then(Result::ok).map(|right| right.contains(result))
    };
    let mut reasons = Vec::new();
    for result in &first.results {
        let kernel = result.kernel.clone();
        let Some(other) = second.results.iter().find(|other| other.kernel == kernel) else {
            reasons.push(Reason::OneSided { kernel, side: Side::First });
            continue;
        };
        if result != other {
            let faulty = match (is_right(first, result), is_right(second, other)) {
                (Some(true), Some(false)) => Faulty::Second,
                (Some(false), Some(true)) => Faulty::First,
                (Some(false), Some(false)) => Faulty::Both,
                _ => Faulty::Unknown,
            };
            reasons.push(Reason::Bits { kernel, faulty });
        }
    }
    let ran = |kernel: &str| first.results.iter().any(|result| result.kernel == kernel);
    let missing = second.results.iter().filter(|other| !ran(&other.kernel));
    reasons.extend(missing.map(|other| Reason::OneSided { kernel: other.kernel.clone(), side: Side::Second }));
    // What differs in bits comes before what only one ran.
    reasons.sort_by_key(|reason| matches!(reason, Reason::OneSided { .. }));
    reasons
}

/// Whether both together promise the same bits: each for all devices, or each for its own where both are the same.
fn promised(first: &Certificate, second: &Certificate) -> bool {
    let everywhere = |one: &Certificate| one.scope >= Some(Scope::GpuToGpu);
    let here = |one: &Certificate| one.scope.is_some();
    let alike = |one: &Certificate| {
        let device = &one.device;
        (device.name.clone(), device.compute, device.multiprocessors, device.vbios.clone(), one.driver.clone())
    };
    (everywhere(first) && everywhere(second)) || (here(first) && here(second) && alike(first) == alike(second))
}

fn place(first: &Certificate, second: &Certificate) -> Vec<Reason> {
    let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
    let fields = |one: &Certificate| {
        let (device, driver) = (&one.device, &one.driver);
        [
            ("device.name", device.name.clone()),
            ("device.compute", device.compute.to_string()),
            ("device.multiprocessors", device.multiprocessors.to_string()),
            ("device.vbios", told(&device.vbios)),
            ("device.uuid", device.uuid.to_string()),
            ("driver.cuda", driver.cuda.to_string()),
            ("driver.version", told(&driver.version)),
            ("driver.library_sha256", told(&driver.library_sha256)),
            ("nacp_version", one.nacp_version.clone()),
            ("simulated", one.simulated.to_string()),
        ]
    };
    let pairs = fields(first).into_iter().zip(fields(second));
    pairs
        .filter(|((_, first), (_, second))| first != second)
        .map(|((field, first), (_, second))| Reason::Place { field: field.into(), first, second })
        .collect()
}

fn variables(first: &Certificate, second: &Certificate) -> Vec<Reason> {
    let names: BTreeSet<&String> = first.environment.keys().chain(second.environment.keys()).collect();
    let of = |one: &Certificate, name: &String| one.environment.get(name).cloned();
    let pairs = names.into_iter().map(|name| (name, of(first, name), of(second, name)));
    pairs
        .filter(|(_, first, second)| first != second)
        .map(|(name, first, second)| {
            let influence = environment::influence(name);
            Reason::Environment { variable: name.clone(), first, second, influence }
        })
        .collect()
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if *self == Self::First { "the first" } else { "the second" })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { side } => write!(f, "{side} is not as it was written: its digest does not fit"),
            Self::Suite { first, second } if first.version != second.version => {
                write!(f, "they ran different suites: version {} and version {}", first.version, second.version)
            }
            Self::Suite { .. } => f.write_str("they ran different texts of PTX under the same version of the suite"),
            Self::Profile { first, second } => write!(f, "they ran different sizes of the suite: {first} and {second}"),
            Self::DoesNotRepeat { side } => write!(f, "{side} gave different answers from run to run"),
            Self::Bits { kernel, faulty } => {
                write!(f, "{kernel} gave different bits; ")?;
                f.write_str(match faulty {
                    Faulty::First => "the first is not what the CPU computes",
                    Faulty::Second => "the second is not what the CPU computes",
                    Faulty::Both => "neither is what the CPU computes",
                    Faulty::Unknown => "which one is wrong cannot be told without the suite that they ran",
                })
            }
            Self::OneSided { kernel, side } => write!(f, "only {side} ran {kernel}, which was not compared"),
            Self::Place { field, first, second } => write!(f, "{field} differs: {first} and {second}"),
            Self::Environment { variable, first, second, influence } => {
                let told = |value: &Option<String>| value.as_ref().map_or("not set".into(), |it| format!("{it:?}"));
                write!(f, "{variable} differs: {} and {}", told(first), told(second))?;
                if influence.is_some_and(|influence| !influence.matters()) {
                    f.write_str("; that changes no bits")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.simulated {
            f.write_str("simulated: ")?;
        }
        f.write_str(match self.agreement {
            Agreement::SameBits if self.reasons.is_empty() => "the same bits, in the same place",
            Agreement::SameBits => "the same bits, although the places differ",
            Agreement::Broken => {
                "different bits where the same were promised: a device or its software is faulty, or a certificate is"
            }
            Agreement::Permitted => "different bits, and nobody promised the same",
            Agreement::NotComparable => "the two cannot be compared",
        })?;
        for reason in &self.reasons {
            write!(f, "\n  {reason}")?;
        }
        Ok(())
    }
}
