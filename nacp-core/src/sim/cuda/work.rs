//! What queued work does, and how long a device would take for it.

use super::Cuda;
use super::device::Device;
use super::state::{INVALID_HANDLE, INVALID_VALUE, State, Work};
use crate::cuda::kernels::{ACCUMULATORS, Argument, CHAINS, Kernel, Launch, Pattern};
use crate::cuda::reference::{self, Differences};
use crate::cuda::{Memory, StreamHandle};

/// What every piece of work costs a device, in seconds.
const START: f64 = 2e-6;
/// What a link to the host carries, in bytes a second: PCIe 4.0 with 16 lanes, less what its frames take.
const LINK: f64 = 25e9;
/// How much of what it could do at most a device does.
const SHARE: f64 = 0.9;

impl Device {
    /// How fast memory is read or written, in bytes a second.
    fn bandwidth(&self) -> f64 {
        let (_, memory) = self.clocks();
        SHARE * (2.0 * f64::from(memory) * 1e6 * f64::from(self.bus()) / 8.0).max(1e9)
    }

    /// How many operations on numbers of 32 bits it does, a second.
    fn speed(&self) -> f64 {
        let (sm, _) = self.clocks();
        let cores =
            if matches!((self.compute().major, self.compute().minor), (6 | 8, 0) | (7, _)) { 64.0 } else { 128.0 };
        SHARE * (f64::from(self.multiprocessors) * cores * 2.0 * f64::from(sm) * 1e6).max(1e9)
    }
}

impl Cuda {
    /// Queues work on a stream: it is recorded, or done at once. Whether its memory is there was looked at before.
    pub(super) fn queue(&self, state: &mut State, stream: StreamHandle, work: Work) -> Result<(), i32> {
        let context = state.stream(stream)?.context;
        self.look(state, context, &work)?;
        let queue = state.stream(stream)?;
        if let Some(recording) = &mut queue.recording {
            recording.push(work);
            return Ok(());
        }
        self.perform(state, stream, context, &work)
    }

    /// Does work that is queued.
    pub(super) fn perform(
        &self,
        state: &mut State,
        stream: StreamHandle,
        context: u64,
        work: &Work,
    ) -> Result<(), i32> {
        self.look(state, context, work)?;
        let number = state.device(context);
        let device = self.devices.get(number as usize).ok_or(INVALID_VALUE)?;
        let seconds = match work {
            Work::Mark(event) => {
                let now = state.stream(stream)?.busy;
                if let Some((_, time)) = state.events.get_mut(event) {
                    *time = Some(now);
                }
                return Ok(());
            }
            Work::Fill { memory, word, words } => {
                self.fill(state, context, number, *memory, *word, *words)?;
                *words as f64 * 4.0 / device.bandwidth()
            }
            Work::Copy { to, from, bytes } => {
                self.copy_within(state, context, *to, *from, *bytes)?;
                2.0 * *bytes as f64 / device.bandwidth()
            }
            Work::ToDevice { to, from, bytes } => {
                let (at, piece) = state.locked(*from)?;
                let data = read(&piece.data, at, *bytes);
                self.write(state, context, *to, 0, &data)?;
                *bytes as f64 / LINK
            }
            Work::ToHost { to, from, bytes } => {
                let (at, piece) = state.piece(*from, context)?;
                let data = read(&piece.data, at, *bytes);
                let (at, piece) = state.locked(*to)?;
                piece.data.write(at, &data);
                *bytes as f64 / LINK
            }
            Work::Launch(launch) => {
                self.run(state, context, number, launch)?;
                let (operations, bytes) = cost(launch);
                operations / device.speed() + bytes / device.bandwidth()
            }
        };
        state.stream(stream)?.busy += START + seconds;
        Ok(())
    }

    /// Whether all memory that work touches is there.
    fn look(&self, state: &mut State, context: u64, work: &Work) -> Result<(), i32> {
        let long = |memory: &Memory, bytes: u64| if bytes <= memory.bytes { Ok(()) } else { Err(INVALID_VALUE) };
        match work {
            Work::Mark(event) => state.events.get(event).map(|_| ()).ok_or(INVALID_HANDLE),
            Work::Fill { memory, words, .. } => {
                long(memory, words.saturating_mul(4))?;
                state.piece(*memory, context).map(|_| ())
            }
            Work::Copy { to, from, bytes } => {
                long(to, *bytes)?;
                long(from, *bytes)?;
                state.piece(*to, context)?;
                state.piece(*from, context).map(|_| ())
            }
            Work::ToDevice { to: memory, from: pinned, bytes } | Work::ToHost { to: pinned, from: memory, bytes } => {
                long(memory, *bytes)?;
                if *bytes > pinned.bytes {
                    return Err(INVALID_VALUE);
                }
                state.piece(*memory, context)?;
                state.locked(*pinned).map(|_| ())
            }
            Work::Launch(launch) => launch.arguments().iter().try_for_each(|argument| match argument {
                Argument::Memory(memory) => state.piece(*memory, context).map(|_| ()),
                _ => Ok(()),
            }),
        }
    }

