//! From what a text says to a program: names become numbers, opcodes become functions, types are checked.

mod bits;
mod builder;
mod compare;
mod convert;
mod float;
mod integer;
mod memory;
mod names;
mod plan;
mod special;

use std::collections::HashMap;

use super::code::{Logic, Work};
use super::text::{self, Kernel, Module, Operand, Statement, Type, Variable};
use super::{Entry, Param, ParseError};
use builder::Builder;
use plan::Plan;

/// The most memory that a block may share without asking for more, in bytes.
const SHARED: usize = 48 << 10;

/// Makes a kernel of a text ready to run.
///
/// # Errors
/// The first line that does not fit.
pub(super) fn entry(kernel: &Kernel, module: &Module) -> Result<Entry, ParseError> {
    let mut builder = Builder::new(module.version, module.target);
    builder.names.open();
    let params = params(kernel, &mut builder);
    let mut room = 0;
    for variable in &module.shared {
        reserve(variable, &mut room, &mut builder)?;
    }
    let mut labels = HashMap::new();
    for statement in &kernel.body {
        match statement {
            Statement::Open => builder.names.open(),
            Statement::Close => builder.names.close(),
            Statement::Shared(variable) => reserve(variable, &mut room, &mut builder)?,
            Statement::Registers { line, kind, names } => {
                for (name, count) in names {
                    let declared = builder.names.declare(name, *count, *kind);
                    declared.map_err(|reason| ParseError { line: *line, reason })?;
                }
            }
            Statement::Label { line, name } => {
                if labels.insert(name.clone(), builder.code.instructions.len()).is_some() {
                    return Err(ParseError { line: *line, reason: format!("a second label of this name: {name}") });
                }
            }
            Statement::Instruction(instruction) => {
                let placed = builder.begin(instruction).and_then(|()| place(&mut builder, instruction));
                let placed = placed.map_err(|reason| builder.wrong(format!("{reason}: {}", instruction.text)))?;
                if !placed {
                    return Err(builder.wrong(format!("not an instruction that is simulated: {}", instruction.text)));
                }
            }
        }
    }
    builder.end();
    for (at, label, line) in std::mem::take(&mut builder.jumps) {
        let to = labels.get(&label).and_then(|to| u32::try_from(*to).ok());
        let to = to.ok_or_else(|| ParseError { line, reason: format!("no label of this name: {label}") })?;
        if let Some(instruction) = builder.code.instructions.get_mut(at) {
            instruction.work = Work::Branch { to };
        }
    }
    Ok(Entry { name: kernel.name.clone(), params, shared: room, max_threads: kernel.most, code: builder.code })
}

/// Lays out the parameters, each behind the one before.
fn params(kernel: &Kernel, builder: &mut Builder) -> Vec<Param> {
    let mut end = 0_usize;
    let lay = |variable: &Variable| {
        let offset = end.next_multiple_of(variable.align);
        end = offset + variable.size;
        let param = Param { size: variable.size, align: variable.align, offset };
        builder.names.params.insert(variable.name.clone(), param);
        param
    };
    kernel.params.iter().map(lay).collect()
}

/// Gives a variable its place in the memory of a block.
fn reserve(variable: &Variable, room: &mut usize, builder: &mut Builder) -> Result<(), ParseError> {
    let wrong = |reason: String| ParseError { line: variable.line, reason };
    let start = room.next_multiple_of(variable.align);
    *room = start + variable.size;
    if *room > SHARED {
        return Err(wrong(format!("more than {SHARED} bytes of memory of the block: {}", variable.name)));
    }
    match builder.names.shared.insert(variable.name.clone(), start as u64) {
        Some(_) => Err(wrong(format!("declared twice: {}", variable.name))),
        None => Ok(()),
    }
}

