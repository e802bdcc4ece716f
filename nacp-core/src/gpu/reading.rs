//! A value that may be unknown, with the reason.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a GPU answered to one question: the value, or why there is none.
///
/// An unknown never turns into zero. In JSON a known value is itself, an unknown one is `{"unknown": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reading<T> {
    /// The value that was read.
    Known(T),
    /// Why there is no value.
    Unknown(Unknown),
}

/// Why a reading has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unknown {
    /// This GPU, driver or platform does not answer this question.
    NotSupported,
    /// The driver answers it only to other users.
    NoPermission,
    /// The call succeeded and said that there is no value (for example per-process memory under WDDM and WSL2).
    NotAvailable,
    /// The driver's library is too old to know the question.
    TooOld,
    /// The GPU has stopped answering.
    GpuLost,
    /// Nobody asked.
    NotRead,
    /// The source as a whole did not answer, as when the driver is gone: it says nothing about this GPU.
    SourceFailed,
    /// A namespace of this process hides it, as in a container: the same question on the machine itself, or with its
    /// namespaces, has an answer.
    Namespaced,
    /// The driver answered with this code.
    Code(i32),
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSupported => f.write_str("not supported"),
            Self::NoPermission => f.write_str("no permission"),
            Self::NotAvailable => f.write_str("not available"),
            Self::TooOld => f.write_str("driver library too old"),
            Self::GpuLost => f.write_str("gpu lost"),
            Self::NotRead => f.write_str("not read"),
            Self::SourceFailed => f.write_str("the source failed"),
            Self::Namespaced => f.write_str("hidden by a namespace"),
            Self::Code(code) => write!(f, "nvml code {code}"),
        }
    }
}

impl Unknown {
    fn parse(text: &str) -> Option<Self> {
        let plain = [
            Self::NotSupported,
            Self::NoPermission,
            Self::NotAvailable,
            Self::TooOld,
            Self::GpuLost,
            Self::NotRead,
            Self::SourceFailed,
            Self::Namespaced,
        ];
        plain
            .into_iter()
            .find(|unknown| unknown.to_string() == text)
            .or_else(|| text.strip_prefix("nvml code ")?.parse().ok().map(Self::Code))
    }
}

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Unknown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("unheard-of reason {text:?}")))
    }
}

impl<T> Reading<T> {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Why there is no value, if there is none.
    pub fn unknown(&self) -> Option<Unknown> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(reason) => Some(*reason),
        }
    }

    /// Applies `f` to a known value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Known(value) => Reading::Known(f(value)),
            Self::Unknown(reason) => Reading::Unknown(reason),
        }
    }
}

impl<T> Default for Reading<T> {
    /// [`Unknown::NotRead`].
    fn default() -> Self {
        Self::Unknown(Unknown::NotRead)
    }
}

impl<T> From<Option<T>> for Reading<T> {
    /// `None` becomes [`Unknown::NotSupported`].
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unknown(Unknown::NotSupported), Self::Known)
    }
}

impl<T> From<Result<T, Unknown>> for Reading<T> {
    fn from(answer: Result<T, Unknown>) -> Self {
        match answer {
            Ok(value) => Self::Known(value),
            Err(reason) => Self::Unknown(reason),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Reading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(f),
            Self::Unknown(reason) => f.pad(&format!("unknown ({reason})")),
        }
    }
}

impl<T: Serialize> Serialize for Reading<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::Unknown(reason) => serializer.collect_map([(KEY, reason.to_string())]),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Reading<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Known(value) => Ok(Self::Known(value)),
            Form::Unknown(Reason(text)) => Unknown::parse(&text)
                .map(Self::Unknown)
                .ok_or_else(|| de::Error::custom(format!("unheard-of reason {text:?}"))),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Form<T> {
    Unknown(Reason),
    Known(T),
}

/// The only key of an unknown reading.
const KEY: &str = "unknown";

/// A map with that one key. A derived struct would also be read from a list, and so take a list of one text for it.
struct Reason(String);

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Reason;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a map with the one key {KEY:?}")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Reason, A::Error> {
                let first = map.next_entry::<String, String>()?;
                let more = map.next_key::<de::IgnoredAny>()?;
                match (first, more) {
                    (Some((key, reason)), None) if key == KEY => Ok(Reason(reason)),
                    _ => Err(de::Error::custom("other keys")),
                }
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_round_trip_keeps_value_and_reason() {
        for reading in [
            Reading::Known(0u32),
            Reading::Unknown(Unknown::NotAvailable),
            Reading::Unknown(Unknown::TooOld),
            Reading::Unknown(Unknown::Namespaced),
            Reading::Unknown(Unknown::SourceFailed),
            Reading::Unknown(Unknown::Code(999)),
        ] {
            let json = serde_json::to_string(&reading).unwrap();
            assert_eq!(serde_json::from_str::<Reading<u32>>(&json).unwrap(), reading, "{json}");
        }
        assert_eq!(
            serde_json::to_string(&Reading::<u32>::Unknown(Unknown::GpuLost)).unwrap(),
            r#"{"unknown":"gpu lost"}"#
        );
    }

    #[test]
    fn a_value_that_looks_like_a_reason_stays_a_value() {
        fn same<T: Serialize + serde::de::DeserializeOwned + PartialEq + fmt::Debug>(value: T) {
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Reading<T>>(&json).unwrap(), Reading::Known(value), "{json}");
        }
        same(vec!["gpu lost".to_owned()]);
        same(Vec::<String>::new());
        same(0.5f32);
        same(7f32);
        let map = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            pairs.collect::<std::collections::BTreeMap<_, _>>()
        };
        same(map(&[("known", "x")]));
        same(map(&[("unknown", "gpu lost"), ("x", "y")]));
        same(map(&[]));
        same(vec![map(&[("unknown", "gpu lost")])]);
    }

    #[test]
    fn a_reason_that_nobody_knows_is_an_error() {
        let error = serde_json::from_str::<Reading<u32>>(r#"{"unknown": "tired"}"#).unwrap_err();
        assert!(error.to_string().contains("unheard-of reason \"tired\""), "{error}");
    }
}
