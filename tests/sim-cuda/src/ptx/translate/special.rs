//! What needs more than a function: `mov` in its many shapes, and `mma`.

use crate::ptx::code::{Demand, Logic, Work};
use crate::ptx::lanes::{one, ones, two};
use crate::ptx::text::{Operand, Type};

use super::builder::Builder;
use super::names;
use super::plan::Plan;

/// `mov`: false if it is of a kind that is not simulated.
pub(super) fn copy(builder: &mut Builder, kind: &str, operands: &[Operand]) -> Result<bool, String> {
    let Some(kind) = Type::named(kind).filter(|kind| *kind == Type::Predicate || kind.bits() >= 16) else {
        return Ok(false);
    };
    match operands {
        [Operand::Name(to), from] if kind == Type::Predicate => {
            let from = builder.condition(from)?;
            let to = builder.predicate(to)?;
            builder.place(Work::Combine { logic: Logic::And, to, from: [from, from] });
        }
        [to, Operand::Name(clock)] if matches!(clock.as_str(), "%clock" | "%clock64") => {
            let width = if clock == "%clock" { 32 } else { 64 };
            if kind.bits() != width {
                return Err(format!("{clock} has {width} bits and not {}", kind.bits()));
            }
            let to = builder.target(to, kind)?;
            builder.place(Work::Clock { to, mask: ones(width) });
        }
        [to, from @ Operand::Name(name)] if names::special(name).is_some() => {
            let (to, from) = (builder.target(to, kind)?, builder.source(from, kind)?);
            builder.place(Work::Given { to, from });
        }
        [to, Operand::Vector(parts)] => pack(builder, kind, to, parts)?,
        [Operand::Vector(parts), from] => unpack(builder, kind, parts, from)?,
        [_, _] => builder.compute(Plan::of(kind, 1, Demand::Same, one(|a: u64| a)), operands)?,
        _ => return Err("takes 2 operands".into()),
    }
    Ok(true)
}

/// The width of the parts that a word is made of.
fn part(kind: Type, parts: &[String]) -> Result<u32, String> {
    let width = u32::try_from(parts.len()).ok().and_then(|count| kind.bits().checked_div(count));
    match (kind, width, parts.len()) {
        (Type::Bits(_), Some(width @ (16 | 32)), 2 | 4) => Ok(width),
        _ => Err("no such parts".into()),
    }
}

/// Makes a word of its parts, of which the first is the lowest.
fn pack(builder: &mut Builder, kind: Type, to: &Operand, parts: &[String]) -> Result<(), String> {
    let width = part(kind, parts)?;
    let to = builder.target(to, kind)?;
    let mut from = [0; 4];
    for (register, name) in from.iter_mut().zip(parts) {
        *register = builder.source(&Operand::Name(name.clone()), Type::Bits(width))?;
    }
    let run = match parts.len() {
        2 => two(move |a: u64, b: u64| a | b << width),
        _ => crate::ptx::lanes::four(|a: u64, b: u64, c: u64, d: u64| a | b << 16 | c << 32 | d << 48),
    };
    builder.place(Work::Compute { run, to, from, sources: parts.len(), demand: Demand::All });
    Ok(())
}

/// Takes a word apart.
fn unpack(builder: &mut Builder, kind: Type, parts: &[String], from: &Operand) -> Result<(), String> {
    let width = part(kind, parts)?;
    let from = builder.source(from, kind)?;
    let mut shift = 0;
    for name in parts {
        let to = builder.target(&Operand::Name(name.clone()), Type::Bits(width))?;
        let by = builder.names.constant(u64::from(shift), 32, &mut builder.code)?;
        let run = two(move |word: u64, by: u32| word >> by & ones(width));
        let demand = Demand::Right { sign: None };
        builder.place(Work::Compute { run, to, from: [from, by, 0, 0], sources: 2, demand });
        shift += width;
    }
    Ok(())
}

/// `mma`: false if it is of a shape or of types that are not simulated.
pub(super) fn multiply(builder: &mut Builder, modes: &[&str], operands: &[Operand]) -> Result<bool, String> {
    let halves = match modes {
        ["sync", "aligned", "m16n8k8", "row", "col", "f32", "f16", "f16", "f32"] => 1,
        ["sync", "aligned", "m16n8k16", "row", "col", "f32", "f16", "f16", "f32"] => 2,
        _ => return Ok(false),
    };
    match halves {
        1 => builder.needs((6, 5), 75)?,
        _ => builder.needs((7, 0), 80)?,
    }
    let [to, left, right, add] = operands else { return Err("takes 4 operands".into()) };
    let mut registers = |operand: &Operand, count: usize, kind: Type| match operand {
        Operand::Vector(names) if names.len() == count => {
            names.iter().map(|name| builder.target(&Operand::Name(name.clone()), kind)).collect::<Result<Vec<_>, _>>()
        }
        _ => Err(format!("expected {count} registers in braces")),
    };
    let to = four(registers(to, 4, Type::Float(32))?);
    let left = registers(left, 2 * halves, Type::Bits(32))?;
    let right = registers(right, halves, Type::Bits(32))?;
    let add = four(registers(add, 4, Type::Float(32))?);
    builder.place(Work::Multiply { to, left, right, add });
    Ok(true)
}

fn four(registers: Vec<u32>) -> [u32; 4] {
    registers.try_into().unwrap_or_default()
}
