//! The calls of the driver.

use super::{ALIGNMENT, MEMORY, VirtualDevice, address, float};
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::{
    Attribute, ContextHandle, Driver, EventHandle, Execute, FunctionHandle, GraphHandle, Loaded, Memory, ModuleHandle,
    Pinned, StreamHandle,
};

impl Driver for VirtualDevice {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }
    fn missing(&self) -> &[&'static str] {
        &[]
    }
    fn init(&self) -> i32 {
        0
    }
    fn version(&self) -> Result<i32, i32> {
        Ok(13_000)
    }
    fn device_count(&self) -> Result<i32, i32> {
        Ok(2)
    }
    fn device(&self, ordinal: i32) -> Result<i32, i32> {
        self.call("device").map(|()| ordinal)
    }
    fn name(&self, _: i32) -> Result<String, i32> {
        Ok("NVIDIA H100 80GB HBM3".into())
    }
    fn uuid(&self, _: i32) -> Result<[u8; 16], i32> {
        Ok([0; 16])
    }
    fn total_memory(&self, _: i32) -> Result<u64, i32> {
        Ok(self.setup.free)
    }
    fn attribute(&self, attribute: Attribute, _: i32) -> Result<i32, i32> {
        self.setup.attributes.get(&(attribute as i32)).copied().ok_or(1)
    }
    fn pci(&self, _: i32) -> Result<String, i32> {
        Ok("0000:3b:00.0".into())
    }
    fn error_name(&self, _: i32) -> Option<String> {
        None
    }
}

impl Execute for VirtualDevice {
    fn driver(&self) -> &dyn Driver {
        self
    }
    fn lacks(&self) -> &[&'static str] {
        &[]
    }
    fn error_text(&self, _: i32) -> Option<String> {
        None
    }
    fn can_access_peer(&self, device: i32, peer: i32) -> Result<bool, i32> {
        self.call("can_access_peer").map(|()| (self.setup.access)(device, peer))
    }
    fn retain(&self, device: i32) -> Result<ContextHandle, i32> {
        self.call("retain")?;
        self.state.lock().unwrap().contexts += 1;
        Ok(ContextHandle::from_raw(1 + u64::try_from(device).unwrap()))
    }
    fn release(&self, _: i32) -> Result<(), i32> {
        self.state.lock().unwrap().contexts -= 1;
        Ok(())
    }
    fn primary_active(&self, _: i32) -> Result<bool, i32> {
        Ok(self.state.lock().unwrap().contexts > 0)
    }
    fn create_context(&self, _: i32) -> Result<ContextHandle, i32> {
        self.call("create_context")?;
        let mut state = self.state.lock().unwrap();
        state.contexts += 1;
        Ok(ContextHandle::from_raw(1000 + state.handle()))
    }
    fn destroy_context(&self, _: ContextHandle) -> Result<(), i32> {
        self.state.lock().unwrap().contexts -= 1;
        Ok(())
    }
    fn set_current(&self, context: Option<ContextHandle>) -> Result<(), i32> {
        let _nothing_below = self.pop_current();
        context.map_or(Ok(()), |context| self.push_current(context))
    }
    fn push_current(&self, context: ContextHandle) -> Result<(), i32> {
        self.state.lock().unwrap().current.push((std::thread::current().id(), context));
        Ok(())
    }
    fn pop_current(&self) -> Result<(), i32> {
        let (thread, mut state) = (std::thread::current().id(), self.state.lock().unwrap());
        let top = state.current.iter().rposition(|(of, _)| *of == thread).ok_or(201)?;
        state.current.remove(top);
        Ok(())
    }
    fn synchronize(&self) -> Result<(), i32> {
        self.call("synchronize")?;
        let busy = self.state.lock().unwrap().streams.values().map(|stream| stream.0).fold(0.0, f64::max);
        self.wait_until(busy);
        Ok(())
    }
    fn memory_info(&self) -> Result<(u64, u64), i32> {
        self.call("memory_info")?;
        Ok((self.setup.free - self.state.lock().unwrap().taken, self.setup.free))
    }
    fn enable_peer(&self, _: ContextHandle) -> Result<(), i32> {
        self.call("enable_peer")
    }

