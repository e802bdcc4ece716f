//! Lines as the driver's sources print them and as users report them.

use proptest::prelude::*;

use super::*;

fn what(line: &str) -> Option<What> {
    parse(line).map(|event| event.what)
}

fn xid_of(line: &str) -> (String, u32, Option<u32>, Option<String>, String) {
    match what(line) {
        Some(What::Xid { pci, code, pid, process, detail, .. }) => (pci, code, pid, process, detail),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn an_xid_is_read_in_every_form_that_drivers_have_had() {
    let python = || Some("python".to_owned());
    for (line, pci, code, pid, process, detail) in [
        (
            "NVRM: Xid (PCI:0000:3b:00): 31, pid=812, name=python, Ch 0000000b, intr 0",
            "00000000:3B:00.0",
            31,
            Some(812),
            python(),
            "Ch 0000000b, intr 0",
        ),
        (
            "NVRM: Xid (PCI:0000:3b:00): 63, pid=1896, Row Remapper: New row marked",
            "00000000:3B:00.0",
            63,
            Some(1896),
            None,
            "Row Remapper: New row marked",
        ),
        (
            "NVRM: Xid (PCI:0000:05:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
            "00000000:05:00.0",
            79,
            None,
            None,
            "GPU has fallen off the bus.",
        ),
        ("NVRM: Xid (0000:03:00): 14, Channel 00000001", "00000000:03:00.0", 14, None, None, "Channel 00000001"),
        ("NVRM: Xid (PCI:0000:00:1E.0): 48", "00000000:00:1E.0", 48, None, None, ""),
        (
            "NVRM: Xid (PCI:0009:01:00): 149, NETIR_LINK_EVT  Fatal   XC0 i0 Link 01 (0x021425c6 0x0)",
            "00000009:01:00.0",
            149,
            None,
            None,
            "NETIR_LINK_EVT  Fatal   XC0 i0 Link 01 (0x021425c6 0x0)",
        ),
        (
            "NVRM: Xid (PCI:0000:05:00): 4000000000, of tomorrow",
            "00000000:05:00.0",
            4_000_000_000,
            None,
            None,
            "of tomorrow",
        ),
    ] {
        assert_eq!(xid_of(line), (pci.to_owned(), code, pid, process, detail.to_owned()), "{line}");
    }
}

#[test]
fn an_xid_of_a_mig_device_names_the_instances() {
    let both = what("NVRM: Xid (PCI:0000:01:00 GPU-I:05 GPU-CI:01): 94, pid=7194, name=python, Contained: CE. RST: No")
        .unwrap();
    let What::Xid { gpu_instance, compute_instance, pci, .. } = both else { panic!("{both:?}") };
    assert_eq!((pci.as_str(), gpu_instance, compute_instance), ("00000000:01:00.0", Some(5), Some(1)));
    let one = what("NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7194, Contained: CE. RST: No").unwrap();
    assert!(matches!(one, What::Xid { gpu_instance: Some(5), compute_instance: None, pid: Some(7194), .. }), "{one:?}");
}

#[test]
fn an_sxid_says_whether_it_is_fatal() {
    for (line, code, fatal) in [
        (
            "nvidia-nvswitch3: SXid (PCI:0000:05:00.0): 12028, Non-fatal, Link 32 egress non-posted PRIV error (First)",
            12028,
            Some(false),
        ),
        ("nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 30 LTSSM Fault Up", 20034, Some(true)),
        ("nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 00007, Data {0x1}", 7, None),
    ] {
        let Some(What::Sxid { pci, code: read, fatal: told, .. }) = what(line) else { panic!("{line}") };
        assert_eq!((pci.as_str(), read, told), ("00000000:05:00.0", code, fatal), "{line}");
    }
}

#[test]
fn a_gpu_that_is_gone_is_named_where_the_line_names_it() {
    for (line, pci) in [
        ("NVRM: GPU 0000:29:00.0: GPU has fallen off the bus.", Some("00000000:29:00.0")),
        (
            "NVRM: GPU at PCI:0000:29:00: GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab has fallen off the bus",
            Some("00000000:29:00.0"),
        ),
        (
            "4,7,8,-;NVRM: The NVIDIA GPU 0000:18:00.0\\x0aNVRM: (PCI ID: 10de:2330) installed in this system has\\x0aNVRM: fallen off the bus and is not responding to commands.",
            Some("00000000:18:00.0"),
        ),
        ("[   12.000001] NVRM: fallen off the bus and is not responding to commands.", None),
    ] {
        assert_eq!(what(line), Some(What::FellOffBus { pci: pci.map(str::to_owned) }), "{line}");
    }
}

#[test]
fn versions_that_do_not_match_are_told_both() {
    let record = "4,7,8,-;NVRM: API mismatch: the client 'python' (pid 9)\\x0aNVRM: has the version 550.54.14, but this \
                  kernel module has\\x0aNVRM: the version 535.183.01.  Please make sure that this";
    let both = What::ModuleMismatch { client: Some("550.54.14".to_owned()), module: Some("535.183.01".to_owned()) };
    assert_eq!(what(record), Some(both));
    let first = "[   12.000001] NVRM: API mismatch: the client has the version 550.54.14, but";
    assert_eq!(what(first), Some(What::ModuleMismatch { client: Some("550.54.14".to_owned()), module: None }));
}

#[test]
fn errors_of_the_modules_count_and_their_greetings_do_not() {
    for line in [
        "4,7,8,-;NVRM: RmInitAdapter failed! (0x26:0x56:1474)",
        "[   12.000001] NVRM: rm_init_adapter failed, device minor number 0",
        "3,7,8,-;nvidia-modeset: ERROR: GPU:0: Idling display engine timed out",
        "3,7,8,-;nvidia 0000:01:00.0: PCIe Bus Error: severity=Uncorrected",
        "4,7,8,-;NVRM: Xid (nowhere): 13, what is that",
        "4,7,8,-;NVRM: Xid (PCI:0000:01:00): many, what is that",
    ] {
        assert_eq!(what(line), Some(What::Other), "{line}");
    }
    for line in [
        "4,7,8,-;NVRM: loading NVIDIA UNIX x86_64 Kernel Module  550.54.14",
        "6,7,8,-;NVRM: something of no weight",
        "4,7,8,-;nvidia: module license 'NVIDIA' taints kernel.",
        "6,3964,206764307,-;nvidia-nvswitch2: open (major=510)",
        "3,7,8,-;nvidiafoo: not of NVIDIA's modules",
        "3,7,8,-;usb 1-1: device descriptor read/64, error -71",
        " SUBSYSTEM=pci",
        " NVRM: Xid (PCI:0000:05:00): 79, in a continuation",
        "",
    ] {
        assert_eq!(parse(line), None, "{line}");
    }
}

#[test]
fn the_place_in_the_log_is_kept() {
    let event = parse("4,1907,96642233,-,caller=T812;NVRM: Xid (PCI:0000:05:00): 31, Ch 1").unwrap();
    assert_eq!((event.sequence, event.since_boot), (Some(1907), Some(Duration::from_micros(96_642_233))));
    assert_eq!((event.message.as_str(), event.injected), ("NVRM: Xid (PCI:0000:05:00): 31, Ch 1", false));
    let boot = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(event.at(boot).unwrap().to_string(), "2026-01-01T00:01:36.642233Z");
}

#[test]
fn a_message_that_a_program_has_written_says_so() {
    let injected = parse("12,1907,96642233,-;NVRM: Xid (PCI:0000:05:00): 79, injected").unwrap();
    assert!(injected.injected);
    assert!(matches!(injected.what, What::Xid { code: 79, .. }));
}

#[test]
fn dmesg_journal_and_syslog_are_read_alike() {
    let time = Some(Duration::from_micros(966_503_025));
    for (line, since_boot) in [
        ("NVRM: Xid (0000:01:00): 31, Ch 1", None),
        ("[  966.503025] NVRM: Xid (0000:01:00): 31, Ch 1", time),
        ("[  966.503025][ T812] NVRM: Xid (0000:01:00): 31, Ch 1", time),
        ("<4>[  966.503025] NVRM: Xid (0000:01:00): 31, Ch 1", time),
        ("[Thu Feb  5 13:09:34 2026] NVRM: Xid (0000:01:00): 31, Ch 1", None),
        ("Nov 22 18:29:55 host kernel: [  966.503025] NVRM: Xid (0000:01:00): 31, Ch 1", time),
        ("2026-02-05T13:09:34.123456+00:00 host kernel: NVRM: Xid (0000:01:00): 31, Ch 1", None),
    ] {
        let event = parse(line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(
            (event.message.as_str(), event.since_boot),
            ("NVRM: Xid (0000:01:00): 31, Ch 1", since_boot),
            "{line}"
        );
    }
    for line in [
        "Nov 22 18:29:55 host gpud[812]: NVRM: Xid (0000:01:00): 31, Ch 1",
        "Nov 22 18:29:55 host gpud[812]: host kernel: NVRM: Xid (0000:01:00): 31, Ch 1",
        "[  966.503025] systemd[1]: host kernel: NVRM: Xid (0000:01:00): 31, Ch 1",
    ] {
        assert_eq!(parse(line), None, "{line}");
    }
}

#[test]
fn what_is_escaped_comes_back_and_what_only_looks_so_stays() {
    assert_eq!(unescaped("a\\x0ab\\x5cc"), "a\nb\\c");
    assert_eq!(unescaped("gr\\xc3\\xbc\\xc3\\x9f"), "grüß");
    for text in ["\\", "\\x", "\\x4", "\\xzz", "\\\\x", "a\\x+1"] {
        assert_eq!(unescaped(text), text);
    }
}

#[test]
fn a_line_without_end_is_cut_within_bounds() {
    let long = format!("NVRM: Xid (PCI:0000:05:00): 31, {}", "é".repeat(LINE));
    let event = parse(&long).unwrap();
    assert!(event.message.len() <= LINE && event.message.len() > LINE - 4, "{}", event.message.len());
}

#[test]
fn json_gives_back_the_same_event() {
    for line in [
        "4,1907,96642233,-;NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7194, Contained",
        "nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 30",
        "NVRM: GPU 0000:29:00.0: GPU has fallen off the bus.",
        "NVRM: API mismatch: the client has the version 550.54.14, but",
        "NVRM: RmInitAdapter failed!",
    ] {
        let event = parse(line).unwrap();
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<KernelEvent>(&json).unwrap(), event, "{json}");
    }
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(line in "\\PC{0,120}") {
        parse(&line);
        unescaped(&line);
    }

    #[test]
    fn no_broken_xid_makes_it_panic(
        head in "(\\d{0,3},\\d{0,3},\\d{0,22},-;|<\\d{0,3}>|\\[ ?\\d{0,25}\\.\\d{0,7}\\] )?",
        place in "(PCI:)?[0-9a-f:.]{0,16}( GPU-C?I:\\d{0,12})?",
        rest in "\\d{0,12}(, pid=.{0,12})?(, name=.{0,12})?(, \\\\x[0-9a-fé]{0,3})?.{0,8}",
    ) {
        parse(&format!("{head}NVRM: Xid ({place}): {rest}"));
        parse(&format!("{head}nvidia-nvswitch1: SXid ({place}): {rest}"));
    }
}
