//! What stands between the braces of a kernel.

use super::cursor::Cursor;
use super::token::{Kind, Token};
use super::{Number, Type};
use crate::ptx::ParseError;

/// A statement.
#[derive(Debug)]
pub(in crate::ptx) enum Statement {
    /// Registers of one type; with a count, that many whose names end in a number from 0.
    Registers { line: u32, kind: Type, names: Vec<(String, Option<u64>)> },
    /// Memory that a block shares.
    Shared(Variable),
    /// A place to go to.
    Label { line: u32, name: String },
    /// Names declared from here on hold until the matching [`Close`](Self::Close).
    Open,
    /// The end of what [`Open`](Self::Open) began.
    Close,
    /// Something to do.
    Instruction(Instruction),
}

/// Memory with a name.
#[derive(Debug)]
pub(in crate::ptx) struct Variable {
    pub(in crate::ptx) line: u32,
    pub(in crate::ptx) name: String,
    /// In bytes.
    pub(in crate::ptx) align: usize,
    /// In bytes.
    pub(in crate::ptx) size: usize,
}

/// An instruction as it is written.
#[derive(Debug)]
pub(in crate::ptx) struct Instruction {
    pub(in crate::ptx) line: u32,
    pub(in crate::ptx) guard: Option<Guard>,
    /// The name and what follows it, by dots: `add`, `rn`, `f32`.
    pub(in crate::ptx) opcode: Vec<String>,
    pub(in crate::ptx) operands: Vec<Operand>,
    /// All of it, in one line.
    pub(in crate::ptx) text: String,
}

/// What must hold in a lane for it to take part.
#[derive(Debug)]
pub(in crate::ptx) struct Guard {
    pub(in crate::ptx) predicate: String,
    /// It must not hold instead.
    pub(in crate::ptx) negated: bool,
}

/// What an instruction works on.
#[derive(Debug)]
pub(in crate::ptx) enum Operand {
    /// A register, a label, a variable, or what a lane knows about itself.
    Name(String),
    /// The opposite of a predicate.
    Not(String),
    Number(Number),
    /// A place in memory.
    Address(String, i64),
    /// Several registers.
    Vector(Vec<String>),
}

/// The statements of a kernel up to its closing brace.
pub(super) fn body(cursor: &mut Cursor<'_>) -> Result<Vec<Statement>, ParseError> {
    let mut statements = Vec::new();
    let mut depth = 0_u32;
    loop {
        if cursor.eats("{") {
            depth += 1;
            statements.push(Statement::Open);
        } else if cursor.eats("}") {
            if depth == 0 {
                return Ok(statements);
            }
            depth -= 1;
            statements.push(Statement::Close);
        } else if cursor.eats(".pragma") {
            // It advises the compiler and changes no answer.
            cursor.take()?;
            cursor.mark(";")?;
        } else if cursor.eats(".reg") {
            statements.push(registers(cursor)?);
        } else if cursor.eats(".shared") {
            statements.push(Statement::Shared(shared(cursor)?));
        } else if cursor.second().is_some_and(|word| word.text == ":") {
            let line = cursor.line();
            let name = cursor.name("expected a label")?.to_owned();
            cursor.mark(":")?;
            statements.push(Statement::Label { line, name });
        } else {
            statements.push(Statement::Instruction(instruction(cursor)?));
        }
    }
}

/// A type that must stand here.
fn kind(cursor: &mut Cursor<'_>) -> Result<Type, ParseError> {
    let word = cursor.take()?;
    let named = word.text.strip_prefix('.').and_then(Type::named);
    named.ok_or_else(|| cursor.wrong(&format!("not a type: {}", word.text)))
}