    fn allocate(&self, bytes: u64) -> Result<Memory, i32> {
        self.call("allocate")?;
        let mut state = self.state.lock().unwrap();
        if bytes > self.setup.largest || state.taken + bytes > self.setup.free {
            return Err(2);
        }
        state.taken += bytes;
        let address = MEMORY + ALIGNMENT * state.handle();
        state.memory.insert(address, vec![0xcd; usize::try_from(bytes).unwrap()]);
        Ok(Memory { address, bytes })
    }
    fn free(&self, memory: Memory) -> Result<(), i32> {
        let mut state = self.state.lock().unwrap();
        let thread = std::thread::current().id();
        assert!(state.current.iter().any(|(of, _)| *of == thread), "memory was freed without a context");
        state.memory.remove(&memory.address).ok_or(400)?;
        state.taken -= memory.bytes;
        Ok(())
    }
    fn allocate_pinned(&self, bytes: u64) -> Result<Pinned, i32> {
        self.call("allocate_pinned")?;
        let mut state = self.state.lock().unwrap();
        let address = state.handle();
        state.pinned.insert(address, vec![0; usize::try_from(bytes).unwrap()]);
        Ok(Pinned { address, bytes })
    }
    fn free_pinned(&self, pinned: Pinned) -> Result<(), i32> {
        self.state.lock().unwrap().pinned.remove(&pinned.address).map(drop).ok_or(400)
    }
    fn write_pinned(&self, pinned: Pinned, offset: u64, data: &[u8]) -> Result<(), i32> {
        let mut state = self.state.lock().unwrap();
        let bytes = state.pinned.get_mut(&pinned.address).ok_or(400)?;
        bytes[usize::try_from(offset).unwrap()..][..data.len()].copy_from_slice(data);
        Ok(())
    }
    fn read_pinned(&self, pinned: Pinned, offset: u64, data: &mut [u8]) -> Result<(), i32> {
        let state = self.state.lock().unwrap();
        let bytes = state.pinned.get(&pinned.address).ok_or(400)?;
        data.copy_from_slice(&bytes[usize::try_from(offset).unwrap()..][..data.len()]);
        Ok(())
    }
    fn upload(&self, to: Memory, offset: u64, data: &[u8], stream: StreamHandle) -> Result<(), i32> {
        self.call("upload")?;
        self.queue(stream, float(data.len() as u64) / self.setup.pageable)?;
        self.synchronize_stream(stream)?;
        let mut state = self.state.lock().unwrap();
        let target = &mut state.bytes(to.address + offset)[..data.len()];
        target.copy_from_slice(data);
        self.spoil("upload", target);
        Ok(())
    }
    fn download(&self, data: &mut [u8], from: Memory, offset: u64, stream: StreamHandle) -> Result<(), i32> {
        self.call("download")?;
        self.queue(stream, float(data.len() as u64) / self.setup.pageable)?;
        self.synchronize_stream(stream)?;
        let len = data.len();
        data.copy_from_slice(&self.state.lock().unwrap().bytes(from.address + offset)[..len]);
        self.spoil("download", data);
        Ok(())
    }
    fn upload_pinned(&self, to: Memory, from: Pinned, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.call("upload_pinned")?;
        self.queue(stream, float(bytes) / self.setup.pinned)?;
        let mut state = self.state.lock().unwrap();
        let data = state.pinned.get(&from.address).ok_or(400)?.clone();
        let target = &mut state.bytes(to.address)[..usize::try_from(bytes).unwrap()];
        target.copy_from_slice(&data[..target.len()]);
        self.spoil("upload_pinned", target);
        Ok(())
    }
    fn download_pinned(&self, to: Pinned, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.call("download_pinned")?;
        self.queue(stream, float(bytes) / self.setup.pinned)?;
        let mut state = self.state.lock().unwrap();
        let mut data = state.bytes(from.address)[..usize::try_from(bytes).unwrap()].to_vec();
        self.spoil("download_pinned", &mut data);
        state.pinned.get_mut(&to.address).ok_or(400)?[..data.len()].copy_from_slice(&data);
        Ok(())
    }
    fn copy(&self, to: Memory, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.call("copy")?;
        self.queue(stream, 2.0 * float(bytes) / self.setup.copies)?;
        let mut state = self.state.lock().unwrap();
        let data = state.bytes(from.address)[..usize::try_from(bytes).unwrap()].to_vec();
        let target = &mut state.bytes(to.address)[..data.len()];
        target.copy_from_slice(&data);
        self.spoil("copy", target);
        Ok(())
    }
    fn copy_peer(
        &self,
        to: (Memory, ContextHandle),
        from: (Memory, ContextHandle),
        bytes: u64,
        stream: StreamHandle,
    ) -> Result<(), i32> {
        assert_ne!(to.1, from.1, "a copy between peers stays on one device");
        self.call("copy_peer")?;
        self.queue(stream, float(bytes) / self.setup.peers)?;
        let mut state = self.state.lock().unwrap();
        let data = state.bytes(from.0.address)[..usize::try_from(bytes).unwrap()].to_vec();
        let target = &mut state.bytes(to.0.address)[..data.len()];
        target.copy_from_slice(&data);
        self.spoil("copy_peer", target);
        Ok(())
    }
    fn fill(&self, memory: Memory, word: u32, words: u64, stream: StreamHandle) -> Result<(), i32> {
        self.call("fill")?;
        self.queue(stream, self.setup.kernel)?;
        let mut state = self.state.lock().unwrap();
        let bytes = &mut state.bytes(memory.address)[..usize::try_from(4 * words).unwrap()];
        bytes.chunks_mut(4).for_each(|chunk| chunk.copy_from_slice(&word.to_le_bytes()));
        Ok(())
    }

