//! What a report says, in each of its forms.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::cuda::{FaultKind, Loaded, Version};
use crate::error::Retry;
use crate::gpu::ComputeCapability;
use crate::units::Bytes;

fn gpu(digit: char) -> GpuId {
    let eight: String = std::iter::repeat_n(digit, 8).collect();
    format!("GPU-{eight}-0000-0000-0000-000000000000").parse().unwrap()
}

fn of(id: CheckId, device: Option<char>, status: Status) -> CheckReport {
    let elapsed = Duration::from_micros(1500);
    CheckReport { id, device: device.map(gpu), status, metrics: vec![], evidence: vec![], elapsed }
}

fn skipped(why: Skip) -> Status {
    Status::Skipped { why, reason: "for a reason".into() }
}

fn fails() -> Status {
    Status::Fail { reason: "lane 71 of nacp_fma differs".into() }
}

/// A report of a machine with two GPUs, one of which computes wrongly.
fn report() -> Report {
    let device = |digit, ordinal| Device {
        ordinal,
        id: gpu(digit),
        name: "NVIDIA <b>H100</b> & more".into(),
        compute: ComputeCapability { major: 9, minor: 0 },
        memory: Bytes::gib(80),
        pci: format!("00000000:0{ordinal}:00.0"),
        multiprocessors: 132,
    };
    let probe = Probe {
        library: Loaded::at("/usr/lib/libcuda.so.580.95.05"),
        driver_version: Version { major: 13, minor: 0 },
        devices: vec![device('a', 0), device('b', 1)],
        silent: vec![],
        no_device: None,
    };
    let mut create = of(CheckId::CtxCreate, Some('a'), Status::Pass);
    create.metrics = vec![Metric::once("create", 0.2013, Unit::Seconds)];
    create.evidence = vec![Evidence {
        what: "primary context".into(),
        value: "active=\"0\"".into(),
        source: "cuDevicePrimaryCtxGetState".into(),
    }];
    let mut copy = of(CheckId::BwH2d, Some('a'), Status::Pass);
    copy.metrics = vec![
        Metric::once("pinned", 55.3e9, Unit::BytesPerSecond),
        Metric::once("pageable", 11.2e9, Unit::BytesPerSecond),
        Metric::once("ratio_to_link", 0.878, Unit::Ratio).by("pinned / (32 GT/s x 16 lanes x 128/130 / 8)"),
        Metric::once("a_metric_with_a_long_name", 1.0, Unit::Count),
        Metric::once("another_metric_with_a_long_name", 2.0, Unit::Count),
    ];
    let fault = Fault { code: 700, kind: FaultKind::DeviceFault };
    let checks = vec![
        of(CheckId::LibOpen, None, Status::Pass),
        of(CheckId::DrvVersion, None, Status::Warn { reason: "the library is newer than the kernel's driver".into() }),
        create,
        copy,
        of(CheckId::DetBits, Some('b'), fails()),
        of(
            CheckId::DetRepeat,
            Some('b'),
            Status::Error { call: "cuLaunchKernel".into(), fault, reason: "start again".into() },
        ),
        of(CheckId::DetShape, Some('b'), skipped(Skip::Poisoned)),
        of(CheckId::DetAtomics, Some('b'), skipped(Skip::Poisoned)),
        of(CheckId::P2pAccess, None, skipped(Skip::Unsupported)),
    ];
    Report {
        level: Level::Standard,
        verdict: verdict(&checks, Some(&probe)),
        simulated: false,
        started: "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap(),
        elapsed: Duration::from_millis(12_340),
        probe: Some(probe),
        checks,
        certificates: vec![],
    }
}

