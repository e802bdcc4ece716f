//! Loading PTX.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::sync::Arc;
use std::time::Instant;

use crate::call::calls;
use crate::caller::{item, put, text, wanted, write_text};
use crate::code::{Answer, Code};
use crate::machine::{Function, Handle, Machine, Module, Refusal, compile};

/// How the numbers of `CUjit_option` are called that do something here, and the last one that is known.
const WALL_TIME: c_uint = 2;
const INFO_BUFFER: c_uint = 3;
const INFO_SIZE: c_uint = 4;
const ERROR_BUFFER: c_uint = 5;
const ERROR_SIZE: c_uint = 6;
const LAST_OPTION: c_uint = 34;

/// What images of machine code begin with: ELF, and the container of several images.
const CUBIN: [u8; 4] = *b"\x7fELF";
const CONTAINER: [u8; 4] = [0x50, 0xED, 0x55, 0xBA];

/// The options of a load: an array of numbers and an array of values of the size of a pointer.
struct Options {
    numbers: *const c_uint,
    values: *mut usize,
    count: usize,
}

impl Options {
    const NONE: Self = Self { numbers: std::ptr::null(), values: std::ptr::null_mut(), count: 0 };

    /// Refuses what cuda.h does not know.
    fn check(&self) -> Answer {
        for nth in 0..self.count {
            if item(self.numbers, nth)? > LAST_OPTION {
                return Err(Code::INVALID_VALUE);
            }
            item(self.values.cast_const(), nth)?;
        }
        Ok(())
    }

    /// Where the value of an option stands, if it is given.
    fn place(&self, wanted: c_uint) -> Option<*mut usize> {
        let nth = (0..self.count).find(|nth| item(self.numbers, *nth) == Ok(wanted))?;
        Some(self.values.wrapping_add(nth))
    }

    fn value(&self, wanted: c_uint) -> Option<usize> {
        item(self.place(wanted)?.cast_const(), 0).ok()
    }

    /// Leaves a log in the caller's buffer, and in place of the buffer's size the length of the log.
    fn tell(&self, buffer: c_uint, size: c_uint, log: &str) {
        let room = self.value(size).unwrap_or(0);
        let address = self.value(buffer).unwrap_or(0);
        let written = if address == 0 || room == 0 {
            0
        } else {
            write_text(std::ptr::with_exposed_provenance_mut::<c_char>(address), room, log)
        };
        if let Some(place) = self.place(size) {
            // The place lies in the caller's array.
            _ = put(place, if log.is_empty() { 0 } else { written });
        }
    }
}

/// The text of an image, or why it is none.
fn ptx<'a>(image: *const u8) -> Answer<&'a str> {
    wanted(image)?;
    for magic in [CUBIN, CONTAINER] {
        // A text may be shorter than the magic number; its end mark is none of its bytes.
        let begins = magic.iter().enumerate().all(|(nth, byte)| item(image, nth) == Ok(*byte));
        if begins {
            return Err(Code::NO_BINARY_FOR_GPU);
        }
    }
    // SAFETY: not null, and by the contract of the driver's API a text with its end mark where it is no machine code.
    let text = unsafe { CStr::from_ptr(image.cast()) };
    text.to_str().map_err(|_| Code::INVALID_PTX)
}

fn load(machine: &Machine, place: *mut Handle, image: *const u8, options: &Options) -> Answer {
    wanted(place)?;
    options.check()?;
    let (context, device) = {
        let state = machine.state();
        let context = state.usable()?;
        (context, state.context(context)?.device)
    };
    let start = Instant::now();
    let compiled = ptx(image)
        .map_err(|code| Refusal { code, log: String::new() })
        .and_then(|text| compile(text, &machine.devices[device], &machine.config));
    if let Some(place) = options.place(WALL_TIME) {
        // A float in the place of a pointer, as cuda.h has it.
        put(place.cast::<f32>(), start.elapsed().as_secs_f32() * 1e3)?;
    }
    let log = compiled.as_ref().map_or_else(|refusal| refusal.log.as_str(), |_| "");
    options.tell(ERROR_BUFFER, ERROR_SIZE, log);
    options.tell(INFO_BUFFER, INFO_SIZE, "");
    let program = Arc::new(compiled.map_err(|refusal| refusal.code)?);
    let (major, minor) = program.version();
    machine.note(&format!("# PTX {major}.{minor} for sm_{}", program.target()));
    let module = machine.state().modules.insert(Module { context, program });
    put(place, module)
}

calls! {
    /// Loads a text.
    cuModuleLoadData(place: *mut Handle, image: *const u8) [Current] |machine| {
        load(machine, place, image, &Options::NONE)
    };

    /// The same with options: where to leave the compiler's logs.
    cuModuleLoadDataEx(
        place: *mut Handle, image: *const u8, count: c_uint, numbers: *const c_uint, values: *mut usize,
    ) [Current] |machine| {
        load(machine, place, image, &Options { numbers, values, count: count as usize })
    };

    /// Unloads it; its kernels are gone.
    cuModuleUnload(module: Handle) [Current] |machine| {
        let mut state = machine.state();
        state.usable()?;
        state.modules.remove(module)?;
        state.functions.retain(|function| function.module != module);
        Ok(())
    };

    /// A kernel of a loaded text.
    cuModuleGetFunction(place: *mut Handle, module: Handle, name: *const c_char) [Current] |machine| {
        wanted(place)?;
        let name = text(name)?;
        let mut state = machine.state();
        state.usable()?;
        let found = state.modules.get(module)?;
        let (context, program) = (found.context, Arc::clone(&found.program));
        if program.entry(name).is_none() {
            return Err(Code::NOT_FOUND);
        }
        let known = state.functions.iter().find(|(_, known)| known.module == module && known.entry == name);
        let function = match known.map(|(handle, _)| handle) {
            Some(handle) => handle,
            None => state.functions.insert(Function { context, module, program, entry: name.into() }),
        };
        put(place, function)
    };

    /// A variable of a loaded text: there are none, because the simulated language has none.
    cuModuleGetGlobal_v2(address: *mut u64, bytes: *mut usize, module: Handle, name: *const c_char) [Current] |machine| {
        text(name)?;
        if address.is_null() && bytes.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        let state = machine.state();
        state.usable()?;
        state.modules.get(module)?;
        Err(Code::NOT_FOUND)
    };

    /// How far a text is loaded (`CU_MODULE_EAGER_LOADING`): all of it at once.
    cuModuleGetLoadingMode(mode: *mut c_int) [Current] |_machine| put(mode, 1);
}
