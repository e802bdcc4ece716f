//! The certificate: what was run where, what came out, and what that claims.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::evidence::Runs;
use super::suite::{digest_of, hexadecimal};
use super::{Compared, Difference, Profile, Suite, canonical, environment};
use crate::cuda::kernels::Kernel;
use crate::cuda::{Device, Loaded, Version};
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::gpu::{ComputeCapability, GpuId};

/// The version of the form of a [`Certificate`].
pub(super) const FORMAT: u32 = 1;

/// The digest of what one kernel of the suite computed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KernelDigest {
    /// The kernel's entry, such as `nacp_fma`.
    pub kernel: String,
    /// How many words were digested.
    pub words: u64,
    /// SHA-256 over the words in order, little-endian, in hexadecimal.
    pub sha256: String,
}

impl KernelDigest {
    /// The digest of these words.
    pub fn of(kernel: Kernel, words: &[u32]) -> Self {
        let mut hash = Sha256::new();
        for word in words {
            hash.update(word.to_le_bytes());
        }
        let sha256 = hexadecimal(&hash.finalize());
        Self { kernel: kernel.symbol().into(), words: words.len() as u64, sha256 }
    }
}

/// How far the sameness of the bits reaches; the words are those of NVIDIA's CCCL, the last one is NACP's. Each holds
/// for what was run, in the runs that [`Compared`] counts, and for no other program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// The same device gave the same bits in every run. It needs two runs or more. It says nothing of another device,
    /// another driver, or of whether the bits are right.
    RunToRun,
    /// Several devices gave the same bits. It needs two devices or more, each of them the same in every run. It says
    /// nothing of devices that are not named, or of whether the bits are right: one driver may be wrong on all.
    GpuToGpu,
    /// Every word of every run is what a CPU computes by the rules of IEEE 754. It needs no second device: what is
    /// right here is the same on each device that is right.
    CpuVerified,
}

impl Scope {
    /// Its name, as CCCL spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RunToRun => "run_to_run",
            Self::GpuToGpu => "gpu_to_gpu",
            Self::CpuVerified => "cpu_verified",
        }
    }

    /// The farthest that is proven, or nothing where the runs differ or there was only one.
    pub(super) fn proven(right: bool, compared: &Compared) -> Option<Self> {
        match (compared.distinct, compared.runs) {
            (1, _) if right => Some(Self::CpuVerified),
            (1, 2..) if compared.devices.len() > 1 => Some(Self::GpuToGpu),
            (1, 2..) => Some(Self::RunToRun),
            _ => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The device that a [`Certificate`] is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CertifiedDevice {
    /// Its UUID.
    pub uuid: GpuId,
    /// The product's name.
    pub name: String,
    /// The compute capability.
    pub compute: ComputeCapability,
    /// How many multiprocessors it has.
    pub multiprocessors: u32,
    /// Which of them took part, as the device numbers them (`%smid`).
    pub seen: BTreeSet<u32>,
    /// The version of its firmware, where the management library tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vbios: Option<String>,
}

/// The driver that a [`Certificate`] was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CertifiedDriver {
    /// The newest CUDA version that it serves.
    pub cuda: Version,
    /// The driver's own version, such as `580.95.05`, where the system tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The file of `libcuda` that was loaded.
    pub library: String,
    /// SHA-256 of that file in hexadecimal, where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library_sha256: Option<String>,
}

/// What NACP's kernels computed on a device, under which circumstances, and how far the sameness of the bits reaches.
///
/// The golden values are not stored anywhere: whoever holds a certificate computes them anew, see
/// [`verify`](Self::verify). The digest is no signature: it finds what was changed by accident or without care, and not
/// who made the certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Certificate {
    /// The version of this form: 1.
    pub format: u32,
    /// Which suite was run.
    pub suite: Suite,
    /// Its size.
    pub profile: Profile,
    /// How far the sameness reaches; absent where the runs differ, or one run alone differs from the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// What each kernel computed in the first run.
    pub results: Vec<KernelDigest>,
    /// One SHA-256 over the results, in hexadecimal.
    pub suite_digest: String,
    /// What was compared.
    pub compared: Compared,
    /// What differs from what the CPU computes, the first 32.
    pub differences: Vec<Difference>,
    /// The device.
    pub device: CertifiedDevice,
    /// The driver.
    pub driver: CertifiedDriver,
    /// The variables of the environment that reach CUDA; see [`RECORDED`](super::RECORDED).
    pub environment: BTreeMap<String, String>,
    /// When the first run began.
    pub started: Timestamp,
    /// The version of NACP that made it.
    pub nacp_version: String,
    /// Whether the driver is a simulated one: then the device does not exist, and nothing is proven of any other.
    pub simulated: bool,
    /// SHA-256 over all other fields in their canonical form, in hexadecimal.
    pub digest: String,
}

