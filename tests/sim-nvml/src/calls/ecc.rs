//! Errors of the memories, and what was replaced because of them.

use nacp_core::sim::node::{CountsFile, EccFile};
use nvml_wrapper_sys::bindings as sys;

use crate::call::{Gpu, functions, told};
use crate::memory::{Answer, Code, Out};

/// `nvmlRemappedRowsInfo_v2_t`, of drivers from 615 on.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct RemappedRows {
    pub(crate) corrected_active: u32,
    pub(crate) corrected_inactive: u32,
    pub(crate) uncorrected_active: u32,
    pub(crate) uncorrected_inactive: u32,
    pub(crate) pending: u32,
    pub(crate) failure: u32,
}

functions! { gpu:
    fn nvmlDeviceGetTotalEccErrors(kind: u32, counter: u32, value: Out<u64>) =
        |gpu| value.set(counts(gpu, kind, counter)?.total());
    fn nvmlDeviceGetMemoryErrorCounter(kind: u32, counter: u32, place: u32, value: Out<u64>) = |gpu| {
        let counts = counts(gpu, kind, counter)?;
        if place > 7 {
            return Err(Code::INVALID_ARGUMENT);
        }
        value.set(told(counts.by_number(place))?)
    };
    fn nvmlDeviceGetDetailedEccErrors(kind: u32, counter: u32, value: Out<sys::nvmlEccErrorCounts_t>) = |gpu| {
        let counts = counts(gpu, kind, counter)?;
        let of = |count: Option<u64>| count.unwrap_or(0);
        value.set(sys::nvmlEccErrorCounts_t {
            l1Cache: of(counts.l1),
            l2Cache: of(counts.l2),
            deviceMemory: of(counts.dram),
            registerFile: of(counts.registers),
        })
    };
    fn nvmlDeviceGetSramEccErrorStatus(value: Out<sys::nvmlEccSramErrorStatus_t>) = |gpu| {
        let asked = value.versioned(1)?;
        let sram = told(enabled(gpu)?.sram)?;
        value.set(sys::nvmlEccSramErrorStatus_t {
            version: asked.version,
            aggregateUncParity: sram.aggregate_parity,
            aggregateUncSecDed: sram.aggregate_secded,
            aggregateCor: sram.aggregate_corrected,
            volatileUncParity: sram.volatile_parity,
            volatileUncSecDed: sram.volatile_secded,
            volatileCor: sram.volatile_corrected,
            aggregateUncBucketL2: sram.l2,
            aggregateUncBucketSm: sram.sm,
            aggregateUncBucketPcie: sram.pcie,
            aggregateUncBucketMcu: sram.mcu,
            aggregateUncBucketOther: sram.other,
            bThresholdExceeded: sram.threshold_exceeded.into(),
        })
    };

    fn nvmlDeviceGetRemappedRows(
        corrected: Out<u32>, uncorrected: Out<u32>, pending: Out<u32>, failure: Out<u32>
    ) = |gpu| {
        let rows = told(gpu.rows)?;
        [&uncorrected, &pending, &failure].into_iter().try_for_each(Out::check)?;
        corrected.set(rows.corrected)?;
        uncorrected.set(rows.uncorrected)?;
        pending.set(rows.pending.into())?;
        failure.set(rows.failure.into())
    };
    fn nvmlDeviceGetRemappedRows_v2(value: Out<RemappedRows>) = |gpu| {
        let rows = told(gpu.rows)?;
        value.set(RemappedRows {
            corrected_active: rows.corrected,
            uncorrected_active: rows.uncorrected,
            pending: rows.pending.into(),
            failure: rows.failure.into(),
            ..RemappedRows::default()
        })
    };
    fn nvmlDeviceGetRowRemapperHistogram(value: Out<sys::nvmlRowRemapperHistogramValues_t>) = |gpu| {
        let banks = told(told(gpu.rows)?.histogram)?;
        value.set(sys::nvmlRowRemapperHistogramValues_t {
            max: banks.max,
            high: banks.high,
            partial: banks.partial,
            low: banks.low,
            none: banks.none,
        })
    };
    fn nvmlDeviceGetRepairStatus(value: Out<sys::nvmlRepairStatus_t>) = |gpu| {
        let asked = value.versioned(1)?;
        let repair = told(gpu.repair)?;
        value.set(sys::nvmlRepairStatus_t {
            version: asked.version,
            bChannelRepairPending: repair.channel.into(),
            bTpcRepairPending: repair.tpc.into(),
        })
    };

    fn nvmlDeviceGetRetiredPages(cause: u32, count: Out<u32>, addresses: Out<u64>) = |gpu| {
        let (pages, _) = retired(gpu, cause)?;
        addresses.list(&count, &pages)
    };
    fn nvmlDeviceGetRetiredPages_v2(cause: u32, count: Out<u32>, addresses: Out<u64>, times: Out<u64>) = |gpu| {
        let (pages, when) = retired(gpu, cause)?;
        addresses.list(&count, &pages)?;
        if pages.is_empty() { Ok(()) } else { times.fill(&when) }
    };
    fn nvmlDeviceGetRetiredPagesPendingStatus(value: Out<u32>) =
        |gpu| value.set(told(gpu.retired.as_ref())?.pending.into());
}

/// Error correction, where it is on: no errors are told while it is off.
pub(super) fn enabled(gpu: Gpu) -> Answer<&'static EccFile> {
    told(gpu.file.ecc.as_ref().filter(|ecc| ecc.enabled))
}

fn counts(gpu: Gpu, kind: u32, counter: u32) -> Answer<CountsFile> {
    enabled(gpu)?.counts(kind, counter).ok_or(Code::INVALID_ARGUMENT)
}

/// The addresses of retired pages and the times of their retirement.
fn retired(gpu: Gpu, cause: u32) -> Answer<(Vec<u64>, Vec<u64>)> {
    let pages = told(gpu.file.retired.as_ref())?.by_number(cause).ok_or(Code::INVALID_ARGUMENT)?;
    Ok(pages.iter().map(|page| (page.address, page.at)).unzip())
}
