//! What queued work does, and how long a device would take for it.

use super::Cuda;
use super::device::Device;
use super::faults::Stuck;
use super::state::{CAPTURE_INVALIDATED, INVALID_HANDLE, INVALID_VALUE, ROOM, State, Work};
use crate::cuda::kernels::{Argument, Filling, Kernel, Launch};
use crate::cuda::reference::{self, Differences};
use crate::cuda::{Memory, StreamHandle};

/// What every piece of work costs a device, in seconds.
const START: f64 = 2e-6;
/// What a link to the host carries, in bytes a second: PCIe 4.0 with 16 lanes, less what its frames take.
const LINK: f64 = 25e9;
/// How much of what it could do at most a device does.
const SHARE: f64 = 0.9;
/// How many times as much as its other units the tensor units of a device do.
const TENSOR: f64 = 8.0;

impl Device {
    /// How fast memory is read or written, in bytes a second.
    fn bandwidth(&self) -> f64 {
        let (_, memory) = self.clocks();
        SHARE * (2.0 * f64::from(memory) * 1e6 * f64::from(self.bus()) / 8.0).max(1e9)
    }

    /// How many operations of a kernel it does, a second.
    fn speed(&self, kernel: Kernel) -> f64 {
        let (sm, _) = self.clocks();
        let cores =
            if matches!((self.compute().major, self.compute().minor), (6 | 8, 0) | (7, _)) { 64.0 } else { 128.0 };
        let times = if matches!(kernel, Kernel::Mma | Kernel::MmaRate) { TENSOR } else { 1.0 };
        SHARE * times * (f64::from(self.multiprocessors) * cores * 2.0 * f64::from(sm) * 1e6).max(1e9)
    }
}

impl Cuda {
    /// Queues work on a stream: it is recorded, or done at once. What it touches was looked at before.
    pub(super) fn queue(&self, state: &mut State, stream: StreamHandle, work: Work) -> Result<(), i32> {
        let queue = state.stream(stream)?;
        let context = queue.context;
        match &mut queue.recording {
            Some(recording) if recording.spoilt => Err(CAPTURE_INVALIDATED),
            Some(recording) => {
                recording.works.push(work);
                Ok(())
            }
            None => self.perform(state, stream, context, &work),
        }
    }

    /// Does work that is queued.
    fn perform(&self, state: &mut State, stream: StreamHandle, context: u64, work: &Work) -> Result<(), i32> {
        let number = state.device(context);
        let device = self.devices.get(number as usize).ok_or(INVALID_VALUE)?;
        let seconds = match work {
            Work::Mark(event) => {
                let now = state.stream(stream)?.busy;
                if let Some((_, time)) = state.events.get_mut(&event.raw()) {
                    *time = Some(now);
                }
                return Ok(());
            }
            Work::Fill { memory, word, words } => {
                self.fill(state, *memory, *word, *words)?;
                *words as f64 * 4.0 / device.bandwidth()
            }
            Work::Copy { to, from, bytes } => {
                self.copy_bytes(state, *to, *from, *bytes)?;
                2.0 * *bytes as f64 / device.bandwidth()
            }
            Work::CopyPeer { to, from, bytes } => {
                self.copy_bytes(state, to.0, from.0, *bytes)?;
                *bytes as f64 / LINK
            }
            Work::ToDevice { to, from, bytes } => {
                let (at, piece) = state.locked(*from)?;
                let data = read(&piece.data, at, *bytes);
                self.write(state, *to, 0, &data)?;
                *bytes as f64 / LINK
            }
            Work::ToHost { to, from, bytes } => {
                let (at, piece) = state.piece(*from)?;
                let data = read(&piece.data, at, *bytes);
                let (at, piece) = state.locked(*to)?;
                piece.data.write(at, &data);
                *bytes as f64 / LINK
            }
            Work::Launch { launch, .. } => {
                self.run(state, number, launch)?;
                launch.flops() as f64 / device.speed(launch.kernel()) + launch.bytes() as f64 / device.bandwidth()
            }
        };
        state.stream(stream)?.busy += START + seconds;
        Ok(())
    }

    /// Whether all that work touches is there, long enough, and of a context that may use it.
    pub(super) fn look(state: &mut State, context: u64, work: &Work) -> Result<(), i32> {
        let same = |owner: u64| if owner == context { Ok(()) } else { Err(INVALID_HANDLE) };
        match work {
            Work::Mark(event) => same(state.event(*event)?.0),
            Work::Fill { memory, words, .. } => {
                state.piece(*memory)?;
                long(words.saturating_mul(4), memory.bytes)?;
                state.may_use(context, *memory)
            }
            Work::Copy { to, from, bytes } => {
                long(*bytes, to.bytes.min(from.bytes))?;
                state.may_use(context, *to)?;
                state.may_use(context, *from)
            }
            Work::CopyPeer { to, from, bytes } => {
                long(*bytes, to.0.bytes.min(from.0.bytes))?;
                for (memory, owner) in [to, from] {
                    if state.piece(*memory)?.1.context != owner.raw() {
                        return Err(INVALID_HANDLE);
                    }
                }
                same(to.1.raw()).or(same(from.1.raw()))
            }
            Work::ToDevice { to: memory, from: pinned, bytes } | Work::ToHost { to: pinned, from: memory, bytes } => {
                state.piece(*memory)?;
                let owner = state.locked(*pinned)?.1.context;
                long(*bytes, memory.bytes.min(pinned.bytes))?;
                state.may_use(context, *memory)?;
                same(owner)
            }
            Work::Launch { launch, module } => {
                same(state.modules.get(module).ok_or(INVALID_HANDLE)?.1)?;
                launch.arguments().iter().try_for_each(|argument| match argument {
                    Argument::Memory(memory) => state.may_use(context, *memory),
                    _ => Ok(()),
                })
            }
        }
    }