/// What is known of a place beside what its CUDA driver tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Circumstances {
    /// When the first run began.
    pub started: Timestamp,
    /// The environment of this process. What does not reach CUDA is not recorded.
    pub environment: BTreeMap<String, String>,
    /// The version of the driver, such as `580.95.05`.
    pub driver: Option<String>,
    /// The version of the device's firmware.
    pub vbios: Option<String>,
}

impl Circumstances {
    /// Nothing but the time is known.
    pub fn at(started: Timestamp) -> Self {
        Self { started, environment: BTreeMap::new(), driver: None, vbios: None }
    }

    /// With this environment, such as `std::env::vars()`.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = variables.into_iter().collect();
        self
    }

    /// With this version of the driver.
    #[must_use]
    pub fn driver(mut self, version: impl Into<Option<String>>) -> Self {
        self.driver = version.into();
        self
    }

    /// With this version of the device's firmware.
    #[must_use]
    pub fn vbios(mut self, version: impl Into<Option<String>>) -> Self {
        self.vbios = version.into();
        self
    }
}

impl Certificate {
    /// The certificate over what the runs on a device found, with the driver of this file and version.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) where the reference lacks a kernel.
    pub(crate) fn of(
        runs: &Runs,
        device: &Device,
        (loaded, cuda): (&Loaded, Version),
        place: &Circumstances,
    ) -> Result<Self> {
        Self::with_hash(runs, device, (loaded, cuda, file_sha256(&loaded.path)), place)
    }

    /// The same where the hash of the driver's file is known, or known not to be.
    pub(crate) fn with_hash(
        runs: &Runs,
        device: &Device,
        (loaded, cuda, library_sha256): (&Loaded, Version, Option<String>),
        place: &Circumstances,
    ) -> Result<Self> {
        let mut compared = runs.compared.clone();
        compared.devices.insert(device.id.clone());
        let right = runs.differences.is_empty()
            && match runs.reference.is_empty() {
                true => runs.results == Suite::reference(runs.profile, device.compute)?,
                false => runs.results == runs.reference,
            };
        let mut certificate = Self {
            format: FORMAT,
            suite: Suite::current(),
            profile: runs.profile,
            scope: Scope::proven(right, &compared),
            results: runs.results.clone(),
            suite_digest: digest_of(&runs.results),
            compared,
            differences: runs.differences.clone(),
            device: CertifiedDevice {
                uuid: device.id.clone(),
                name: device.name.clone(),
                compute: device.compute,
                multiprocessors: device.multiprocessors,
                seen: runs.multiprocessors.clone(),
                vbios: place.vbios.clone(),
            },
            driver: CertifiedDriver {
                cuda,
                version: place.driver.clone(),
                library: loaded.path.display().to_string(),
                library_sha256,
            },
            environment: environment::recorded(&place.environment, &loaded.path),
            started: place.started,
            nacp_version: env!("CARGO_PKG_VERSION").into(),
            simulated: loaded.simulated,
            digest: String::new(),
        };
        certificate.seal()?;
        Ok(certificate)
    }

