//! Field values: one code for each, scopes, and the numbers that changed at driver 580.82.

use super::{gpu, start, start_changed};
use crate::calls::fields::nvmlDeviceGetFieldValues;
use crate::machine::Handle;
use crate::memory::{Out, blank};
use nvml_wrapper_sys::bindings as sys;

/// Code, type and value of a field.
fn field(gpu: Handle, id: u32, scope: u32) -> (u32, u32, u64) {
    let mut value = sys::nvmlFieldValue_t { fieldId: id, scopeId: scope, ..blank() };
    assert_eq!(nvmlDeviceGetFieldValues(gpu, 1, Out::to(&mut value)), 0);
    let mut whole: u64 = 0;
    // The value as it lies in memory, whatever its type.
    Out::to(&mut whole).set(Out::to(&mut value.value).cast::<u64>().get().unwrap()).unwrap();
    (value.nvmlReturn, value.valueType, whole)
}

const INT: u32 = 1;
const LONG: u32 = 3;
const SIGNED: u32 = 5;

#[test]
fn each_field_has_its_own_code_and_type() {
    let _played = start("h100x8");
    let busy = gpu(4);
    assert_eq!(field(busy, 82, 0), (0, INT, 74), "memory temperature");
    assert_eq!(field(busy, 83, 0), (0, LONG, 9_412_345_678), "energy");
    assert_eq!(field(busy, 186, 0), (0, INT, 655_000), "power");
    assert_eq!(field(busy, 186, 1).0, 3, "the module's power is not told");
    assert_eq!(field(busy, 193, 0), (0, SIGNED, (-8i64).cast_unsigned()), "shutdown, as a distance");
    assert_eq!(field(busy, 74, 0), (0, LONG, 8_612_000_000), "held down by power");
    assert_eq!(field(busy, 230, 0), (0, INT, 0), "recovery action");
    assert_eq!(field(busy, 29, 0).0, 3, "pages are not retired on this GPU");
    assert_eq!([field(busy, 0, 0).0, field(busy, 303, 0).0], [2, 2], "no such field");
    assert_eq!(nvmlDeviceGetFieldValues(busy, 0, Out::at([blank()].as_mut_ptr())), 2);
    assert_eq!(nvmlDeviceGetFieldValues(busy, 1, Out::null()), 2);
}

#[test]
fn links_are_scopes() {
    let _played = start("broken");
    let bad = gpu(4);
    assert_eq!([3, 4].map(|link| field(bad, 165, link).2), [0, 1], "state");
    assert_eq!([3, 4].map(|link| field(bad, 164, link).2), [0, 26_562], "speed");
    assert_eq!(field(bad, 165, 18).0, 2, "no such link");
    assert_eq!(field(bad, 91, 0).2, 18);
    assert_eq!(field(bad, 52, 0).2, 8123 + 17, "all replays");
    assert_eq!(field(bad, 161, u32::MAX).2, 8123 + 17, "all replays");
    assert_eq!(field(bad, 161, 11).2, 8123);
    assert_eq!(field(bad, 113, 0).2, 8123, "the same, in the row of link 11");
    assert_eq!(field(bad, 147, 0).2, 16, "links to the switch");
    assert_eq!(field(gpu(3), 174, 0), (0, INT, 1200), "PCIe errors");
    assert_eq!(field(gpu(0), 144, 0).2, 1, "rows that wait");
}

#[test]
fn blackwell_counts_more_of_its_links_and_has_links_to_its_processor() {
    let _played = start("gb200-nvl72");
    assert_eq!(field(gpu(0), 201, 17), (0, LONG, 18_001_155_522));
    assert_eq!(field(gpu(0), 202, 0).2, 2_812_680_550_400 * 1024);
    assert_eq!(field(gpu(0), 222, 0).2, 271);
    assert_eq!([170, 171, 172].map(|id| field(gpu(0), id, 4).2), [5, 1, 44_712]);
    assert_eq!(field(gpu(0), 172, 5).0, 2);
}

#[test]
fn a_field_keeps_its_meaning_when_its_number_changes() {
    for (driver, thermal, smoothing) in [("580.65.06", 251, 256), ("580.82.07", 269, 251)] {
        let change = |file: &mut nacp_core::sim::NodeFile| {
            file.driver = driver.into();
            let events = file.gpus[0].clock_events.as_mut().unwrap();
            events.counters.as_mut().unwrap().sw_thermal = 4711;
        };
        let (_played, _) = start_changed("h100x8", change, "");
        assert_eq!(field(gpu(0), thermal, 0), (0, LONG, 4711), "{driver}");
        assert_eq!(field(gpu(0), smoothing, 0).0, 3, "{driver}: power smoothing is not modelled");
    }
}
