//! The one name of a GPU that means the same everywhere.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// The UUID of a GPU (`GPU-…`) or of a MIG device (`MIG-…`), as NVML and the container engines spell it.
///
/// Never an index: an index changes when a GPU is added, and differs between NVML and CUDA. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GpuId(Arc<str>);

impl GpuId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits with the prefix: enough for a table.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

#[cfg(feature = "nvml")]
impl GpuId {
    /// Whether both are the same, which is known at once where one is a clone of the other.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self == other
    }
}

impl fmt::Display for GpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for GpuId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix("GPU-").or_else(|| text.strip_prefix("MIG-")).unwrap_or("");
        let groups: Vec<usize> = digits.split('-').map(str::len).collect();
        if groups == [8, 4, 4, 4, 12] && digits.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()) {
            return Ok(Self(Arc::from(text)));
        }
        Err(Error::new(ErrorKind::InvalidArgument, "gpu.id", "not a GPU's UUID")
            .with("value", format_args!("{text:?}"))
            .hint("it looks like GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx; `nvidia-smi -L` lists them"))
    }
}

impl TryFrom<String> for GpuId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<GpuId> for String {
    fn from(id: GpuId) -> Self {
        id.0.as_ref().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_gpu_and_mig_uuids_only() {
        let text = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab";
        let id: GpuId = text.parse().unwrap();
        assert_eq!((id.as_str(), id.short()), (text, "GPU-5bd9f9a4"));
        assert!("MIG-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse::<GpuId>().is_ok());
        for wrong in [
            "0",
            "",
            "GPU-",
            "GPU-zzzzzzzz-1d2e-4c8f-9a61-0123456789ab",
            "5bd9f9a4-1d2e-4c8f-9a61-0123456789ab",
            "GPU-é",
        ] {
            assert_eq!(wrong.parse::<GpuId>().unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong}");
        }
    }

    #[test]
    fn json_refuses_an_index() {
        assert!(serde_json::from_str::<GpuId>("\"0\"").unwrap_err().to_string().contains("nvidia-smi -L"));
    }
}
