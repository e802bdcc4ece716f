//! Is a certificate right: everything that can be computed anew is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::certificate::FORMAT;
use super::suite::digest_of;
use super::{Certificate, Scope, Suite};
use crate::cuda::reference;

/// What became of one field of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verified {
    /// It was computed anew, and is the same.
    Right,
    /// It was computed anew, and is another.
    Wrong {
        /// What it must be.
        expected: String,
        /// What the certificate says.
        found: String,
    },
    /// It is as it was written, as far as the digest tells; nobody can compute it anew.
    Recorded,
    /// It could be computed, but not here.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// One field of a certificate, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Field {
    /// The field, such as `suite_digest` or `results.nacp_fma`.
    pub field: String,
    /// What became of it.
    #[serde(flatten)]
    pub verified: Verified,
}

/// What [`Certificate::verify`] found, field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verification {
    /// The fields, those that decide first.
    pub fields: Vec<Field>,
    /// What the certificate claims, as it states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Whether it is about a simulated device.
    pub simulated: bool,
}

impl Verification {
    /// Whether nothing is wrong and everything that decides could be computed anew.
    pub fn is_verified(&self) -> bool {
        !self.fields.iter().any(|field| matches!(field.verified, Verified::Wrong { .. } | Verified::Unknown { .. }))
    }

    /// What is wrong.
    pub fn wrong(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| matches!(field.verified, Verified::Wrong { .. }))
    }

    fn note(&mut self, field: impl Into<String>, verified: Verified) {
        self.fields.push(Field { field: field.into(), verified });
    }

    fn compare(&mut self, field: impl Into<String>, expected: &dyn fmt::Display, found: &dyn fmt::Display) {
        let (expected, found) = (expected.to_string(), found.to_string());
        self.note(field, if expected == found { Verified::Right } else { Verified::Wrong { expected, found } });
    }
}

impl Certificate {
    /// Computes anew all that can be: the digests, and, by this CPU, what each kernel must give. It needs no GPU and
    /// takes about a second. That the device, the driver and the runs were those that are written there, only the
    /// one who made the certificate knows.
    pub fn verify(&self) -> Verification {
        let mut found = Verification { fields: Vec::new(), scope: self.scope, simulated: self.simulated };
        match self.digest() {
            Ok(digest) => found.compare("digest", &digest, &self.digest),
            Err(error) => {
                found.note("digest", Verified::Wrong { expected: error.to_string(), found: self.digest.clone() });
            }
        }
        found.compare("format", &FORMAT, &self.format);
        found.compare("suite_digest", &digest_of(&self.results), &self.suite_digest);
        self.verify_results(&mut found);
        self.verify_counts(&mut found);
        for field in ["device", "driver", "environment", "started", "nacp_version", "simulated"] {
            found.note(field, Verified::Recorded);
        }
        found
    }

    fn verify_results(&self, found: &mut Verification) {
        let current = Suite::current();
        if self.suite.version != current.version {
            let why = format!(
                "the suite is version {} and NACP {} has version {}",
                self.suite.version,
                env!("CARGO_PKG_VERSION"),
                current.version
            );
            for field in ["suite", "results", "scope"] {
                found.note(field, Verified::Unknown { why: why.clone() });
            }
            return;
        }
        found.compare("suite.base_sha256", &current.base_sha256, &self.suite.base_sha256);
        found.compare("suite.tensor_sha256", &current.tensor_sha256, &self.suite.tensor_sha256);
        let able = reference::float_environment();
        let expected = match able.and_then(|()| Suite::reference(self.profile, self.device.compute)) {
            Ok(expected) => expected,
            Err(error) => {
                for field in ["results", "scope"] {
                    found.note(field, Verified::Unknown { why: error.to_string() });
                }
                return;
            }
        };
        let names = |results: &[super::KernelDigest]| {
            results.iter().map(|result| result.kernel.as_str()).collect::<Vec<_>>().join(",")
        };
        found.compare("results", &names(&expected), &names(&self.results));
        let mut right = names(&expected) == names(&self.results) && self.differences.is_empty();
        for (expected, result) in expected.iter().zip(&self.results) {
            let told = self.differences.iter().any(|difference| difference.kernel == result.kernel);
            right &= expected == result;
            // A device that computes wrongly may have a certificate that says so.
            if expected == result || !told {
                let of = |digest: &super::KernelDigest| format!("{} words, {}", digest.words, digest.sha256);
                found.compare(format!("results.{}", result.kernel), &of(expected), &of(result));
            } else {
                found.note(format!("results.{}", result.kernel), Verified::Recorded);
            }
        }
        let scope = |scope: Option<Scope>| scope.map_or("none", Scope::name);
        found.compare("scope", &scope(Scope::proven(right, &self.compared)), &scope(self.scope));
    }

    /// What the counts and the differences say must fit together.
    fn verify_counts(&self, found: &mut Verification) {
        let compared = &self.compared;
        let possible = compared.runs > 0
            && (1..=compared.runs).contains(&compared.distinct)
            && [compared.streams, compared.contexts, compared.processes]
                .iter()
                .all(|count| (1..=compared.runs.max(1)).contains(count))
            && compared.devices.contains(&self.device.uuid);
        let words =
            |kernel: &str| self.results.iter().find(|result| result.kernel == kernel).map(|result| result.words);
        let strange = self.differences.iter().find(|it| words(&it.kernel) != Some(it.of) || it.words > it.of);
        found.note(
            "compared",
            if possible {
                Verified::Recorded
            } else {
                let expected = "counts that are possible, and this device among the devices".into();
                Verified::Wrong { expected, found: format!("{compared:?}") }
            },
        );
        found.note(
            "differences",
            match strange {
                None => Verified::Recorded,
                Some(difference) => Verified::Wrong {
                    expected: "differences in the words of the results".into(),
                    found: difference.to_string(),
                },
            },
        );
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.simulated {
            write!(f, "a certificate of a simulated device, which proves nothing of a real one; ")?;
        }
        let scope = self.scope.map_or("nothing", Scope::name);
        let count = |wanted: fn(&Verified) -> bool| self.fields.iter().filter(|field| wanted(&field.verified)).count();
        let (right, wrong) = (count(|it| *it == Verified::Right), self.wrong().count());
        match (wrong, self.is_verified()) {
            (0, true) => write!(f, "it claims {scope}, and all {right} values that can be computed anew are right")?,
            (0, false) => write!(f, "it claims {scope}; {right} values are right, and others cannot be computed here")?,
            _ => write!(f, "it claims {scope} and is not to be trusted: {wrong} of its values are wrong")?,
        }
        for Field { field, verified } in &self.fields {
            match verified {
                Verified::Wrong { expected, found } => write!(f, "\n  {field} is {found} and must be {expected}")?,
                Verified::Unknown { why } => write!(f, "\n  {field} is not verified: {why}")?,
                Verified::Right | Verified::Recorded => {}
            }
        }
        if wrong == 0 {
            let recorded: Vec<&str> = self
                .fields
                .iter()
                .filter(|field| field.verified == Verified::Recorded)
                .map(|field| field.field.as_str())
                .collect();
            write!(f, "\n  taken as written: {}", recorded.join(", "))?;
        }
        Ok(())
    }
}
