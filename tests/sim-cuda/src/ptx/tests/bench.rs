//! A device of nothing but memory, on which texts run.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use crate::ptx::{Flip, Global, Grid, Program, Stats, Trap, run};

/// Where the memory begins.
pub(super) const BASE: u64 = 0x7000_0000;

/// Memory, and what runs on it.
pub(super) struct Bench {
    memory: Mutex<Vec<u8>>,
    pub(super) grid: Grid,
    pub(super) stop: AtomicBool,
    pub(super) flip: Option<Flip>,
}

impl Global for Bench {
    fn load(&self, address: u64, bytes: &mut [u8]) -> Result<(), Trap> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.copy_from_slice(memory.get(range(address, bytes.len())?).ok_or(Trap::Address(address))?);
        Ok(())
    }

    fn store(&self, address: u64, bytes: &[u8]) -> Result<(), Trap> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.get_mut(range(address, bytes.len())?).ok_or(Trap::Address(address))?.copy_from_slice(bytes);
        Ok(())
    }

    fn update(&self, address: u64, size: usize, change: &mut dyn FnMut(u64) -> u64) -> Result<u64, Trap> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let place = memory.get_mut(range(address, size)?).ok_or(Trap::Address(address))?;
        let mut word = [0; 8];
        word[..size].copy_from_slice(place);
        let old = u64::from_le_bytes(word);
        place.copy_from_slice(&change(old).to_le_bytes()[..size]);
        Ok(old)
    }
}

fn range(address: u64, length: usize) -> Result<std::ops::Range<usize>, Trap> {
    let start =
        address.checked_sub(BASE).and_then(|start| usize::try_from(start).ok()).ok_or(Trap::Address(address))?;
    Ok(start..start + length)
}

impl Bench {
    /// So many bytes of zeros, and one block of so many threads.
    pub(super) fn new(bytes: usize, threads: u32) -> Self {
        let grid = Grid { grid: [1, 1, 1], block: [threads, 1, 1], multiprocessors: 2 };
        Self { memory: Mutex::new(vec![0; bytes]), grid, stop: AtomicBool::new(false), flip: None }
    }

    pub(super) fn blocks(mut self, blocks: u32) -> Self {
        self.grid.grid = [blocks, 1, 1];
        self
    }

    pub(super) fn words(&self) -> Vec<u32> {
        let memory = self.memory.lock().unwrap();
        memory.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    }

    pub(super) fn put(&self, offset: usize, bytes: &[u8]) {
        self.memory.lock().unwrap()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Runs a kernel whose parameters are these bytes.
    pub(super) fn launch(&self, program: &Program, kernel: &str, params: &[u8]) -> Result<Stats, Trap> {
        let entry = program.entry(kernel).expect(kernel);
        assert_eq!(entry.params_len(), params.len(), "{kernel}");
        run(program, entry, &self.grid, params, self, self.flip.as_ref(), &self.stop)
    }

    /// Runs a body with registers of every kind; `%d0` holds where the memory begins.
    pub(super) fn body(&self, body: &str) -> Result<Stats, Trap> {
        self.launch(&program(body), "k", &BASE.to_le_bytes())
    }

    /// What a body that cannot fail leaves in memory.
    pub(super) fn after(self, body: &str) -> Vec<u32> {
        self.body(body).unwrap();
        self.words()
    }
}

/// A text with registers of every kind around a body.
pub(super) fn text(body: &str) -> String {
    format!(
        ".version 6.5\n.target sm_75\n.address_size 64\n.visible .entry k(.param .u64 memory)\n{{\n\
         .reg .pred %p<20>; .reg .b16 %h<20>; .reg .b32 %r<40>; .reg .b64 %d<20>; .reg .f32 %f<20>; .reg .f64 %g<20>;\n\
         ld.param.u64 %d0, [memory];\n{body}\n}}\n"
    )
}

pub(super) fn program(body: &str) -> Program {
    let text = text(body);
    Program::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What an instruction writes to the first register of its kind (`%h9`, `%r9`, `%d9`, `%f9`, `%g9` or `%p9`), when
/// registers 1 to 4 of every kind hold the low bits of the inputs.
pub(super) fn value(instruction: &str, inputs: &[u64]) -> u64 {
    let bench = Bench::new(64, 32);
    let mut body = String::new();
    for (number, input) in inputs.iter().enumerate() {
        bench.put(8 * number + 16, &input.to_le_bytes());
        for (kind, register) in [("b16", 'h'), ("b32", 'r'), ("b64", 'd'), ("f32", 'f'), ("f64", 'g')] {
            body += &format!("ld.global.{kind} %{register}{}, [%d0+{}];\n", number + 1, 8 * number + 16);
        }
    }
    body += instruction;
    body += "\n";
    let last = instruction.trim_end_matches(';').rsplit(';').next().unwrap();
    let written = last.split('%').nth(1).and_then(|name| name.chars().next()).unwrap();
    body += match written {
        'h' => "st.global.b16 [%d0], %h9;",
        'r' => "st.global.b32 [%d0], %r9;",
        'd' => "st.global.b64 [%d0], %d9;",
        'f' => "st.global.f32 [%d0], %f9;",
        'g' => "st.global.f64 [%d0], %g9;",
        'p' => "selp.u32 %r9, 1, 0, %p9; st.global.b32 [%d0], %r9;",
        other => panic!("writes to {other}"),
    };
    let words = bench.after(&body);
    u64::from(words[1]) << 32 | u64::from(words[0])
}

/// A row of a table: an instruction, its inputs, and what it gives.
pub(super) type Row<'a> = (&'a str, &'a [u64], u64);

pub(super) fn check(rows: &[Row<'_>]) {
    for (instruction, inputs, expected) in rows {
        let found = value(instruction, inputs);
        assert_eq!(found, *expected, "{instruction} {inputs:x?}: {found:#x} and not {expected:#x}");
    }
}
