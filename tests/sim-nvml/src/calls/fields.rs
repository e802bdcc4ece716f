//! Field values: many figures in one call, by number and scope.

use nacp_core::sim::node::{CountsFile, ErrorsFile, LinkFile};
use nvml_wrapper_sys::bindings as sys;

use super::clocks::events;
use super::ecc::enabled;
use super::links::{links, of};
use super::load::now;
use super::power::limits;
use crate::call::{Gpu, functions, told};
use crate::memory::{Answer, Code, Out};

/// The scope that stands for all links together.
const ALL_LINKS: u32 = u32::MAX;
/// One more than the highest number of a field.
const FIELDS: u32 = 303;
/// The same before the fields from 251 on were numbered anew.
const OLD_FIELDS: u32 = 274;

functions! { gpu:
    fn nvmlDeviceGetFieldValues(count: i32, values: Out<sys::nvmlFieldValue_t>) = |gpu| {
        values.check()?;
        let count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(Code::INVALID_ARGUMENT)?;
        for nth in 0..count {
            let place = values.nth(nth);
            let asked = place.get()?;
            let answer = canonical(gpu, asked.fieldId).and_then(|field| read(gpu, field, asked.scopeId));
            let (value_type, value) = answer.unwrap_or(Value::Long(0)).packed();
            place.set(sys::nvmlFieldValue_t {
                timestamp: now().cast_signed(),
                latencyUsec: 0,
                valueType: value_type,
                nvmlReturn: answer.err().map_or(0, |Code(code)| code.cast_unsigned()),
                value,
                ..asked
            })?;
        }
        Ok(())
    };
}

/// The value of a field, with its type.
#[derive(Clone, Copy)]
enum Value {
    Int(u32),
    Long(u64),
    Signed(i32),
}

