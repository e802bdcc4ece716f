//! What a number of the text means.

/// A number that stands in an instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ptx) enum Number {
    /// A whole number in the 64 bits of its two's complement.
    Whole(u64),
    /// The bits of a number of 32 bits (`0f3F800000`).
    Single(u32),
    /// The bits of a number of 64 bits (`0d3FF0000000000000`), or what a decimal fraction comes nearest to.
    Double(u64),
}

impl Number {
    /// Reads `0x1F`, `017`, `0b101`, `42`, each with an optional `U`; `1.5e-3`; `0f` and `0d` with 8 and 16 digits, which
    /// have their sign among their bits.
    pub(in crate::ptx) fn parse(text: &str, negative: bool) -> Option<Self> {
        let after = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
        if let Some(digits) = after(["0f", "0F"]) {
            return hexadecimal(digits, 8)
                .filter(|_| !negative)
                .and_then(|bits| u32::try_from(bits).ok())
                .map(Self::Single);
        }
        if let Some(digits) = after(["0d", "0D"]) {
            return hexadecimal(digits, 16).filter(|_| !negative).map(Self::Double);
        }
        let whole = text.strip_suffix('U').unwrap_or(text);
        let (digits, radix) = match (after(["0x", "0X"]), after(["0b", "0B"])) {
            (Some(_), _) => (whole.get(2..)?, 16),
            (_, Some(_)) => (whole.get(2..)?, 2),
            _ if whole.len() > 1 && whole.starts_with('0') && !whole.contains(['.', 'e', 'E']) => (whole.get(1..)?, 8),
            _ => (whole, 10),
        };
        if digits.starts_with(['+', '-']) {
            return None;
        }
        if let Ok(value) = u64::from_str_radix(digits, radix) {
            return Some(Self::Whole(if negative { value.wrapping_neg() } else { value }));
        }
        let fraction = radix == 10 && text.contains(['.', 'e', 'E']);
        fraction.then(|| text.parse::<f64>().ok()).flatten().map(|value| {
            let signed = if negative { -value } else { value };
            Self::Double(signed.to_bits())
        })
    }
}

fn hexadecimal(digits: &str, length: usize) -> Option<u64> {
    let good = digits.len() == length && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    good.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}