    /// Writes to memory of a device, where no bit of it is stuck.
    pub(super) fn write(
        &self,
        state: &mut State,
        context: u64,
        to: Memory,
        offset: u64,
        data: &[u8],
    ) -> Result<(), i32> {
        let number = state.device(context);
        let stuck: Vec<_> = self.faults.stuck.iter().filter(|stuck| stuck.device == number).collect();
        let (at, piece) = state.piece(to, context)?;
        if stuck.is_empty() {
            piece.data.write(at + offset, data);
            return Ok(());
        }
        let mut data = data.to_vec();
        let start = (to.address + offset) % super::state::ROOM;
        for stuck in stuck {
            let place = stuck.offset.checked_sub(start).and_then(|place| usize::try_from(place).ok());
            if let Some(byte) = place.and_then(|place| data.get_mut(place)) {
                *byte |= 1 << stuck.bit;
            }
        }
        piece.data.write(at + offset, &data);
        Ok(())
    }

    fn fill(
        &self,
        state: &mut State,
        context: u64,
        device: u32,
        memory: Memory,
        word: u32,
        words: u64,
    ) -> Result<(), i32> {
        let (at, piece) = state.piece(memory, context)?;
        let stuck = self.faults.stuck.iter().any(|stuck| stuck.device == device);
        if at == 0 && words == piece.bytes / 4 && piece.bytes.is_multiple_of(4) && !stuck {
            piece.data.fill(word);
            return Ok(());
        }
        let data: Vec<u8> = (0..words).flat_map(|_| word.to_le_bytes()).collect();
        self.write(state, context, memory, 0, &data)
    }

    pub(super) fn copy_within(
        &self,
        state: &mut State,
        context: u64,
        to: Memory,
        from: Memory,
        bytes: u64,
    ) -> Result<(), i32> {
        let (at, piece) = state.piece(from, context)?;
        let data = read(&piece.data, at, bytes);
        self.write(state, context, to, 0, &data)
    }

    /// Does what a kernel does.
    fn run(&self, state: &mut State, context: u64, device: u32, launch: &Launch) -> Result<(), i32> {
        let memory: Vec<Memory> = launch
            .arguments()
            .iter()
            .filter_map(|argument| match argument {
                Argument::Memory(memory) => Some(*memory),
                _ => None,
            })
            .collect();
        match (launch.kernel(), memory.as_slice()) {
            (Kernel::Empty, _) => Ok(()),
            (Kernel::Copy, [to, from]) => {
                let bytes = words_of(launch).saturating_mul(16);
                self.copy_within(state, context, *to, *from, bytes)
            }
            (Kernel::Atomics, [out]) => {
                // Some order; the same each time, because there is only one thread here.
                let range = launch.arguments().iter().filter_map(|argument| match argument {
                    Argument::U32(number) => Some(*number),
                    _ => None,
                });
                let numbers: Vec<u32> = range.collect();
                let &[values, seed] = numbers.as_slice() else { return Err(INVALID_VALUE) };
                let sums = reference::atomics(values, seed);
                #[expect(clippy::cast_possible_truncation, reason = "a sum of numbers of 32 bits, rounded to 32 bits")]
                let sum = ((sums.start() + sums.end()) / 2.0) as f32;
                self.write(state, context, *out, 0, &sum.to_le_bytes())
            }
            (Kernel::PatternWrite, [memory]) => {
                let (words, pattern, _) = pattern_of(launch).ok_or(INVALID_VALUE)?;
                let data: Vec<u8> = reference::pattern(pattern, 0)
                    .take(usize::try_from(words).map_err(|_| INVALID_VALUE)?)
                    .flat_map(u32::to_le_bytes)
                    .collect();
                self.write(state, context, *memory, 0, &data)
            }
            (Kernel::PatternCheck, [memory, errors]) => self.compare(state, context, launch, *memory, *errors),
            (kernel, [out, rest @ ..]) => {
                let mut words = reference::of_launch(launch).ok_or(INVALID_VALUE)?;
                let wrong = self.faults.flips.iter().filter(|flip| flip.device == device && flip.kernel == kernel);
                for flip in wrong {
                    let length = words.len().max(1);
                    if let Some(word) = words.get_mut(flip.lane as usize % length) {
                        *word ^= 1 << flip.bit;
                    }
                }
                let data: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
                self.write(state, context, *out, 0, &data)?;
                // The blocks go round the multiprocessors.
                let Some(sms) = rest.first() else { return Ok(()) };
                let count = self.devices.get(device as usize).map_or(1, |device| device.multiprocessors.max(1));
                let data: Vec<u8> = (0..launch.grid()).flat_map(|block| (block % count).to_le_bytes()).collect();
                self.write(state, context, *sms, 0, &data)
            }
            _ => Err(INVALID_VALUE),
        }
    }

