//! The native ways to the same values, measured tick by tick in one process, in turns.

use std::ffi::{CString, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;
use nacp_core::gpu::{Fields, Nvml, Source as _};
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use serde_json::{Value, json};

use crate::counting::allocations;

/// Which library the child process measures.
pub(crate) const LIBRARY: &str = "NACP_BENCH_LIBRARY";
/// Where the compiled `floor.c` lies.
pub(crate) const FLOOR: &str = "NACP_BENCH_FLOOR";
/// Which of the ways are measured; all without it.
pub(crate) const ONLY: &str = "NACP_BENCH_ONLY";

/// Calls for each GPU: the clocks are three.
pub(crate) const CALLS: u32 = 12;

/// The twelve values.
const FIELDS: &str = "utilization,power,memory,temperature,clocks,power_limit,performance,encoder,decoder,energy";

struct Way {
    name: &'static str,
    tick: Box<dyn FnMut()>,
    nanos: Histogram<u64>,
    medians: Vec<f64>,
    allocations: u64,
    ticks: u64,
}

impl Way {
    fn new(name: &'static str, tick: Box<dyn FnMut()>) -> Self {
        let nanos = Histogram::new(3).expect("three digits");
        Self { name, tick, nanos, medians: Vec::new(), allocations: 0, ticks: 0 }
    }

    fn round(&mut self, ticks: u32) {
        let mut times = Vec::with_capacity(usize::try_from(ticks).expect("few"));
        self.allocations += allocations(|| {
            for _ in 0..ticks {
                let start = Instant::now();
                (self.tick)();
                times.push(u64::try_from(start.elapsed().as_nanos()).expect("short"));
            }
        });
        self.ticks += u64::from(ticks);
        times.iter().for_each(|time| self.nanos.record(*time).expect("in range"));
        times.sort_unstable();
        self.medians.push(f64::from(u32::try_from(times[times.len() / 2]).expect("short")));
    }
}

/// Measures each way; the ratio is that of NACP to the floor.
pub(crate) fn measure(library: &Path, rounds: u32, ticks: u32) -> Value {
    let only = std::env::var(ONLY).ok();
    let mut ways: Vec<Way> =
        [("floor", floor as fn(&Path) -> Box<dyn FnMut()>), ("nvml-wrapper", wrapper), ("nacp", nacp)]
            .into_iter()
            .filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
            .map(|(name, open)| Way::new(name, open(library)))
            .collect();
    if ticks > 0 {
        ways.iter_mut().for_each(|way| (way.tick)());
        for _ in 0..rounds {
            ways.iter_mut().for_each(|way| way.round(ticks));
        }
    }
    let mut json = json!({});
    for way in &ways {
        let quantile = |share| float(way.nanos.value_at_quantile(share)) / 1e3;
        let allocations = float(way.allocations) / float(way.ticks.max(1));
        json[way.name] = json!({ "p50_us": quantile(0.5), "p99_us": quantile(0.99), "allocations": allocations });
    }
    if let [floor, _, nacp] = &ways[..] {
        let mut ratios: Vec<f64> = nacp.medians.iter().zip(&floor.medians).map(|(nacp, floor)| nacp / floor).collect();
        ratios.sort_by(f64::total_cmp);
        json["ratio"] = json!(ratios.get(ratios.len() / 2));
    }
    json
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run")]
fn float(count: u64) -> f64 {
    count as f64
}

fn nacp(library: &Path) -> Box<dyn FnMut()> {
    let source = Nvml::open_at(library).expect("the library opens");
    let fields: Fields = FIELDS.parse().expect("known fields");
    let mut samples = Vec::new();
    source.inventory().expect("an inventory");
    source.sample(fields, &mut samples).expect("a sample");
    for (name, field) in Fields::names().filter(|(_, field)| fields.contains(*field)) {
        for sample in &samples {
            let json = serde_json::to_value(sample).expect("plain data");
            assert!(json[name].get("unknown").is_none(), "{name}: {} ({field})", json[name]);
        }
    }
    Box::new(move || source.sample(fields, &mut samples).expect("a sample"))
}

fn wrapper(library: &Path) -> Box<dyn FnMut()> {
    let nvml = nvml_wrapper::Nvml::builder().lib_path(library.as_os_str()).init().expect("the library opens");
    // The devices borrow the library, which lives as long as this process.
    let nvml: &'static nvml_wrapper::Nvml = Box::leak(Box::new(nvml));
    let count = nvml.device_count().expect("a count");
    let devices: Vec<_> = (0..count).map(|index| nvml.device_by_index(index).expect("a GPU")).collect();
    Box::new(move || {
        for device in &devices {
            std::hint::black_box((
                device.utilization_rates().expect("a value"),
                device.power_usage().expect("a value"),
                device.memory_info().expect("a value"),
                device.temperature(TemperatureSensor::Gpu).expect("a value"),
                device.clock_info(Clock::Graphics).expect("a value"),
                device.clock_info(Clock::SM).expect("a value"),
                device.clock_info(Clock::Memory).expect("a value"),
                device.enforced_power_limit().expect("a value"),
                device.performance_state().expect("a value"),
                device.encoder_utilization().expect("a value"),
                device.decoder_utilization().expect("a value"),
                device.total_energy_consumption().expect("a value"),
            ));
        }
    })
}

#[expect(unsafe_code, reason = "the floor is a program in C")]
fn floor(library: &Path) -> Box<dyn FnMut()> {
    let compiled = std::env::var_os(FLOOR).expect("the compiled floor");
    // SAFETY: the library is ours and has no code that runs when it is loaded.
    let loaded = unsafe { libloading::Library::new(AsRef::<OsStr>::as_ref(&compiled)) }.expect("the floor loads");
    // It lives as long as this process.
    let loaded: &'static libloading::Library = Box::leak(Box::new(loaded));
    // SAFETY: `floor.c` has this function with these types.
    let open = unsafe { loaded.get::<unsafe extern "C" fn(*const c_char) -> c_int>(b"floor_open") }.expect("a symbol");
    // SAFETY: as above.
    let tick = unsafe { loaded.get::<unsafe extern "C" fn() -> c_int>(b"floor_tick") }.expect("a symbol");
    let path = CString::new(library.as_os_str().as_bytes()).expect("no zero");
    // SAFETY: the path ends with a zero and outlives the call.
    let gpus = unsafe { open(path.as_ptr()) };
    assert!(gpus > 0, "floor_open answers {gpus}");
    Box::new(move || {
        // SAFETY: `floor_open` has succeeded, and one thread calls it.
        let failed = unsafe { tick() };
        assert_eq!(failed, 0, "calls of the floor failed");
    })
}