impl Value {
    /// As NVML hands it over.
    fn packed(self) -> (u32, sys::nvmlValue_t) {
        match self {
            Self::Int(value) => (1, sys::nvmlValue_t { ullVal: value.into() }),
            Self::Long(value) => (3, sys::nvmlValue_t { ullVal: value }),
            Self::Signed(value) => (5, sys::nvmlValue_t { sllVal: value.into() }),
        }
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Long(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Signed(value)
    }
}

/// A field's number as of driver 580.82. Before that, 251 to 255 stood for today's 269 to 273, and 256 to 273 for
/// today's 251 to 268.
fn canonical(gpu: Gpu, field: u32) -> Answer<u32> {
    let new = gpu.machine.file.new_field_numbers();
    match field {
        251..=255 if !new => Ok(field + 18),
        256..=273 if !new => Ok(field - 5),
        1.. if field < if new { FIELDS } else { OLD_FIELDS } => Ok(field),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

fn read(gpu: Gpu, field: u32, scope: u32) -> Answer<Value> {
    Ok(match field {
        1..=28 => ecc(gpu, field)?,
        29..=31 | 92..=93 => retired(gpu, field)?,
        32..=73 | 84..=91 | 96..=141 | 146..=168 | 201..=222 => nvlink(gpu, field, scope)?,
        74..=79 => told(told(gpu.violations)?.by_number(field - 74))?.into(),
        80..=81 => told(told(gpu.violations)?.by_number(field - 70))?.into(),
        82 => told(told(gpu.thermal)?.memory)?.into(),
        83 | 191 => told(gpu.energy)?.into(),
        94 | 95 | 169 | 173..=183 | 197 | 198 => pcie(gpu, field)?,
        142..=145 => rows(gpu, field)?,
        170..=172 => c2c(gpu, field, scope)?,
        185..=190 | 192 => power(gpu, field, scope)?,
        193..=196 => {
            let distances = told(told(gpu.thermal)?.distances)?;
            let by_number = [distances.shutdown, distances.slowdown, distances.memory_max, distances.gpu_max];
            by_number[usize::try_from(field - 193).map_err(|_| Code::UNKNOWN)?].into()
        }
        199 => gpu.mig.is_some().into(),
        230 => told(gpu.recovery)?.number().into(),
        269..=271 => {
            let counters = told(events(gpu)?.counters)?;
            match field {
                269 => counters.sw_thermal,
                270 => counters.hw_thermal,
                _ => counters.hw_power_brake,
            }
            .into()
        }
        _ => return Err(Code::NOT_SUPPORTED),
    })
}

fn ecc(gpu: Gpu, field: u32) -> Answer<Value> {
    if field <= 2 {
        let ecc = told(gpu.ecc.as_ref())?;
        return Ok(if field == 1 { ecc.enabled } else { ecc.pending.unwrap_or(ecc.enabled) }.into());
    }
    let ecc = enabled(gpu)?;
    // From 7 on the volatile counters, from 18 on the others, two for each place but one for the last.
    let by_place = |errors: ErrorsFile, nth: u32| {
        let counts: CountsFile = if nth.is_multiple_of(2) { errors.corrected } else { errors.uncorrected };
        match nth / 2 {
            0 => counts.l1,
            1 => counts.l2,
            2 => counts.dram,
            3 => counts.registers,
            4 => counts.texture,
            _ => errors.uncorrected.cbu,
        }
    };
    Ok(match field {
        3 => ecc.volatile.corrected.total(),
        4 => ecc.volatile.uncorrected.total(),
        5 => ecc.aggregate.corrected.total(),
        6 => ecc.aggregate.uncorrected.total(),
        7..=17 => told(by_place(ecc.volatile, field - 7))?,
        _ => told(by_place(ecc.aggregate, field - 18))?,
    }
    .into())
}

fn retired(gpu: Gpu, field: u32) -> Answer<Value> {
    let retired = told(gpu.retired.as_ref())?;
    let count = |pages: &[_]| crate::call::number(pages.len());
    Ok(match field {
        29 => count(&retired.corrected)?.into(),
        30 => count(&retired.uncorrected)?.into(),
        31 => retired.pending.into(),
        92 => (retired.pending && retired.uncorrected.is_empty()).into(),
        _ => (retired.pending && !retired.uncorrected.is_empty()).into(),
    })
}

fn pcie(gpu: Gpu, field: u32) -> Answer<Value> {
    let pcie = told(gpu.pcie.as_ref())?;
    let errors = || told(pcie.errors);
    Ok(match field {
        94 => told(pcie.replays)?.into(),
        95 => told(pcie.replay_rollovers)?.into(),
        169 => told(pcie.recoveries)?.into(),
        173 => errors()?.correctable.into(),
        174 => errors()?.naks_received.into(),
        175 => errors()?.receiver.into(),
        176 => errors()?.bad_tlp.into(),
        177 => errors()?.naks_sent.into(),
        178 => errors()?.bad_dllp.into(),
        179 => errors()?.non_fatal.into(),
        180 => errors()?.fatal.into(),
        181 => errors()?.unsupported_request.into(),
        182 => errors()?.lcrc.into(),
        183 => errors()?.lane.into(),
        197 => told(pcie.tx_bytes)?.into(),
        _ => told(pcie.rx_bytes)?.into(),
    })
}

fn rows(gpu: Gpu, field: u32) -> Answer<Value> {
    let rows = told(gpu.rows)?;
    Ok(match field {
        142 => rows.corrected.into(),
        143 => rows.uncorrected.into(),
        144 => rows.pending.into(),
        _ => rows.failure.into(),
    })
}

fn c2c(gpu: Gpu, field: u32, scope: u32) -> Answer<Value> {
    let c2c = told(gpu.c2c)?;
    Ok(match field {
        170 => c2c.links,
        _ if scope >= c2c.links => return Err(Code::INVALID_ARGUMENT),
        171 => 1,
        _ => c2c.speed,
    }
    .into())
}

fn power(gpu: Gpu, field: u32, scope: u32) -> Answer<Value> {
    // The scope is what draws the power: the GPU; its module and its memory are not told apart here.
    if scope != 0 {
        return Err(Code::NOT_SUPPORTED);
    }
    Ok(match field {
        185 | 186 => gpu.power,
        187 => told(limits(gpu)?.min)?,
        188 => told(limits(gpu)?.max)?,
        189 => told(limits(gpu)?.default)?,
        190 => told(gpu.power_limit)?,
        _ => told(gpu.limits.and_then(|limits| limits.requested).or(gpu.power_limit))?,
    }
    .into())
}

fn nvlink(gpu: Gpu, field: u32, scope: u32) -> Answer<Value> {
    let nvlink = links(gpu)?;
    // A counter that has a field of its own for each of the first links.
    let lane = |first: u32, later: u32, counter: fn(&LinkFile) -> u64| {
        let link = if field >= later { field - later + 6 } else { field - first };
        Ok::<Value, Code>(counter(of(gpu, link)?.0).into())
    };
    // A counter of the link in the scope, or of all together.
    let scoped = |counter: fn(&LinkFile) -> u64| match scope {
        ALL_LINKS => Ok::<Value, Code>(nvlink.sum(counter).into()),
        link => Ok(counter(of(gpu, link)?.0).into()),
    };
    let speed = |link: u32| Ok::<Value, Code>(if of(gpu, link)?.1 { nvlink.speed } else { 0 }.into());
    match field {
        32..=37 | 96..=101 => lane(32, 96, |link| link.crc_flit),
        38 => Ok(nvlink.sum(|link| link.crc_flit).into()),
        39..=44 | 102..=107 => lane(39, 102, |link| link.crc_data),
        45 => Ok(nvlink.sum(|link| link.crc_data).into()),
        46..=51 | 108..=113 => lane(46, 108, |link| link.replay),
        52 => Ok(nvlink.sum(|link| link.replay).into()),
        53..=58 | 114..=119 => lane(53, 114, |link| link.recovery),
        59 => Ok(nvlink.sum(|link| link.recovery).into()),
        84..=89 => speed(field - 84),
        90 => Ok(nvlink.speed.into()),
        91 => Ok(nvlink.links.into()),
        132..=137 => speed(field - 132 + 6),
        138 | 140 => scoped(|link| link.tx),
        139 | 141 => scoped(|link| link.rx),
        146 => of(gpu, scope).map(|_| scope.into()),
        147 => match nvlink.remote {
            nacp_core::sim::node::LinkEnd::Switch => Ok(nvlink.active().into()),
            _ => Ok(0u32.into()),
        },
        148..=159 => Ok(of(gpu, field - 148)?.0.ecc.into()),
        160 => Ok(nvlink.sum(|link| link.ecc).into()),
        161 => scoped(|link| link.replay),
        162 => scoped(|link| link.recovery),
        163 => scoped(|link| link.crc_flit),
        164 => speed(scope),
        165 => Ok(of(gpu, scope)?.1.into()),
        166 => of(gpu, scope).map(|_| nvlink.version.number().into()),
        167 => of(gpu, scope).map(|_| 0u32.into()),
        201..=222 => fifth(gpu, field, scope),
        _ => Err(Code::NOT_SUPPORTED),
    }
}

/// Counters that came with NVLink 5.
fn fifth(gpu: Gpu, field: u32, scope: u32) -> Answer<Value> {
    let (link, _) = of(gpu, scope)?;
    let own = told(link.v5)?;
    Ok(match field {
        201 => own.tx_packets,
        202 => link.tx.saturating_mul(1024),
        203 => own.rx_packets,
        204 => link.rx.saturating_mul(1024),
        206 => own.malformed,
        207 => own.buffer_overrun,
        208 => own.rx_errors,
        209 => own.rx_remote_errors,
        210 => own.rx_general_errors,
        211 => own.integrity,
        212 => own.tx_discards,
        213 => own.recovered,
        214 => own.recovery_failed,
        215 => own.recovered.saturating_add(own.recovery_failed),
        219 => own.effective_errors,
        220 => own.effective_ber,
        221 => own.symbol_errors,
        222 => own.symbol_ber,
        _ => return Err(Code::NOT_SUPPORTED),
    }
    .into())
}
