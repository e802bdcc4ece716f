//! The types of PTX.

/// What the bits of a register or of memory are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ptx) enum Type {
    /// One of true and false.
    Predicate,
    /// This many bits, whatever they mean.
    Bits(u32),
    /// A whole number without a sign, of this many bits.
    Unsigned(u32),
    /// A whole number with a sign.
    Signed(u32),
    /// A floating-point number.
    Float(u32),
    /// Two floating-point numbers of 16 bits.
    Halves,
}

impl Type {
    /// The type of this name, without its dot.
    pub(in crate::ptx) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "pred" => Self::Predicate,
            "f16x2" => Self::Halves,
            "f16" | "f32" | "f64" => Self::Float(name.get(1..)?.parse().ok()?),
            _ => {
                let bits = match name.get(1..)? {
                    "8" => 8,
                    "16" => 16,
                    "32" => 32,
                    "64" => 64,
                    _ => return None,
                };
                match name.get(..1)? {
                    "b" => Self::Bits(bits),
                    "u" => Self::Unsigned(bits),
                    "s" => Self::Signed(bits),
                    _ => return None,
                }
            }
        })
    }

    /// How many bits it has: 1 for a predicate.
    pub(in crate::ptx) fn bits(self) -> u32 {
        match self {
            Self::Predicate => 1,
            Self::Bits(bits) | Self::Unsigned(bits) | Self::Signed(bits) | Self::Float(bits) => bits,
            Self::Halves => 32,
        }
    }

    /// How many bytes it takes in memory.
    pub(in crate::ptx) fn bytes(self) -> usize {
        self.bits() as usize / 8
    }
}
