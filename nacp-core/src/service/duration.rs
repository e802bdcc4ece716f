//! Durations as people write them: `90s`, `10m`, `1h 30m`.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer, Serializer, de};

pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let signed = SignedDuration::try_from(*duration).map_err(serde::ser::Error::custom)?;
    serializer.collect_str(&format_args!("{signed:#}"))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let days = || text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok();
    let signed = text.parse::<SignedDuration>().ok().or_else(days);
    let parsed = signed.and_then(|signed| Duration::try_from(signed).ok());
    parsed.ok_or_else(|| de::Error::custom(format!("not a duration: value={text:?}; write for example 90s or 10m")))
}

/// The same for a duration that may be absent.
pub(super) mod optional {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}
