//! From the text to what it says: words, then directives, kernels and statements. Names are not yet looked up.

mod cursor;
mod number;
mod statement;
mod token;
mod types;

pub(super) use number::Number;
pub(super) use statement::{Instruction, Operand, Statement, Variable};
pub(super) use types::Type;

use super::ParseError;
use cursor::Cursor;

/// A text of PTX, in its parts.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) version: (u32, u32),
    pub(super) target: u32,
    /// What every block of every kernel shares.
    pub(super) shared: Vec<Variable>,
    pub(super) kernels: Vec<Kernel>,
}

/// A kernel of the text.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) name: String,
    pub(super) line: u32,
    pub(super) params: Vec<Variable>,
    /// The most threads that a block may have, if the text says so.
    pub(super) most: Option<u64>,
    pub(super) body: Vec<Statement>,
}

impl Module {
    /// Takes a text apart.
    ///
    /// # Errors
    /// The first line that is not PTX, or that says what is not simulated.
    pub(super) fn parse(text: &str) -> Result<Self, ParseError> {
        let words = token::tokens(text)?;
        let mut cursor = Cursor::new(text, &words);
        cursor.directive(".version", "a text of PTX begins with .version")?;
        let version = cursor.version()?;
        cursor.directive(".target", "after .version comes .target")?;
        let target = cursor.target()?;
        let mut module = Self { version, target, shared: Vec::new(), kernels: Vec::new() };
        while let Some(word) = cursor.peek() {
            match word.text {
                ".address_size" => {
                    cursor.take()?;
                    if cursor.take()?.text != "64" {
                        return Err(cursor.wrong("addresses have 64 bits here"));
                    }
                }
                ".visible" | ".weak" => {
                    cursor.take()?;
                }
                ".shared" => {
                    cursor.take()?;
                    module.shared.push(statement::shared(&mut cursor)?);
                }
                ".entry" => {
                    cursor.take()?;
                    let kernel = kernel(&mut cursor)?;
                    if module.kernels.iter().any(|other| other.name == kernel.name) {
                        let reason = format!("a second kernel of this name: {}", kernel.name);
                        return Err(ParseError { line: kernel.line, reason });
                    }
                    module.kernels.push(kernel);
                }
                other => return Err(cursor.error(&format!("not simulated outside a kernel: {other}"))),
            }
        }
        Ok(module)
    }
}

/// What comes after `.entry`.
fn kernel(cursor: &mut Cursor<'_>) -> Result<Kernel, ParseError> {
    let line = cursor.line();
    let name = cursor.name("a kernel needs a name")?.to_owned();
    let mut params = Vec::new();
    if cursor.eats("(") {
        while !cursor.eats(")") {
            if !params.is_empty() {
                cursor.mark(",")?;
            }
            cursor.directive(".param", "a parameter begins with .param")?;
            params.push(statement::variable(cursor)?);
        }
    }
    let most = if cursor.eats(".maxntid") { Some(most(cursor)?) } else { None };
    cursor.mark("{")?;
    Ok(Kernel { name, line, params, most, body: statement::body(cursor)? })
}

/// What comes after `.maxntid`: up to three sides of a block, whose product counts.
fn most(cursor: &mut Cursor<'_>) -> Result<u64, ParseError> {
    let mut most = cursor.count()?;
    for _ in 0..2 {
        if cursor.eats(",") {
            most = most.saturating_mul(cursor.count()?);
        }
    }
    Ok(most)
}
