//! Looks up what an instruction works on, and places it in a program.

use crate::ptx::ParseError;
use crate::ptx::code::{Code, Guard, Instruction, Place, Register, Space, Work};
use crate::ptx::lanes::ones;
use crate::ptx::text::{self, Number, Operand, Type};

use super::names::{self, Names};
use super::plan::Plan;

/// A program in the making.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub(super) names: Names,
    pub(super) code: Code,
    /// Jumps whose label is not known yet: which instruction, to where, and the line.
    pub(super) jumps: Vec<(usize, String, u32)>,
    /// Of the text: the version of its language, and its target.
    written_for: ((u32, u32), u32),
    line: u32,
    guard: Option<Guard>,
}

impl Builder {
    pub(super) fn new(version: (u32, u32), target: u32) -> Self {
        Self { written_for: (version, target), ..Self::default() }
    }

    /// Whether the text is written for a language and for devices that have an instruction.
    pub(super) fn needs(&self, version: (u32, u32), target: u32) -> Result<(), String> {
        let (written, device) = self.written_for;
        if written >= version && device >= target {
            return Ok(());
        }
        Err(format!("needs .version {}.{} and .target sm_{target}", version.0, version.1))
    }

    /// Begins with an instruction: what is placed from here on stands in its line and under its guard.
    pub(super) fn begin(&mut self, instruction: &text::Instruction) -> Result<(), String> {
        self.line = instruction.line;
        self.guard = match &instruction.guard {
            Some(guard) => Some(Guard { predicate: self.predicate(&guard.predicate)?, negated: guard.negated }),
            None => None,
        };
        Ok(())
    }

    /// Places work.
    pub(super) fn place(&mut self, work: Work) {
        self.code.instructions.push(Instruction { line: self.line, guard: self.guard, work });
    }

    /// Ends the program, for lanes that come to its end.
    pub(super) fn end(&mut self) {
        self.guard = None;
        self.place(Work::Exit);
    }

    /// Places a jump to a label that may stand further down.
    pub(super) fn jump(&mut self, label: &str) {
        self.jumps.push((self.code.instructions.len(), label.to_owned(), self.line));
        self.place(Work::Branch { to: 0 });
    }

    /// Places a computation.
    pub(super) fn compute(&mut self, plan: Plan, operands: &[Operand]) -> Result<(), String> {
        let [to, sources @ ..] = operands else { return Err("needs operands".into()) };
        if sources.len() != plan.from.len() {
            return Err(format!("takes {} operands and not {}", plan.from.len() + 1, operands.len()));
        }
        let to = self.target(to, plan.to)?;
        let mut from = [0; 4];
        for ((place, operand), kind) in from.iter_mut().zip(sources).zip(&plan.from) {
            *place = self.source(operand, *kind)?;
        }
        self.place(Work::Compute { run: plan.run, to, from, sources: sources.len(), demand: plan.demand });
        Ok(())
    }

    /// The register that an operand names for writing.
    pub(super) fn target(&mut self, operand: &Operand, kind: Type) -> Result<Register, String> {
        let Operand::Name(name) = operand else { return Err("the first operand is no register".into()) };
        let named = self.names.register(name, &mut self.code)?;
        fits(name, named.kind, kind)?;
        Ok(named.register)
    }

    /// The register that an operand names for writing, which may be wider than what is written; and its width.
    pub(super) fn roomy(&mut self, name: &str, kind: Type) -> Result<(Register, u32), String> {
        let named = self.names.register(name, &mut self.code)?;
        if named.kind == Type::Predicate || named.kind.bits() < kind.bits() {
            return Err(format!("{name} has {} bits and not {}", named.kind.bits(), kind.bits()));
        }
        Ok((named.register, named.kind.bits()))
    }