    fn load(&self, _: Image, _: bool) -> Result<ModuleHandle, (i32, String)> {
        self.call("load").map_err(|code| (code, "ptxas fatal: no such thing".into()))?;
        let mut state = self.state.lock().unwrap();
        state.modules += 1;
        Ok(ModuleHandle::from_raw(state.handle()))
    }
    fn unload(&self, _: ModuleHandle) -> Result<(), i32> {
        self.state.lock().unwrap().modules -= 1;
        Ok(())
    }
    fn function(&self, _: ModuleHandle, kernel: Kernel) -> Result<FunctionHandle, i32> {
        self.call("function")?;
        let mut state = self.state.lock().unwrap();
        let handle = state.handle();
        state.functions.insert(handle, kernel);
        Ok(FunctionHandle::from_raw(handle))
    }
    fn launch(&self, function: FunctionHandle, launch: &Launch, stream: StreamHandle) -> Result<(), i32> {
        self.call("launch")?;
        {
            let mut state = self.state.lock().unwrap();
            assert_eq!(state.functions.get(&function.raw()), Some(&launch.kernel()), "another kernel's function");
            if let Some(recorded) = &mut state.streams.get_mut(&stream.raw()).ok_or(400)?.2 {
                recorded.push(launch.clone());
                if !self.setup.records_badly {
                    return Ok(());
                }
            }
        }
        self.run(launch);
        self.queue(stream, self.seconds(launch))
    }

