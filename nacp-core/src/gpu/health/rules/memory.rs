//! The GPU's memory: rows, pages and errors.

use super::{Finding, K, Outcome, View, Why, known, when};
use crate::gpu::RecoveryAction;
use crate::gpu::health::{Evidence, Severity};

const ROWS: &str = "nvmlDeviceGetRemappedRows";

pub(super) fn row_pending(view: &View<'_>) -> Outcome {
    known(&view.sample.rows, |rows| {
        when(rows.pending, || {
            let message = format!(
                "a row of memory is to be replaced at the next reset ({} correctable and {} uncorrectable so far)",
                rows.correctable, rows.uncorrectable
            );
            Finding::new(K::RowRemapPending, message, vec![Evidence::new(ROWS, "pending")])
        })
    })
}

pub(super) fn row_failed(view: &View<'_>) -> Outcome {
    known(&view.sample.rows, |rows| {
        when(rows.failed, || {
            let message = format!(
                "replacing a row of memory has failed ({} correctable and {} uncorrectable so far)",
                rows.correctable, rows.uncorrectable
            );
            Finding::new(K::RowRemapFailed, message, vec![Evidence::new(ROWS, "failure occurred")])
        })
    })
}

pub(super) fn page_pending(view: &View<'_>) -> Outcome {
    known(&view.sample.retired_pages, |pages| {
        when(pages.pending, || {
            let message = "a page of memory is to be retired when the driver is loaded next".to_owned();
            let evidence = vec![Evidence::new("nvmlDeviceGetRetiredPagesPendingStatus", "pending")];
            Finding::new(K::RetiredPagesPending, message, evidence)
        })
    })
}

pub(super) fn pages_many(view: &View<'_>) -> Outcome {
    known(&view.sample.retired_pages, |pages| {
        let count = pages.single_bit.saturating_add(pages.double_bit);
        when(count > view.limits.retired_pages, || {
            let message = format!("{count} pages of memory are retired, more than {}", view.limits.retired_pages);
            let value = format!("{} single-bit, {} double-bit", pages.single_bit, pages.double_bit);
            Finding::new(K::RetiredPagesMany, message, vec![Evidence::new("nvmlDeviceGetRetiredPages_v2", value)])
        })
    })
}

pub(super) fn uncorrectable(view: &View<'_>) -> Outcome {
    known(&view.sample.ecc, |ecc| {
        when(ecc.uncorrected > 0, || {
            let message = format!("memory errors not corrected since the driver was loaded: {}", ecc.uncorrected);
            let mut evidence = vec![Evidence::new("nvmlDeviceGetTotalEccErrors", ecc.uncorrected)];
            // A driver that tells what to do about the errors, and asks for nothing, has contained them.
            let contained = view.sample.recovery.known() == Some(&RecoveryAction::None);
            if contained {
                evidence.push(Evidence::new("field 230 (GPU_RECOVERY_ACTION)", 0));
            }
            let finding = Finding::new(K::UncorrectableEcc, message, evidence);
            if contained { finding.severity(Severity::Watch) } else { finding }
        })
    })
}

pub(super) fn sram(view: &View<'_>) -> Outcome {
    known(&view.sample.sram, |sram| {
        when(sram.threshold_exceeded, || {
            let uncorrected = sram.uncorrected_parity.saturating_add(sram.uncorrected_secded);
            let message = format!("errors within the chip exceed NVIDIA's limit ({uncorrected} were not corrected)");
            let evidence = vec![Evidence::new("nvmlDeviceGetSramEccErrorStatus", "threshold exceeded")];
            Finding::new(K::SramThreshold, message, evidence)
        })
    })
}

pub(super) fn storm(view: &View<'_>) -> Outcome {
    let limit = view.limits.corrected_ecc_per_minute;
    if limit == 0 {
        return Outcome::Clear;
    }
    known(&view.sample.ecc, |_| {
        let Some(rate) = view.rates.and_then(|rates| rates.corrected_ecc) else {
            return Outcome::Unchecked(Why::Because("needs two readings"));
        };
        when(rate > limit.into(), || {
            let message = format!("{rate:.0} memory errors a minute are corrected, more than {limit}");
            let evidence = vec![Evidence::new("nvmlDeviceGetTotalEccErrors", format!("{rate:.1} a minute"))];
            Finding::new(K::EccStorm, message, evidence)
        })
    })
}