    /// The register that holds what an operand stands for.
    pub(super) fn source(&mut self, operand: &Operand, kind: Type) -> Result<Register, String> {
        match operand {
            Operand::Number(number) => {
                let value = constant(*number, kind).ok_or("not a number of this type")?;
                self.names.constant(value, kind.bits(), &mut self.code)
            }
            Operand::Name(name) if name.starts_with('%') && names::special(name).is_some() => {
                fits(name, Type::Unsigned(32), kind)?;
                match names::special(name) {
                    Some(special) => self.names.special(special, &mut self.code),
                    None => Err(format!("not declared: {name}")),
                }
            }
            Operand::Name(name) => {
                if let Some(start) = self.names.shared.get(name).copied() {
                    return self.names.constant(start, kind.bits(), &mut self.code);
                }
                let named = self.names.register(name, &mut self.code)?;
                fits(name, named.kind, kind)?;
                Ok(named.register)
            }
            _ => Err("expected a register or a number".into()),
        }
    }

    /// The predicate of this name.
    pub(super) fn predicate(&mut self, name: &str) -> Result<Register, String> {
        let named = self.names.register(name, &mut self.code)?;
        if named.kind == Type::Predicate { Ok(named.register) } else { Err(format!("not a predicate: {name}")) }
    }

    /// A predicate or its opposite.
    pub(super) fn condition(&mut self, operand: &Operand) -> Result<Guard, String> {
        let (name, negated) = match operand {
            Operand::Name(name) => (name, false),
            Operand::Not(name) => (name, true),
            _ => return Err("expected a predicate".into()),
        };
        Ok(Guard { predicate: self.predicate(name)?, negated })
    }

    /// The place that an operand names.
    pub(super) fn address(&mut self, operand: &Operand, space: Space) -> Result<Place, String> {
        let Operand::Address(name, offset) = operand else { return Err("expected an address".into()) };
        let base = match (space, self.names.shared.get(name).copied()) {
            (Space::Shared, Some(start)) => self.names.constant(start, 64, &mut self.code)?,
            (_, Some(_)) => return Err(format!("in memory of the block: {name}")),
            (_, None) => {
                let named = self.names.register(name, &mut self.code)?;
                let short = space == Space::Shared && named.kind.bits() == 32;
                if !(short || named.kind.bits() == 64) {
                    return Err(format!("{name} has {} bits and an address 64", named.kind.bits()));
                }
                named.register
            }
        };
        Ok(Place { space, base, offset: *offset })
    }

    /// What is wrong in the line of the last instruction.
    pub(super) fn wrong(&self, reason: String) -> ParseError {
        ParseError { line: self.line, reason }
    }
}

/// Whether a register of one type may stand where an instruction has another.
fn fits(name: &str, named: Type, wanted: Type) -> Result<(), String> {
    let plain = |kind| matches!(kind, Type::Bits(_));
    let float = |kind| matches!(kind, Type::Float(_));
    if (named == Type::Predicate) != (wanted == Type::Predicate) {
        return Err(format!("{name} is {} predicate", if named == Type::Predicate { "a" } else { "no" }));
    }
    if named.bits() != wanted.bits() {
        return Err(format!("{name} has {} bits and not {}", named.bits(), wanted.bits()));
    }
    if !plain(named) && !plain(wanted) && float(named) != float(wanted) {
        return Err(format!("{name} is of another type"));
    }
    Ok(())
}

/// The bits of a number of the text as a value of this type.
fn constant(number: Number, kind: Type) -> Option<u64> {
    match (number, kind) {
        (Number::Whole(value), Type::Bits(width) | Type::Unsigned(width) | Type::Signed(width)) => {
            let spare = value | ones(width);
            let fits = spare == ones(width) || (spare == u64::MAX && super::bits::signed(value, width) < 0);
            fits.then_some(value & ones(width))
        }
        (Number::Single(bits), Type::Float(32) | Type::Bits(32)) => Some(u64::from(bits)),
        (Number::Double(bits), Type::Float(64) | Type::Bits(64)) => Some(bits),
        #[expect(clippy::cast_possible_truncation, reason = "a fraction becomes the nearest of its type")]
        (Number::Double(bits), Type::Float(32)) => Some(u64::from((f64::from_bits(bits) as f32).to_bits())),
        _ => None,
    }
}