#[test]
fn the_verdict_follows_its_rules() {
    use CheckId::{CtxCreate, DetBits, DetTensor, LibOpen};
    let warn = || Status::Warn { reason: String::new() };
    let refused = || Status::Error { call: String::new(), fault: Fault::from_code(1), reason: String::new() };
    let on = |id, status| of(id, Some('a'), status);
    let other = |id, status| of(id, Some('b'), status);
    let table: [(Vec<CheckReport>, Verdict); 17] = [
        (vec![], Verdict::Unknown),
        (vec![of(LibOpen, None, Status::Pass)], Verdict::Pass),
        (vec![of(LibOpen, None, warn())], Verdict::Warn),
        (vec![of(LibOpen, None, fails())], Verdict::Fail),
        (vec![of(LibOpen, None, refused())], Verdict::Fail),
        (vec![of(LibOpen, None, skipped(Skip::Blocked))], Verdict::Unknown),
        (vec![on(CtxCreate, Status::Pass), on(DetBits, Status::Pass)], Verdict::Pass),
        (vec![on(CtxCreate, warn()), on(DetBits, Status::Pass)], Verdict::Warn),
        (vec![on(CtxCreate, Status::Pass), on(DetBits, skipped(Skip::Deadline))], Verdict::Unknown),
        (vec![on(CtxCreate, skipped(Skip::Busy)), on(DetBits, skipped(Skip::Busy))], Verdict::Unknown),
        (vec![on(CtxCreate, Status::Pass)], Verdict::Pass),
        (vec![on(DetBits, Status::Pass), on(DetTensor, skipped(Skip::Unsupported))], Verdict::Pass),
        (vec![on(DetBits, Status::Pass), on(CheckId::DevArchFit, skipped(Skip::NotAsked))], Verdict::Pass),
        (vec![on(DetBits, Status::Pass), on(DetTensor, skipped(Skip::Deadline))], Verdict::Warn),
        (vec![on(DetBits, Status::Pass), other(DetBits, skipped(Skip::Busy))], Verdict::Warn),
        (vec![on(DetBits, Status::Pass), other(DetBits, fails())], Verdict::Fail),
        (vec![on(DetBits, skipped(Skip::Deadline)), on(DetTensor, fails())], Verdict::Fail),
    ];
    for (reports, expected) in table {
        assert_eq!(verdict(&reports, None), expected, "{reports:?}");
    }
    let nothing = Probe { devices: vec![], ..report().probe.unwrap() };
    assert_eq!(verdict(&[of(LibOpen, None, Status::Pass)], Some(&nothing)), Verdict::Fail);
}

#[test]
fn a_terminal_shows_a_table_by_device() {
    let expected = "\
CUDA check standard: fail in 12.3 s
CUDA 13.0 from /usr/lib/libcuda.so.580.95.05

machine
  pass  lib.open         1.50 ms
  warn  drv.version      1.50 ms
        the library is newer than the kernel's driver
  skip  p2p.access       1.50 ms
        unsupported: for a reason

GPU-aaaaaaaa-0000-0000-0000-000000000000 NVIDIA <b>H100</b> & more, compute capability 9.0, 80 GiB
  pass  ctx.create       1.50 ms  create 201 ms
  pass  bw.h2d           1.50 ms  pinned 55.3 GB/s, pageable 11.2 GB/s, ratio_to_link 87.8 % +2

GPU-bbbbbbbb-0000-0000-0000-000000000000 NVIDIA <b>H100</b> & more, compute capability 9.0, 80 GiB
  fail  det.bits         1.50 ms
        lane 71 of nacp_fma differs
  error det.repeat       1.50 ms
        cuLaunchKernel: a program on the GPU failed (700); start again
  skip  det.shape, det.atomics
        poisoned: for a reason";
    assert_eq!(report().to_string(), expected);
}

#[test]
fn no_line_is_longer_than_the_terminal() {
    let mut report = report();
    report.checks[1].status = Status::Warn { reason: "many short words ".repeat(40) };
    report.simulated = true;
    for width in [60, 80, 100, 132] {
        let text = format!("{report:width$}");
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!((width - 20..=width).contains(&longest), "{width}: {longest}\n{text}");
        assert!(text.starts_with("CUDA check standard: fail in 12.3 s, simulated driver"));
    }
}

#[test]
fn its_json_is_pinned() {
    let json = report().to_json();
    let golden = include_str!("golden.json");
    assert_eq!(json, golden.trim_end(), "\n{json}\n");
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report());
}

