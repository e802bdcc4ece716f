//! What reads and writes memory: `ld st atom red`.

use crate::ptx::code::{Change, Item, Place, Space, Work};
use crate::ptx::text::{Operand, Type};

use super::bits::signed;
use super::builder::Builder;
use super::float::Float;
use crate::ptx::lanes::{Scalar, ones};

/// How `ld` and `st` are meant: the space, how many registers, of which type. What is cached where says nothing here.
fn meaning(modes: &[&str]) -> Option<(Space, usize, Type)> {
    let [modes @ .., kind] = modes else { return None };
    let kind = Type::named(kind).filter(|kind| !matches!(kind, Type::Predicate | Type::Halves | Type::Float(16)))?;
    let (mut space, mut count) = (None, 1);
    for mode in modes {
        match *mode {
            "global" if space.is_none() => space = Some(Space::Global),
            "shared" if space.is_none() => space = Some(Space::Shared),
            "param" if space.is_none() => space = Some(Space::Param),
            "v2" if count == 1 => count = 2,
            "v4" if count == 1 => count = 4,
            "volatile" | "nc" | "ca" | "cg" | "cs" | "cv" | "lu" | "wb" | "wt" => {}
            _ => return None,
        }
    }
    (count * kind.bytes() <= 16).then_some((space?, count, kind))
}

/// `ld`: false if it is of a kind that is not simulated.
pub(super) fn load(builder: &mut Builder, modes: &[&str], operands: &[Operand]) -> Result<bool, String> {
    let Some((space, count, kind)) = meaning(modes) else { return Ok(false) };
    let [to, from] = operands else { return Err("takes 2 operands".into()) };
    let place = if space == Space::Param {
        param(builder, from, count * kind.bytes())?
    } else {
        builder.address(from, space)?
    };
    let mut mask = 0;
    let mut registers = Vec::new();
    for name in several(to, count)? {
        let (register, width) = builder.roomy(name, kind)?;
        if registers.contains(&register) {
            return Err(format!("written twice: {name}"));
        }
        mask = ones(width);
        registers.push(register);
    }
    let item = Item { size: kind.bytes(), signed: matches!(kind, Type::Signed(_)), mask };
    builder.place(Work::Load { place, to: registers, item });
    Ok(true)
}

/// `st`: false if it is of a kind that is not simulated.
pub(super) fn store(builder: &mut Builder, modes: &[&str], operands: &[Operand]) -> Result<bool, String> {
    let Some((space, count, kind)) = meaning(modes).filter(|(space, ..)| *space != Space::Param) else {
        return Ok(false);
    };
    let [to, from] = operands else { return Err("takes 2 operands".into()) };
    let place = builder.address(to, space)?;
    let mut registers = Vec::new();
    match from {
        Operand::Number(_) if count == 1 => registers.push(builder.source(from, kind)?),
        _ => {
            for name in several(from, count)? {
                registers.push(builder.roomy(name, kind)?.0);
            }
        }
    }
    builder.place(Work::Store { place, from: registers, item: Item { size: kind.bytes(), signed: false, mask: 0 } });
    Ok(true)
}

/// The names of as many registers as are moved.
fn several(operand: &Operand, count: usize) -> Result<&[String], String> {
    match operand {
        Operand::Name(name) if count == 1 => Ok(std::slice::from_ref(name)),
        Operand::Vector(names) if names.len() == count => Ok(names),
        _ => Err(format!("moves {count} register{}", if count == 1 { "" } else { "s" })),
    }
}

/// A place among what the kernel was given.
fn param(builder: &mut Builder, operand: &Operand, size: usize) -> Result<Place, String> {
    let Operand::Address(name, offset) = operand else { return Err("expected a parameter".into()) };
    let param = builder.names.params.get(name).copied().ok_or_else(|| format!("not a parameter: {name}"))?;
    let start = usize::try_from(*offset).ok();
    let inside = start.is_some_and(|start| start.checked_add(size).is_some_and(|end| end <= param.size));
    if !inside {
        return Err(format!("outside the parameter: {name}"));
    }
    let at = param.offset + start.unwrap_or(0);
    if !at.is_multiple_of(size) {
        return Err(format!("not aligned: {name}"));
    }
    let base = builder.names.constant(0, 64, &mut builder.code)?;
    Ok(Place { space: Space::Param, base, offset: i64::try_from(at).unwrap_or(i64::MAX) })
}