/// Places an instruction: false if it is none that is simulated.
fn place(builder: &mut Builder, instruction: &text::Instruction) -> Result<bool, String> {
    let opcode: Vec<&str> = instruction.opcode.iter().map(String::as_str).collect();
    let operands = instruction.operands.as_slice();
    let [name, modes @ ..] = opcode.as_slice() else { return Ok(false) };
    match (*name, modes) {
        ("ld", _) => return memory::load(builder, modes, operands),
        ("st", _) => return memory::store(builder, modes, operands),
        ("atom" | "red", _) => return memory::atomic(builder, name, modes, operands),
        ("mov", [kind]) => return special::copy(builder, kind, operands),
        ("mma", _) => return special::multiply(builder, modes, operands),
        ("cvt", _) => return convert(builder, modes, operands),
        ("setp", _) => return compare(builder, modes, operands),
        ("selp", [kind]) => return select(builder, kind, operands),
        ("cvta", ["to", "global", "u64"] | ["global", "u64"]) => {
            let plan = Plan::of(Type::Unsigned(64), 1, super::code::Demand::Same, super::lanes::one(|a: u64| a));
            builder.compute(plan, operands)?;
        }
        ("bra", [] | ["uni"]) => match operands {
            [Operand::Name(label)] => builder.jump(label),
            _ => return Err("expected a label".into()),
        },
        ("bar", ["sync"]) => match operands {
            [Operand::Number(text::Number::Whole(number))] if *number < 16 => {
                builder.place(Work::Barrier { number: u32::try_from(*number).unwrap_or(0) });
            }
            _ => return Err("expected the number of a barrier, 0 to 15, and no count of threads".into()),
        },
        ("membar", ["cta" | "gl" | "sys"]) if operands.is_empty() => builder.place(Work::Fence),
        ("ret" | "exit", []) if operands.is_empty() => builder.place(Work::Exit),
        ("trap", []) if operands.is_empty() => builder.place(Work::Trap),
        ("and" | "or" | "xor" | "not", ["pred"]) => return combine(builder, name, operands),
        ("lop3", ["b32"]) => match operands {
            [operands @ .., Operand::Number(text::Number::Whole(table))] if *table < 256 => {
                builder.compute(bits::lop3(*table), operands)?;
            }
            _ => return Err("expected a table of 8 bits".into()),
        },
        _ => {
            let [modes @ .., kind] = modes else { return Ok(false) };
            let Some(kind) = Type::named(kind) else { return Ok(false) };
            let plan = integer::plan(name, modes, kind).or_else(|| float::plan(name, modes, kind));
            let Some(plan) = plan.or_else(|| bits::plan(name, modes, kind)) else { return Ok(false) };
            builder.compute(plan, operands)?;
        }
    }
    Ok(true)
}

/// `cvt`.
fn convert(builder: &mut Builder, modes: &[&str], operands: &[Operand]) -> Result<bool, String> {
    let [modes @ .., to, from] = modes else { return Ok(false) };
    let (Some(to), Some(from)) = (Type::named(to), Type::named(from)) else { return Ok(false) };
    let [Operand::Name(target), source] = operands else { return Err("takes 2 operands".into()) };
    let (target, room) = builder.roomy(target, to)?;
    let Some((run, demand)) = convert::conversion(modes, to, from, room) else { return Ok(false) };
    let source = match source {
        Operand::Name(name) if names::special(name).is_none() => builder.roomy(name, from)?.0,
        other => builder.source(other, from)?,
    };
    builder.place(Work::Compute { run, to: target, from: [source, 0, 0, 0], sources: 1, demand });
    Ok(true)
}

/// `setp`, also combined with another predicate.
fn compare(builder: &mut Builder, modes: &[&str], operands: &[Operand]) -> Result<bool, String> {
    let (relation, logic, kind) = match modes {
        [relation, kind] => (relation, None, kind),
        [relation, logic, kind] => match logic_named(logic) {
            Some(logic) => (relation, Some(logic), kind),
            None => return Ok(false),
        },
        _ => return Ok(false),
    };
    let Some(kind) = Type::named(kind) else { return Ok(false) };
    let Some(run) = compare::relation(relation, kind) else { return Ok(false) };
    let (to, a, b, with) = match (operands, logic) {
        ([Operand::Name(to), a, b], None) => (to, a, b, None),
        ([Operand::Name(to), a, b, other], Some(logic)) => (to, a, b, Some((logic, builder.condition(other)?))),
        _ => return Err(format!("takes {} operands", 3 + usize::from(logic.is_some()))),
    };
    let to = builder.predicate(to)?;
    let from = [builder.source(a, kind)?, builder.source(b, kind)?];
    builder.place(Work::Compare { run, to, from, with });
    Ok(true)
}

fn logic_named(name: &str) -> Option<Logic> {
    Some(match name {
        "and" => Logic::And,
        "or" => Logic::Or,
        "xor" => Logic::Xor,
        _ => return None,
    })
}

/// `selp`.
fn select(builder: &mut Builder, kind: &str, operands: &[Operand]) -> Result<bool, String> {
    let Some(kind) = Type::named(kind).filter(|kind| kind.bits() >= 16) else { return Ok(false) };
    let [to, a, b, by] = operands else { return Err("takes 4 operands".into()) };
    let to = builder.target(to, kind)?;
    let from = [builder.source(a, kind)?, builder.source(b, kind)?];
    let by = builder.condition(by)?;
    builder.place(Work::Select { to, from, by });
    Ok(true)
}

/// `and`, `or`, `xor`, `not` of predicates.
fn combine(builder: &mut Builder, name: &str, operands: &[Operand]) -> Result<bool, String> {
    let (to, from, logic) = match (operands, logic_named(name)) {
        ([Operand::Name(to), a, b], Some(logic)) => (to, [builder.condition(a)?, builder.condition(b)?], logic),
        ([Operand::Name(to), a], None) => {
            let mut a = builder.condition(a)?;
            a.negated = !a.negated;
            (to, [a, a], Logic::And)
        }
        _ => return Err("takes predicates".into()),
    };
    let to = builder.predicate(to)?;
    builder.place(Work::Combine { logic, to, from });
    Ok(true)
}
