//! What the names of a kernel stand for.

use std::collections::HashMap;

use crate::ptx::Param;
use crate::ptx::code::{Axis, Code, Register, Special};
use crate::ptx::text::Type;

/// The most registers that a kernel may name.
const REGISTERS: usize = 4096;

/// A register that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Among the predicates if it is one, else among the others.
    pub(super) register: Register,
    pub(super) kind: Type,
}

/// The names that are known at a place of the text, and the registers that they got.
#[derive(Debug, Default)]
pub(super) struct Names {
    scopes: Vec<Scope>,
    constants: HashMap<(u64, u32), Register>,
    specials: HashMap<Special, Register>,
    /// Where memory of the block begins, in bytes from its start.
    pub(super) shared: HashMap<String, u64>,
    pub(super) params: HashMap<String, Param>,
}

#[derive(Debug, Default)]
struct Scope {
    single: HashMap<String, Type>,
    /// A beginning of names, and how many numbers may follow it.
    many: Vec<(String, u64, Type)>,
    used: HashMap<String, Named>,
}

impl Names {
    /// Names declared from here on hold until [`close`](Self::close).
    pub(super) fn open(&mut self) {
        self.scopes.push(Scope::default());
    }

    pub(super) fn close(&mut self) {
        self.scopes.pop();
    }

    /// Declares registers.
    ///
    /// # Errors
    /// The name stands for another register already.
    pub(super) fn declare(&mut self, name: &str, count: Option<u64>, kind: Type) -> Result<(), String> {
        if self.scopes.is_empty() {
            self.open();
        }
        let Some(scope) = self.scopes.last_mut() else { return Ok(()) };
        let twice = match count {
            Some(count) => {
                let taken = scope.many.iter().any(|(other, ..)| other == name);
                scope.many.push((name.to_owned(), count, kind));
                taken
            }
            None => scope.single.insert(name.to_owned(), kind).is_some(),
        };
        if twice { Err(format!("declared twice: {name}")) } else { Ok(()) }
    }

    /// The register of this name.
    ///
    /// # Errors
    /// There is none, or there are too many.
    pub(super) fn register(&mut self, name: &str, code: &mut Code) -> Result<Named, String> {
        for scope in self.scopes.iter_mut().rev() {
            if let Some(named) = scope.used.get(name) {
                return Ok(*named);
            }
            if let Some(kind) = scope.declared(name) {
                let register = if kind == Type::Predicate {
                    code.predicates += 1;
                    code.predicates - 1
                } else {
                    code.widths.push(kind.bits());
                    code.widths.len() - 1
                };
                let register = u32::try_from(register).ok().filter(|_| register < REGISTERS);
                let register = register.ok_or_else(|| format!("more than {REGISTERS} registers"))?;
                let named = Named { register, kind };
                scope.used.insert(name.to_owned(), named);
                return Ok(named);
            }
        }
        Err(format!("not declared: {name}"))
    }

    /// A register that holds a number from the start.
    pub(super) fn constant(&mut self, value: u64, width: u32, code: &mut Code) -> Result<Register, String> {
        if let Some(register) = self.constants.get(&(value, width)) {
            return Ok(*register);
        }
        let register = hidden(width, code)?;
        code.constants.push((register, value));
        self.constants.insert((value, width), register);
        Ok(register)
    }

    /// A register that holds from the start what each lane knows.
    pub(super) fn special(&mut self, special: Special, code: &mut Code) -> Result<Register, String> {
        if let Some(register) = self.specials.get(&special) {
            return Ok(*register);
        }
        let register = hidden(32, code)?;
        code.specials.push((register, special));
        self.specials.insert(special, register);
        Ok(register)
    }
}

fn hidden(width: u32, code: &mut Code) -> Result<Register, String> {
    code.widths.push(width);
    let register = code.widths.len() - 1;
    let fits = u32::try_from(register).ok().filter(|_| register < REGISTERS);
    fits.ok_or_else(|| format!("more than {REGISTERS} registers"))
}

impl Scope {
    fn declared(&self, name: &str) -> Option<Type> {
        if let Some(kind) = self.single.get(name) {
            return Some(*kind);
        }
        let among = |(start, count, _): &&(String, u64, Type)| {
            let digits = name.strip_prefix(start.as_str()).filter(|digits| *digits == "0" || !digits.starts_with('0'));
            digits.and_then(|digits| digits.parse::<u64>().ok()).is_some_and(|number| number < *count)
        };
        self.many.iter().find(among).map(|(.., kind)| *kind)
    }
}

/// What a lane knows under this name.
pub(super) fn special(name: &str) -> Option<Special> {
    let (name, axis) = match name.rsplit_once('.') {
        Some((name, "x")) => (name, Some(Axis::X)),
        Some((name, "y")) => (name, Some(Axis::Y)),
        Some((name, "z")) => (name, Some(Axis::Z)),
        Some(_) => return None,
        None => (name, None),
    };
    Some(match (name, axis) {
        ("%tid", Some(axis)) => Special::Thread(axis),
        ("%ntid", Some(axis)) => Special::Threads(axis),
        ("%ctaid", Some(axis)) => Special::Block(axis),
        ("%nctaid", Some(axis)) => Special::Blocks(axis),
        ("%laneid", None) => Special::Lane,
        ("%lanemask_lt", None) => Special::LanesBelow,
        ("%warpid", None) => Special::Warp,
        ("%nwarpid", None) => Special::Warps,
        ("%smid", None) => Special::Multiprocessor,
        ("%nsmid", None) => Special::Multiprocessors,
        _ => return None,
    })
}