/// `atom` and `red`: false if it is of a kind that is not simulated.
pub(super) fn atomic(builder: &mut Builder, name: &str, modes: &[&str], operands: &[Operand]) -> Result<bool, String> {
    let [modes @ .., kind] = modes else { return Ok(false) };
    let (space, action) = match modes {
        ["global", action] => (Space::Global, *action),
        ["shared", action] => (Space::Shared, *action),
        _ => return Ok(false),
    };
    let Some(kind) = Type::named(kind) else { return Ok(false) };
    let Some(change) = change(action, kind, space) else { return Ok(false) };
    if kind == Type::Float(64) {
        builder.needs((5, 0), 60)?;
    }
    let answers = name == "atom";
    if !answers && matches!(action, "exch" | "cas") {
        return Ok(false);
    }
    let wanted = 2 + usize::from(answers) + usize::from(action == "cas");
    if operands.len() != wanted {
        return Err(format!("takes {wanted} operands and not {}", operands.len()));
    }
    let (to, rest) = match operands {
        [to, rest @ ..] if answers => (Some(builder.target(to, kind)?), rest),
        rest => (None, rest),
    };
    let [place, sources @ ..] = rest else { return Ok(false) };
    let place = builder.address(place, space)?;
    let mut from = [0; 2];
    for (register, operand) in from.iter_mut().zip(sources) {
        *register = builder.source(operand, kind)?;
    }
    if let ([only], [_, second]) = (sources, &mut from) {
        *second = builder.source(only, kind)?;
    }
    let in_any_order = !answers && !matches!(kind, Type::Float(_));
    builder.code.in_order |= space == Space::Global && !in_any_order;
    let item = Item { size: kind.bytes(), signed: false, mask: ones(kind.bits()) };
    builder.place(Work::Atomic { place, to, from, item, change });
    Ok(true)
}

/// What becomes of the value in memory.
fn change(action: &str, kind: Type, space: Space) -> Option<Change> {
    use Type::{Bits, Float as Real, Signed, Unsigned};
    let width = kind.bits();
    let mask = ones(width.max(1));
    Some(match (action, kind) {
        ("add", Unsigned(32 | 64) | Signed(32)) => Box::new(move |old, b, _| old.wrapping_add(b) & mask),
        ("add", Real(32)) if space == Space::Global => {
            Box::new(|old, b, _| flushed(flushed(f32::of(old)).add(flushed(f32::of(b)))).bits())
        }
        ("add", Real(32)) => Box::new(|old, b, _| f32::of(old).add(f32::of(b)).bits()),
        ("add", Real(64)) => Box::new(|old, b, _| f64::of(old).add(f64::of(b)).bits()),
        ("min", Unsigned(32 | 64)) => Box::new(|old, b, _| old.min(b)),
        ("max", Unsigned(32 | 64)) => Box::new(|old, b, _| old.max(b)),
        ("min", Signed(32 | 64)) => {
            Box::new(move |old, b, _| if signed(b, width) < signed(old, width) { b } else { old })
        }
        ("max", Signed(32 | 64)) => {
            Box::new(move |old, b, _| if signed(b, width) > signed(old, width) { b } else { old })
        }
        ("and", Bits(32 | 64)) => Box::new(|old, b, _| old & b),
        ("or", Bits(32 | 64)) => Box::new(|old, b, _| old | b),
        ("xor", Bits(32 | 64)) => Box::new(|old, b, _| old ^ b),
        ("inc", Unsigned(32)) => Box::new(|old, b, _| if old >= b { 0 } else { old + 1 }),
        ("dec", Unsigned(32)) => Box::new(|old, b, _| if old == 0 || old > b { b } else { old - 1 }),
        ("exch", Bits(32 | 64)) => Box::new(|_, b, _| b),
        ("cas", Bits(32 | 64)) => Box::new(|old, b, c| if old == b { c } else { old }),
        _ => return None,
    })
}

/// Atomic additions to the device's memory take numbers too small for a full fraction as zeros of their sign.
fn flushed(value: f32) -> f32 {
    if value.is_subnormal() { 0.0_f32.copysign(value) } else { value }
}