    fn create_stream(&self, priority: i32) -> Result<StreamHandle, i32> {
        self.call("create_stream")?;
        let mut state = self.state.lock().unwrap();
        let handle = state.handle();
        state.streams.insert(handle, (0.0, self.setup.priority.unwrap_or(priority), None));
        Ok(StreamHandle::from_raw(handle))
    }
    fn destroy_stream(&self, stream: StreamHandle) -> Result<(), i32> {
        self.state.lock().unwrap().streams.remove(&stream.raw()).map(drop).ok_or(400)
    }
    fn synchronize_stream(&self, stream: StreamHandle) -> Result<(), i32> {
        self.call("synchronize_stream")?;
        let busy = self.state.lock().unwrap().streams.get(&stream.raw()).ok_or(400)?.0;
        self.wait_until(busy);
        Ok(())
    }
    fn stream_done(&self, stream: StreamHandle) -> Result<bool, i32> {
        self.call("stream_done")?;
        let busy = self.state.lock().unwrap().streams.get(&stream.raw()).ok_or(400)?.0;
        Ok(busy <= self.now())
    }
    fn priorities(&self) -> Result<(i32, i32), i32> {
        self.call("priorities").map(|()| self.setup.priorities)
    }
    fn priority(&self, stream: StreamHandle) -> Result<i32, i32> {
        Ok(self.state.lock().unwrap().streams.get(&stream.raw()).ok_or(400)?.1)
    }
    fn create_event(&self) -> Result<EventHandle, i32> {
        let mut state = self.state.lock().unwrap();
        let handle = state.handle();
        state.events.insert(handle, None);
        Ok(EventHandle::from_raw(handle))
    }
    fn destroy_event(&self, event: EventHandle) -> Result<(), i32> {
        self.state.lock().unwrap().events.remove(&event.raw()).map(drop).ok_or(400)
    }
    fn record(&self, event: EventHandle, stream: StreamHandle) -> Result<(), i32> {
        self.call("record")?;
        let now = self.now();
        let mut state = self.state.lock().unwrap();
        let reached = state.streams.get(&stream.raw()).ok_or(400)?.0.max(now);
        *state.events.get_mut(&event.raw()).ok_or(400)? = Some(reached);
        Ok(())
    }
    fn synchronize_event(&self, event: EventHandle) -> Result<(), i32> {
        self.call("synchronize_event")?;
        let reached = self.state.lock().unwrap().events.get(&event.raw()).copied().flatten().ok_or(400)?;
        self.wait_until(reached);
        Ok(())
    }
    #[expect(clippy::cast_possible_truncation, reason = "the driver tells 32 bits")]
    fn elapsed(&self, from: EventHandle, to: EventHandle) -> Result<f32, i32> {
        let state = self.state.lock().unwrap();
        let at = |event: EventHandle| state.events.get(&event.raw()).copied().flatten().ok_or(400);
        Ok(((at(to)? - at(from)?) * 1e3) as f32)
    }

    fn begin_capture(&self, stream: StreamHandle) -> Result<(), i32> {
        self.call("begin_capture")?;
        self.state.lock().unwrap().streams.get_mut(&stream.raw()).ok_or(400)?.2 = Some(Vec::new());
        Ok(())
    }
    fn end_capture(&self, stream: StreamHandle) -> Result<GraphHandle, i32> {
        self.call("end_capture")?;
        let mut state = self.state.lock().unwrap();
        let recorded = state.streams.get_mut(&stream.raw()).ok_or(400)?.2.take().ok_or(400)?;
        let handle = state.handle();
        state.graphs.insert(handle, recorded);
        Ok(GraphHandle::from_raw(handle))
    }
    fn launch_graph(&self, graph: GraphHandle, stream: StreamHandle) -> Result<(), i32> {
        self.call("launch_graph")?;
        let recorded = self.state.lock().unwrap().graphs.get(&graph.raw()).ok_or(400)?.clone();
        for launch in &recorded {
            self.run(launch);
            self.queue(stream, self.seconds(launch))?;
            let out = launch.arguments().iter().find_map(address);
            if let Some(out) = out {
                self.spoil("graph", self.state.lock().unwrap().bytes(out));
            }
        }
        Ok(())
    }
    fn destroy_graph(&self, graph: GraphHandle) -> Result<(), i32> {
        self.state.lock().unwrap().graphs.remove(&graph.raw()).map(drop).ok_or(400)
    }
}
