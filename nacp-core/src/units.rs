//! Quantities with their unit in the type.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, ErrorKind};

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// A number of bytes.
///
/// Read from text such as `900MiB`, `3.3GiB` or `4GB` (binary and decimal units are kept apart), and printed with the
/// binary unit that fits. In JSON it is the plain number of bytes.
///
/// ```
/// use nacp_core::Bytes;
///
/// let need: Bytes = "3.5GiB".parse()?;
/// assert_eq!(need, Bytes::mib(3584));
/// assert_eq!(need.to_string(), "3.50 GiB");
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Bytes {
    /// No bytes at all.
    pub const ZERO: Bytes = Bytes(0);

    /// `count` mebibytes (2^20 bytes); the largest number of bytes there is, where they are more.
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// `count` gibibytes (2^30 bytes); the largest number of bytes there is, where they are more.
    pub const fn gib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 30))
    }

    /// Whole mebibytes, rounded down.
    pub const fn as_mib(self) -> u64 {
        self.0 >> 20
    }

    /// The difference, or zero where `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Bytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = match self.0 {
            0..0x400 => return f.pad(&format!("{} B", self.0)),
            0x400..0x10_0000 => ("KiB", 10),
            0x10_0000..0x4000_0000 => ("MiB", 20),
            0x4000_0000..0x100_0000_0000 => ("GiB", 30),
            _ => ("TiB", 40),
        };
        let hundredths = (u128::from(self.0) * 100) >> size;
        let text = match hundredths % 100 {
            0 => format!("{} {unit}", hundredths / 100),
            rest => format!("{}.{rest:02} {unit}", hundredths / 100),
        };
        f.pad(&text)
    }
}

impl FromStr for Bytes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |message: &str| {
            Error::new(ErrorKind::InvalidArgument, "units.bytes", message)
                .with("value", format_args!("{text:?}"))
                .hint("write a number and a unit, for example 900MiB or 3.3GiB")
        };
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = (&trimmed[..digits], trimmed[digits..].trim());
        if unit.is_empty() {
            return number.parse().map(Self).map_err(|_| invalid("not a number of bytes"));
        }
        let Some((_, size)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
            return Err(invalid("unknown unit of memory"));
        };
        decimal(number, *size).map(Self).ok_or_else(|| invalid("not a number of bytes"))
    }
}

/// `number` (digits with at most one point) times `size`, exactly, rounded up to whole bytes: a need is never less than what was written.
fn decimal(number: &str, size: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 12 || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let parse = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u128>().ok() };
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = parse(whole)?.checked_mul(scale)?.checked_add(parse(fraction)?)?;
    u64::try_from(scaled.checked_mul(u128::from(size))?.div_ceil(scale)).ok()
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or text such as 900MiB")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Bytes, E> {
                Ok(Bytes(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Bytes, E> {
                u64::try_from(value).map(Bytes).map_err(|_| E::custom("memory cannot be negative"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn binary_and_decimal_units_differ() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("900MiB", 900 << 20),
            ("3.3GiB", 3_543_348_020),
            ("4GB", 4_000_000_000),
            ("1 TiB", 1 << 40),
            (".5 KiB", 512),
            ("1.5kb", 1_500),
        ] {
            assert_eq!(text.parse::<Bytes>().unwrap(), Bytes(bytes), "{text}");
        }
    }

    #[test]
    fn more_than_there_can_be_is_the_most_and_not_nothing() {
        assert_eq!((Bytes::gib(1 << 40), Bytes::mib(u64::MAX)), (Bytes(u64::MAX), Bytes(u64::MAX)));
        assert_eq!((Bytes::gib(3), Bytes::mib(3)), (Bytes(3 << 30), Bytes(3 << 20)));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["", "GiB", "-1GiB", "1.2.3GiB", "4 apples", "1e9GiB", "99999999999TiB", "1.5"] {
            let error = text.parse::<Bytes>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
            assert!(error.to_string().contains("3.3GiB"), "{error}");
        }
    }

    #[test]
    fn printed_in_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.50 KiB"),
            (4 << 30, "4 GiB"),
            ((4 << 30) - 1, "3.99 GiB"),
            (u64::MAX, "16777215.99 TiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,24}") {
            let _ = text.parse::<Bytes>();
        }

        #[test]
        fn json_keeps_every_byte(bytes: u64) {
            let json = serde_json::to_string(&Bytes(bytes)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Bytes>(&json).unwrap(), Bytes(bytes));
        }
    }
}