    /// Writes to memory of a device, where no bit of it is stuck.
    pub(super) fn write(&self, state: &mut State, to: Memory, offset: u64, data: &[u8]) -> Result<(), i32> {
        let stuck: Vec<_> = self.stuck(to).collect();
        let (at, piece) = state.piece(to)?;
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

    /// The stuck bits of the device that this memory is on.
    fn stuck(&self, memory: Memory) -> impl Iterator<Item = &Stuck> {
        let device = (memory.address / ROOM).checked_sub(1);
        self.faults.stuck.iter().filter(move |stuck| Some(u64::from(stuck.device)) == device)
    }

    fn fill(&self, state: &mut State, memory: Memory, word: u32, words: u64) -> Result<(), i32> {
        let well = self.stuck(memory).next().is_none();
        let (at, piece) = state.piece(memory)?;
        if at == 0 && words == piece.bytes / 4 && piece.bytes.is_multiple_of(4) && well {
            piece.data.fill(word);
            return Ok(());
        }
        let data: Vec<u8> = (0..words).flat_map(|_| word.to_le_bytes()).collect();
        self.write(state, memory, 0, &data)
    }

    fn copy_bytes(&self, state: &mut State, to: Memory, from: Memory, bytes: u64) -> Result<(), i32> {
        let (at, piece) = state.piece(from)?;
        let data = read(&piece.data, at, bytes);
        self.write(state, to, 0, &data)
    }

    /// Does what a kernel does.
    fn run(&self, state: &mut State, device: u32, launch: &Launch) -> Result<(), i32> {
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
                // Each byte is read and written.
                self.copy_bytes(state, *to, *from, launch.bytes() / 2)
            }
            (Kernel::Atomics, [out]) => {
                // Some order; the same each time, because there is only one thread here.
                let numbers: Vec<u32> = launch.arguments().iter().filter_map(Argument::u32).collect();
                let &[values, seed] = numbers.as_slice() else { return Err(INVALID_VALUE) };
                let sums = reference::atomics(values, seed);
                #[expect(clippy::cast_possible_truncation, reason = "a sum of numbers of 32 bits, rounded to 32 bits")]
                let sum = ((sums.start() + sums.end()) / 2.0) as f32;
                self.write(state, *out, 0, &sum.to_le_bytes())
            }
            (Kernel::PatternWrite, [memory]) => {
                let filling = launch.filling().ok_or(INVALID_VALUE)?;
                let data: Vec<u8> = reference::pattern(filling.pattern, 0)
                    .take(usize::try_from(filling.words).map_err(|_| INVALID_VALUE)?)
                    .flat_map(u32::to_le_bytes)
                    .collect();
                self.write(state, *memory, 0, &data)
            }
            (Kernel::PatternCheck, [memory, errors]) => self.compare(state, launch, *memory, *errors),
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
                self.write(state, *out, 0, &data)?;
                // The blocks go round the multiprocessors.
                let Some(sms) = rest.first() else { return Ok(()) };
                let count = self.devices.get(device as usize).map_or(1, |device| device.multiprocessors.max(1));
                let data: Vec<u8> = (0..launch.grid()).flat_map(|block| (block % count).to_le_bytes()).collect();
                self.write(state, *sms, 0, &data)
            }
            _ => Err(INVALID_VALUE),
        }
    }

    fn compare(&self, state: &mut State, launch: &Launch, memory: Memory, errors: Memory) -> Result<(), i32> {
        let Filling { words, pattern, inverts } = launch.filling().ok_or(INVALID_VALUE)?;
        let (at, piece) = state.piece(memory)?;
        let found: Vec<u32> =
            read(&piece.data, at, words * 4).as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let (at, piece) = state.piece(errors)?;
        let mut record = [0; 24];
        piece.data.read(at, &mut record);
        let record = reference::compare(&found, pattern, Differences::from_bytes(record));
        self.write(state, errors, 0, &record.to_bytes())?;
        if !inverts {
            return Ok(());
        }
        let data: Vec<u8> =
            reference::pattern(pattern, 0).take(found.len()).flat_map(|word| (!word).to_le_bytes()).collect();
        self.write(state, memory, 0, &data)
    }
}

fn read(data: &super::memory::Sparse, at: u64, bytes: u64) -> Vec<u8> {
    let mut read = vec![0; usize::try_from(bytes).unwrap_or(0)];
    data.read(at, &mut read);
    read
}

/// Whether `bytes` are within a length.
fn long(bytes: u64, length: u64) -> Result<(), i32> {
    if bytes <= length { Ok(()) } else { Err(INVALID_VALUE) }
}