    /// Reads a certificate from JSON, whatever its blanks and the order of its fields. Whether it is right is another
    /// question, see [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for a form of a later version of NACP,
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for what is no certificate.
    pub fn parse(text: &str) -> Result<Self> {
        let refused = |kind, message: &str| Error::new(kind, "cuda.certificate", message);
        let value: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| refused(ErrorKind::InvalidArgument, "not JSON").with("reason", error))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => {
                let error = refused(ErrorKind::Unsupported, "a form of certificate that this version does not know");
                return Err(error.with("format", format).with("known", FORMAT).hint("use a newer version of NACP"));
            }
            None => return Err(refused(ErrorKind::InvalidArgument, "not a certificate: it states no format")),
        }
        serde_json::from_str(text).map_err(|error| {
            let text = error.to_string();
            let named: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
            let error = refused(ErrorKind::InvalidArgument, "not a certificate").with("reason", &text);
            match named.split_first() {
                Some((field, known)) if text.starts_with("unknown field") => match nearest(field, known.to_vec()) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error,
                },
                _ => error,
            }
        })
    }

    /// Its canonical text: JSON with the fields in the order of their names, without blanks and without numbers on
    /// which programs disagree (RFC 8785).
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a number beyond 2^53 - 1, which no certificate of NACP's has.
    pub fn canonical(&self) -> Result<String> {
        canonical::canonical(&serde_json::json!(self))
    }

    /// SHA-256 over the canonical text of all fields but [`digest`](Self#structfield.digest), in hexadecimal.
    ///
    /// # Errors
    /// As for [`canonical`](Self::canonical).
    pub fn digest(&self) -> Result<String> {
        let mut value = serde_json::json!(self);
        if let Some(fields) = value.as_object_mut() {
            fields.remove("digest");
        }
        Ok(hexadecimal(&Sha256::digest(canonical::canonical(&value)?)))
    }

    /// Writes the digest anew.
    pub(super) fn seal(&mut self) -> Result<()> {
        self.digest = self.digest()?;
        Ok(())
    }
}

/// Notes in each certificate which of the other devices gave the same bits, and widens its scope where that proves
/// more. Simulated devices and real ones are kept apart.
///
/// # Errors
/// As for [`Certificate::canonical`].
pub fn agree(certificates: &mut [Certificate]) -> Result<()> {
    let bits = |one: &Certificate| (one.suite.clone(), one.profile, one.suite_digest.clone(), one.simulated);
    let repeat = |one: &&Certificate| one.compared.distinct == 1;
    let known: Vec<_> = certificates.iter().filter(repeat).map(|one| (bits(one), one.device.uuid.clone())).collect();
    for certificate in certificates.iter_mut().filter(|one| one.compared.distinct == 1) {
        let own = bits(certificate);
        let same = known.iter().filter(|(bits, _)| *bits == own).map(|(_, uuid)| uuid.clone());
        certificate.compared.devices.extend(same);
        let right = certificate.scope == Some(Scope::CpuVerified);
        certificate.scope = Scope::proven(right, &certificate.compared);
        certificate.seal()?;
    }
    Ok(())
}

/// SHA-256 of a file; nothing where it cannot be read.
pub(crate) fn file_sha256(path: &Path) -> Option<String> {
    let mut hash = Sha256::new();
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).ok()?);
    loop {
        let bytes = file.fill_buf().ok()?;
        if bytes.is_empty() {
            return Some(hexadecimal(&hash.finalize()));
        }
        hash.update(bytes);
        let length = bytes.len();
        file.consume(length);
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, compared, .. } = self;
        if self.simulated {
            write!(f, "simulated: ")?;
        }
        write!(f, "{} ({}, compute {}): ", device.name, device.uuid, device.compute)?;
        let words: u64 = self.results.iter().map(|result| result.words).sum();
        let runs = if compared.runs == 1 { "one run".to_owned() } else { format!("{} runs", compared.runs) };
        match self.scope {
            Some(Scope::CpuVerified) => write!(f, "all {words} words are what the CPU computes, in {runs}")?,
            Some(Scope::GpuToGpu) => write!(
                f,
                "{} devices gave the same bits, in {runs} here; they are not what the CPU computes",
                compared.devices.len()
            )?,
            Some(Scope::RunToRun) => write!(f, "the same bits in {runs}; they are not what the CPU computes")?,
            None if compared.distinct > 1 => write!(f, "{} different answers in {runs}", compared.distinct)?,
            None => write!(f, "nothing is proven by {runs}")?,
        }
        write!(
            f,
            " (streams: {}, contexts: {}, processes: {}; {} of {} multiprocessors took part)",
            compared.streams,
            compared.contexts,
            compared.processes,
            device.seen.len(),
            device.multiprocessors
        )?;
        for difference in &self.differences {
            write!(f, "\n  {difference}")?;
        }
        Ok(())
    }
}