    fn compare(
        &self,
        state: &mut State,
        context: u64,
        launch: &Launch,
        memory: Memory,
        errors: Memory,
    ) -> Result<(), i32> {
        let (words, pattern, invert) = pattern_of(launch).ok_or(INVALID_VALUE)?;
        let (at, piece) = state.piece(memory, context)?;
        let found: Vec<u32> =
            read(&piece.data, at, words * 4).as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let (at, piece) = state.piece(errors, context)?;
        let mut record = [0; 24];
        piece.data.read(at, &mut record);
        let record = reference::compare(&found, pattern, Differences::from_bytes(record));
        self.write(state, context, errors, 0, &record.to_bytes())?;
        if !invert {
            return Ok(());
        }
        let data: Vec<u8> =
            reference::pattern(pattern, 0).take(found.len()).flat_map(|word| (!word).to_le_bytes()).collect();
        self.write(state, context, memory, 0, &data)
    }
}

fn read(data: &super::memory::Sparse, at: u64, bytes: u64) -> Vec<u8> {
    let mut read = vec![0; usize::try_from(bytes).unwrap_or(0)];
    data.read(at, &mut read);
    read
}

/// How many words, which pattern, and whether its complement is left behind.
fn pattern_of(launch: &Launch) -> Option<(u64, Pattern, bool)> {
    let numbers: Vec<u32> = launch
        .arguments()
        .iter()
        .filter_map(|argument| match argument {
            Argument::U32(number) => Some(*number),
            _ => None,
        })
        .collect();
    let words = launch.arguments().iter().find_map(|argument| match argument {
        Argument::U64(number) => Some(*number),
        _ => None,
    })?;
    let &[kind, first, second, offset, ref rest @ ..] = numbers.as_slice() else { return None };
    let pattern = match kind {
        0 => Pattern::Constant(first),
        1 => Pattern::Address(first),
        _ => Pattern::Modulo20 { offset, here: first, elsewhere: second },
    };
    Some((words, pattern, rest.first().is_some_and(|invert| *invert != 0)))
}

/// The number of 64 bits that a kernel of memory is given: how many words it works on.
fn words_of(launch: &Launch) -> u64 {
    let mut numbers = launch.arguments().iter().filter_map(|argument| match argument {
        Argument::U64(number) => Some(*number),
        _ => None,
    });
    numbers.next().unwrap_or(0)
}

/// How many operations a kernel does, and how many bytes it moves.
fn cost(launch: &Launch) -> (f64, f64) {
    let numbers = launch.arguments().iter().filter_map(|argument| match argument {
        Argument::U32(number) => Some(f64::from(*number)),
        _ => None,
    });
    let numbers: Vec<f64> = numbers.collect();
    let (threads, steps) = (numbers.first().copied().unwrap_or(1.0), numbers.get(1).copied().unwrap_or(1.0));
    let words = words_of(launch) as f64;
    match launch.kernel() {
        Kernel::FmaRate => (2.0 * f64::from(CHAINS) * threads * steps, 0.0),
        // Tensor units do many times as much as the others.
        Kernel::MmaRate => (2.0 * 16.0 * 8.0 * 8.0 * f64::from(ACCUMULATORS) * threads * steps / 8.0, 0.0),
        Kernel::Copy => (0.0, 32.0 * words),
        Kernel::PatternWrite => (0.0, 4.0 * words),
        Kernel::PatternCheck => (0.0, 8.0 * words),
        Kernel::Hash | Kernel::Fma | Kernel::Ieee => (10.0 * threads * steps, 4.0 * threads),
        Kernel::Mma => (2048.0 * threads * steps, 128.0 * threads),
        Kernel::Reduce | Kernel::Rows | Kernel::Atomics => (1e4, 0.0),
        _ => (0.0, 0.0),
    }
}