#[test]
fn its_page_escapes_what_was_read_and_needs_nothing_else() {
    let page = report().html();
    assert!(page.contains("NVIDIA &lt;b&gt;H100&lt;/b&gt; &amp; more"), "{page}");
    assert!(page.contains("active=&quot;0&quot;"));
    assert!(!page.contains("<b>") && !page.contains("<script") && !page.contains("http"), "{page}");
    for shown in ["lane 71 of nacp_fma differs", "pinned 55.3 GB/s", "32 GT/s x 16 lanes", "2026-01-02T03:04:05Z"] {
        assert!(page.contains(shown), "{shown}");
    }
    for tag in ["div", "details", "table", "span", "p", "tr", "td"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    assert!(!page.contains("is simulated"));
    assert!(Report { simulated: true, ..report() }.html().contains("The driver is simulated"));
}

#[test]
fn its_markdown_has_a_row_for_each_check_and_no_cell_ends_early() {
    let mut report = report();
    report.checks[4].status = Status::Fail { reason: "a | b\nc <i>".into() };
    let text = report.markdown();
    assert_eq!(text.lines().filter(|line| line.starts_with("| ") && line.contains('`')).count(), report.checks.len());
    assert!(text.contains("| fail | `det.bits` | 1.50 ms | a \\| b c \\<i\\> |"), "{text}");
    assert!(text.starts_with("**CUDA check standard: fail** in 12.3 s, 2026-01-02T03:04:05Z"), "{text}");
}

#[test]
fn a_report_that_fails_can_end_its_caller() {
    let error = report().error().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "CUDA does not work as it should: check=det.bits device={} more=1 reason=lane 71 of nacp_fma differs",
            gpu('b')
        )
    );
    let one = |check: CheckReport| {
        let checks = vec![check];
        let verdict = verdict(&checks, None);
        Report { checks, verdict, ..report() }.error()
    };
    let kind = |check| one(check).map(|error| error.kind());
    let on = |status| of(CheckId::DetBits, Some('a'), status);
    let refused = |code| Status::Error { call: "cuX".into(), fault: Fault::from_code(code), reason: String::new() };
    assert_eq!(kind(on(Status::Pass)), None);
    assert_eq!(kind(on(Status::Warn { reason: String::new() })), None);
    assert_eq!(kind(on(fails())), Some(ErrorKind::DeviceLost));
    assert_eq!(kind(of(CheckId::LibOpen, None, fails())), Some(ErrorKind::DriverUnavailable));
    assert_eq!(kind(on(refused(2))), Some(ErrorKind::ResourceExhausted));
    assert_eq!(kind(on(skipped(Skip::Deadline))), Some(ErrorKind::Timeout));
    assert_eq!(kind(on(skipped(Skip::Cancelled))), Some(ErrorKind::Cancelled));
    let busy = one(on(skipped(Skip::Busy))).unwrap();
    assert_eq!((busy.kind(), busy.retry()), (ErrorKind::Conflict, Retry::Later));
    let nothing = Report { checks: vec![], verdict: Verdict::Fail, ..report() }.error().unwrap();
    assert_eq!(nothing.kind(), ErrorKind::DriverUnavailable);
}

#[test]
fn a_later_report_tells_what_became_worse() {
    let before = report();
    let mut after = report();
    assert_eq!(after.compare(&before).to_string(), "nothing changed");
    after.checks[0].status = Status::Warn { reason: String::new() };
    after.checks[2].metrics[0].value = 0.1;
    after.checks[3].metrics[0].value = 40e9;
    after.checks[3].metrics[1].value *= 1.04;
    after.checks[4].status = Status::Pass;
    after.checks[5].status = skipped(Skip::Deadline);
    let changes = after.compare(&before);
    assert_eq!(
        changes.to_string(),
        "worse  lib.open: status was pass, is warn\n\
         better ctx.create on GPU-aaaaaaaa: create was 201 ms, is 100 ms\n\
         worse  bw.h2d on GPU-aaaaaaaa: pinned was 55.3 GB/s, is 40 GB/s\n\
         better det.bits on GPU-bbbbbbbb: status was fail, is pass"
    );
    assert_eq!(changes.worse().count(), 2);
    after.simulated = true;
    assert!(after.compare(&before).of_two_worlds);
}

#[test]
fn a_unit_is_named_as_in_json() {
    for unit in super::Unit::ALL {
        assert_eq!(serde_json::to_string(&unit).unwrap(), format!("\"{}\"", unit.name()));
    }
}

#[test]
fn what_is_not_done_any_more_or_fails_at_the_first_try_is_worse() {
    let one = |status| Report { checks: vec![of(CheckId::DetBits, Some('a'), status)], ..report() };
    let worse = |before, after| one(after).compare(&one(before)).worse().count();
    assert_eq!(worse(skipped(Skip::NotAsked), fails()), 1);
    assert_eq!(worse(Status::Pass, skipped(Skip::Deadline)), 1);
    assert_eq!(worse(Status::Pass, skipped(Skip::Unsupported)), 0);
    assert_eq!(worse(fails(), skipped(Skip::Deadline)), 0);
    assert_eq!(worse(skipped(Skip::Busy), Status::Pass), 0);
}
