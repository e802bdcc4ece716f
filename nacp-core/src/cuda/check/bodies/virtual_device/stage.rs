//! What a check is given: the device, and a management library that tells of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::{Setup, VirtualDevice};
use crate::clock::ManualClock;
use crate::cuda::check::{Bench, Deadline, Facts, Level, Sizes};
use crate::cuda::{Device, Loaded, Probe, Profile, Version};
use crate::error::Result as Answer;
use crate::gpu::{Clocks, Fields, Gpu, Origin, Pair, PcieLink, Reading, Sample, Source, Unknown};
use crate::units::Bytes;

/// A management library that tells the same clocks and the same link whenever it is asked.
#[derive(Debug)]
pub(in crate::cuda::check::bodies) struct Told {
    pub(in crate::cuda::check::bodies) origin: Origin,
    pub(in crate::cuda::check::bodies) gpus: Vec<Gpu>,
    pub(in crate::cuda::check::bodies) clocks: Option<Clocks>,
    pub(in crate::cuda::check::bodies) link: Option<PcieLink>,
    pub(in crate::cuda::check::bodies) pairs: Vec<Pair>,
    /// How long an answer takes, on this clock.
    pub(in crate::cuda::check::bodies) takes: Option<(Arc<ManualClock>, Duration)>,
}

impl Source for Told {
    fn origin(&self) -> &Origin {
        &self.origin
    }
    fn inventory(&self) -> Answer<Vec<Gpu>> {
        Ok(self.gpus.clone())
    }
    fn pairs(&self) -> Answer<Vec<Pair>> {
        Ok(self.pairs.clone())
    }
    fn sample(&self, _: Fields, samples: &mut Vec<Sample>) -> Answer<()> {
        if let Some((clock, takes)) = &self.takes {
            clock.advance(*takes);
        }
        samples.clear();
        for gpu in &self.gpus {
            let mut sample = Sample::unknown(gpu.id.clone(), Unknown::NotRead);
            sample.clocks = Reading::from(self.clocks);
            sample.pcie = Reading::from(self.link);
            samples.push(sample);
        }
        Ok(())
    }
}

/// Everything that a check is given.
pub(in crate::cuda::check::bodies) struct Stage {
    pub(in crate::cuda::check::bodies) driver: VirtualDevice,
    pub(in crate::cuda::check::bodies) devices: Vec<Device>,
    pub(in crate::cuda::check::bodies) facts: Facts,
    pub(in crate::cuda::check::bodies) telemetry: Option<Told>,
    pub(in crate::cuda::check::bodies) sizes: Sizes,
    pub(in crate::cuda::check::bodies) cancelled: AtomicBool,
    pub(in crate::cuda::check::bodies) until: Duration,
}

impl Stage {
    /// One H100 that is in order, under a management library that tells its clocks and its link.
    pub(in crate::cuda::check::bodies) fn new(setup: Setup) -> Self {
        let devices = vec![device(0, "GPU")];
        let mut stage = Self {
            driver: VirtualDevice::new(setup),
            devices: Vec::new(),
            facts: Facts::default(),
            telemetry: None,
            sizes: Sizes {
                profile: Profile::Tiny,
                repeats: 3,
                copy: 1 << 20,
                memory_percent: 50,
                memory_most: 64 << 10,
                launches: 40,
                work_ms: 0,
                simulated: false,
            },
            cancelled: AtomicBool::new(false),
            until: Duration::from_secs(3600),
        };
        stage.seat(devices);
        stage
    }

    /// Puts these devices into the machine.
    pub(in crate::cuda::check::bodies) fn seat(&mut self, devices: Vec<Device>) {
        let gpu = |device: &Device| {
            let mut gpu = Gpu::new(device.id.clone(), device.ordinal, &device.name);
            gpu.pci = Reading::Known(device.pci.clone());
            gpu.limits.clocks = Reading::Known(Clocks { graphics: 1980, sm: 1980, memory: 2619 });
            gpu.processor.memory_bus = Reading::Known(5120);
            gpu.pcie.max_generation = Reading::Known(4);
            gpu.pcie.max_width = Reading::Known(16);
            gpu
        };
        let gpus: Vec<Gpu> = devices.iter().map(gpu).collect();
        self.facts.probe = Some(Probe {
            library: Loaded::at("/lib/libcuda.so.1"),
            driver_version: Version { major: 13, minor: 0 },
            devices: devices.clone(),
            silent: Vec::new(),
            no_device: None,
        });
        self.facts.gpus = Some(gpus.clone());
        let origin = Origin { simulated: false, name: "test".into(), driver: None, cuda: None };
        let clocks = Some(Clocks { graphics: 1755, sm: 1755, memory: 2619 });
        let link = Some(PcieLink { generation: 4, width: 16 });
        self.telemetry = Some(Told { origin, gpus, clocks, link, pairs: Vec::new(), takes: None });
        self.devices = devices;
    }

    /// The GPU of the first device, as the management library describes it.
    pub(in crate::cuda::check::bodies) fn gpu(&mut self) -> &mut Gpu {
        &mut self.facts.gpus.as_mut().unwrap()[0]
    }

    pub(in crate::cuda::check::bodies) fn bench(&self) -> Bench<'_> {
        Bench {
            driver: &self.driver,
            device: self.devices.first(),
            level: Level::Standard,
            sizes: self.sizes,
            deadline: Deadline::new(&*self.driver.clock, self.until, &self.cancelled),
            clock: &*self.driver.clock,
            facts: &self.facts,
            telemetry: self.telemetry.as_ref().map(|told| told as &dyn Source),
            elsewhere: None,
        }
    }
}

/// A device; `kind` is `GPU` or `MIG`.
pub(in crate::cuda::check::bodies) fn device(ordinal: u32, kind: &str) -> Device {
    Device {
        ordinal,
        id: format!("{kind}-00000000-0000-4000-8000-00000000000{ordinal}").parse().unwrap(),
        name: "NVIDIA H100 80GB HBM3".into(),
        compute: "9.0".parse().unwrap(),
        memory: Bytes::gib(80),
        pci: format!("00000000:3{ordinal}:00.0"),
        multiprocessors: 132,
    }
}