/// What comes after `.reg`.
fn registers(cursor: &mut Cursor<'_>) -> Result<Statement, ParseError> {
    let line = cursor.line();
    let kind = kind(cursor)?;
    let mut names = Vec::new();
    loop {
        let name = cursor.name("a register needs a name")?.to_owned();
        let count = if cursor.eats("<") { Some(cursor.count()?) } else { None };
        if count.is_some() {
            cursor.mark(">")?;
        }
        names.push((name, count));
        if cursor.eats(";") {
            return Ok(Statement::Registers { line, kind, names });
        }
        cursor.mark(",")?;
    }
}

/// What comes after `.shared`.
pub(super) fn shared(cursor: &mut Cursor<'_>) -> Result<Variable, ParseError> {
    let found = variable(cursor)?;
    cursor.mark(";")?;
    Ok(found)
}

/// Optional alignment, a type, a name and optional lengths of an array.
pub(super) fn variable(cursor: &mut Cursor<'_>) -> Result<Variable, ParseError> {
    let wish = if cursor.eats(".align") { Some(cursor.count()?) } else { None };
    if wish.is_some_and(|align| !align.is_power_of_two() || align > 128) {
        return Err(cursor.wrong("an alignment is a power of two up to 128"));
    }
    let kind = kind(cursor)?;
    if kind == Type::Predicate {
        return Err(cursor.wrong("memory holds no predicate"));
    }
    let line = cursor.line();
    let name = cursor.name("memory needs a name")?.to_owned();
    let mut size = kind.bytes();
    while cursor.eats("[") {
        let length = cursor.count()?;
        let whole = usize::try_from(length).ok().and_then(|length| size.checked_mul(length));
        size = whole.filter(|size| *size <= 1 << 20).ok_or_else(|| cursor.wrong("an array of more than 1 MiB"))?;
        cursor.mark("]")?;
    }
    let align = wish.and_then(|align| usize::try_from(align).ok()).unwrap_or(kind.bytes()).max(kind.bytes());
    Ok(Variable { line, name, align, size })
}

/// An optional guard, the name, the operands.
fn instruction(cursor: &mut Cursor<'_>) -> Result<Instruction, ParseError> {
    let start = cursor.clone();
    let line = cursor.line();
    let guard = if cursor.eats("@") {
        let negated = cursor.eats("!");
        Some(Guard { predicate: cursor.name("a guard needs a predicate")?.to_owned(), negated })
    } else {
        None
    };
    let opcode = cursor.name("expected an instruction")?.split('.').map(str::to_owned).collect();
    let mut operands = Vec::new();
    if !cursor.eats(";") {
        loop {
            operands.push(operand(cursor)?);
            if cursor.eats(";") {
                break;
            }
            cursor.mark(",")?;
        }
    }
    Ok(Instruction { line, guard, opcode, operands, text: cursor.since(&start) })
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Operand, ParseError> {
    if cursor.eats("!") {
        return Ok(Operand::Not(cursor.name("expected a predicate")?.to_owned()));
    }
    if cursor.eats("[") {
        return address(cursor);
    }
    if cursor.eats("{") {
        let mut names = Vec::new();
        loop {
            names.push(cursor.name("expected a register")?.to_owned());
            if cursor.eats("}") {
                return Ok(Operand::Vector(names));
            }
            cursor.mark(",")?;
        }
    }
    match cursor.peek() {
        Some(Token { kind: Kind::Number, .. }) => Ok(Operand::Number(cursor.number()?)),
        Some(Token { text: "-", .. }) => Ok(Operand::Number(cursor.number()?)),
        _ => Ok(Operand::Name(cursor.name("expected an operand")?.to_owned())),
    }
}

/// What comes after `[`.
fn address(cursor: &mut Cursor<'_>) -> Result<Operand, ParseError> {
    let name = cursor.name("expected an address")?.to_owned();
    let offset = match cursor.eats("+").then(|| cursor.number()).transpose()? {
        None => 0,
        Some(Number::Whole(offset)) => offset.cast_signed(),
        Some(_) => return Err(cursor.wrong("expected a whole number")),
    };
    cursor.mark("]")?;
    Ok(Operand::Address(name, offset))
}
