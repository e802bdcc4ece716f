//! Everything that the environment can ask of the simulated driver, seen by a C program that makes calls.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use nacp_core::sim::NodeFile;

use common::{Caller, End, KERNELS, numbers, staged, told};

/// The calls that make a context, memory and a module, and what they answer when all is well.
fn ready() -> String {
    format!("init retain set alloc:256 stream:0 load:{KERNELS} function:count")
}

#[test]
fn a_kernel_runs_and_its_words_are_read() {
    let answers = Caller::new().call(&[], &format!("{} launch sync-stream:0 word:0 word:63", ready()));
    assert!(numbers(&answers).iter().all(|number| *number == 0), "{answers:?}");
    assert_eq!(&answers[9..], ["word=0:1", "word=0:190"]);
}

#[test]
fn a_call_answers_the_number_that_was_asked_for() {
    let caller = Caller::new();
    let answers = caller.call(&[("NACP_SIM_CUDA_FAULTS", "cuInit=802")], "init count");
    assert_eq!(numbers(&answers), [802, 3]);
    let faults = [("NACP_SIM_CUDA_FAULTS", "cuMemAlloc_v2#2=2,cuCtxSynchronize=9999")];
    assert_eq!(numbers(&caller.call(&faults, "init retain set 3+alloc:64 sync sync")), [0, 0, 0, 0, 2, 0, 9999, 9999]);
    let one =
        [("NACP_SIM_NODE", "h100x8"), ("NACP_SIM_CUDA_FAULTS", "cuMemAlloc_v2@1=2,cuDevicePrimaryCtxRetain@2=46")];
    let calls = "init retain set alloc:64 use:1 retain set alloc:64 use:2 retain";
    assert_eq!(numbers(&caller.call(&one, calls)), [0, 0, 0, 0, 0, 0, 0, 2, 0, 46]);
    let mistake = caller.try_to(&[("NACP_SIM_CUDA_FAULTS", "cuInit")], "init", Duration::from_secs(60));
    let End::Ended(output) = mistake else { panic!("it hung") };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "init=999\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("NACP_SIM_CUDA_FAULTS: not a fault: \"cuInit\""));
}

#[test]
fn a_call_hangs_crashes_or_takes_its_time() {
    let caller = Caller::new();
    assert_eq!(
        caller.hang(&[("NACP_SIM_CUDA_FAULTS", "cuCtxSynchronize#2=hang")], "init retain set sync sync").len(),
        4
    );
    let crash = caller.try_to(&[("NACP_SIM_CUDA_FAULTS", "cuInit=crash")], "init", Duration::from_secs(60));
    let End::Ended(output) = crash else { panic!("it hung") };
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
    for variable in [
        ("NACP_SIM_CUDA_FAULTS", "cuDevicePrimaryCtxRetain=sleep:300"),
        ("NACP_SIM_CUDA_LATENCY", "cuDevicePrimaryCtxRetain=300000"),
    ] {
        let start = Instant::now();
        assert_eq!(numbers(&caller.call(&[variable], "init retain")), [0, 0]);
        assert!(start.elapsed() >= Duration::from_millis(300), "{variable:?}");
    }
}

#[test]
fn each_place_where_a_driver_hangs() {
    let caller = Caller::new();
    let hangs = |place| [("NACP_SIM_CUDA_HANG", place)];
    caller.hang(&hangs("cuInit"), "init");
    caller.hang(&hangs("cuInit|cuModuleLoadDataEx"), "init");
    caller.hang(&hangs("cuModuleLoadDataEx"), &format!("init retain set load:{KERNELS}"));
    // A kernel that never ends is started like any other: what waits for it hangs, what only asks does not.
    let kernel = hangs("kernel count");
    let started = format!("{} launch", ready());
    for waits in ["sync", "sync-stream:0", "word:0", "queue-download:4", "release", "free:0"] {
        // The default stream does not wait for one that does not block.
        let calls = match waits {
            "word:0" => started.replace(" launch", " launch-default"),
            _ => started.clone(),
        };
        let answers = caller.hang(&kernel, &format!("{calls} {waits}"));
        assert!(numbers(&answers).iter().all(|number| *number == 0), "{waits}: {answers:?}");
    }
    let asks = "event:0 record:0 query:0 reached:0 word:0 launch query:0 stream:1 wait-1:0 query:1 pinned:256 \
                queue-pinned:256 end-stream:0";
    let answers = caller.call(&kernel, &format!("{started} {asks}"));
    assert_eq!(numbers(&answers)[8..], [0, 0, 600, 600, 0, 0, 600, 0, 0, 600, 0, 0, 0]);
    caller.hang(&kernel, &format!("{started} event:0 record:0 sync-event:0"));
    let other = format!("{} launch word:0", ready().replace("function:count", "function:increment"));
    assert!(numbers(&caller.call(&kernel, &other)).iter().all(|number| *number == 0));
}

#[test]
fn the_versions_are_those_that_were_asked_for() {
    let caller = Caller::new();
    let asked = |variables: &[(&str, &str)]| {
        let answers = caller.call(variables, &format!("init version retain set load:{KERNELS}"));
        (told(&answers, "version").to_owned(), answers[4].clone())
    };
    assert_eq!(asked(&[]), ("13010".into(), "load=0".into()));
    assert_eq!(asked(&[("NACP_SIM_CUDA_VERSION", "12000")]), ("12000".into(), "load=0".into()));
    let (_, refusal) = asked(&[("NACP_SIM_CUDA_PTX", "5.0")]);
    let line = 1 + fs::read_to_string(KERNELS).unwrap().lines().position(|line| line.starts_with(".version")).unwrap();
    let log = "fatal   : Unsupported .version 6.0; current version is '5.0'";
    assert_eq!(refusal, format!("load=222:ptxas application ptx input, line {line}; {log}"));
    assert_eq!(asked(&[("NACP_SIM_CUDA_JIT", "missing")]).1, "load=221");
}

#[test]
fn memory_ends_where_it_was_said_to() {
    let caller = Caller::new();
    let laptop = told(&caller.call(&[], "init retain set info"), "info").to_owned();
    // The laptop of the node file: 4 GiB, of which 97 MiB are the driver's and 412 MiB in use.
    assert_eq!(laptop, format!("{}/{}", (4096 - 97 - 412u64) << 20, (4096 - 97u64) << 20));
    let calls = "init retain set info alloc:1048576 alloc:1048576 info free:0 alloc:524288";
    let answers = caller.call(&[("NACP_SIM_CUDA_OOM", "1536KiB")], calls);
    assert_eq!(numbers(&answers), [0, 0, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(told(&answers, "info"), format!("{}/{}", 512 << 10, (4096 - 97u64) << 20));
    let pinned =
        caller.call(&[("NACP_SIM_CUDA_PINNED", "4096")], "init retain set pinned:4097 pinned:4096 pinned:1 unpin");
    assert_eq!(numbers(&pinned), [0, 0, 0, 2, 0, 2, 0]);
    let big = caller.call(&[("NACP_SIM_NODE", "h100x8")], "init retain set alloc:64424509440 word:16106127359 info");
    assert_eq!(numbers(&big)[..4], [0, 0, 0, 0], "60 GiB of a simulated device cost nothing: {big:?}");
}

#[test]
fn a_wrong_bit_is_in_one_thread_of_one_device() {
    let flip = ("NACP_SIM_CUDA_FLIP", "device=1 kernel=count lane=7 step=13 bit=5");
    let caller = Caller::new();
    let calls = |device: u32| {
        let words: Vec<String> = (0..16).map(|word| format!("word:{word}")).collect();
        format!("{} launch sync-stream:0 {}", ready().replace("init", &format!("init use:{device}")), words.join(" "))
    };
    let words = |device, variables: &[(&str, &str)]| {
        let answers = caller.call(variables, &calls(device));
        let word = |line: &String| line.strip_prefix("word=0:").map(|word| word.parse::<u32>().unwrap());
        answers.iter().filter_map(word).collect::<Vec<_>>()
    };
    let good: Vec<u32> = (0..16).map(|lane| lane * 3 + 1).collect();
    assert_eq!(words(0, &[("NACP_SIM_NODE", "h100x8"), flip]), good);
    assert_eq!(words(1, &[("NACP_SIM_NODE", "h100x8")]), good);
    let wrong: Vec<_> = (0..16)
        .map(|step| {
            let flip = format!("device=1 kernel=count lane=7 step={step} bit=5");
            words(1, &[("NACP_SIM_NODE", "h100x8"), ("NACP_SIM_CUDA_FLIP", &flip)])
        })
        .filter(|words| *words != good)
        .collect();
    assert!(!wrong.is_empty(), "no step of the thread leads to its answer");
    let only_its_own =
        |words: &Vec<u32>| (0..16).all(|lane| lane == 7 || words[lane] == good[lane] || words[7] == good[7]);
    assert!(wrong.iter().all(only_its_own), "{wrong:?}");
    assert!(wrong.iter().any(|words| words[7] == good[7] ^ 32), "{wrong:?}");
}

#[test]
fn a_stuck_bit_of_memory_is_found_by_whoever_uses_that_memory() {
    let stuck = [("NACP_SIM_CUDA_MEMORY", "device=0 offset=1026 bit=3 stuck")];
    let caller = Caller::new();
    let answers =
        caller.call(&stuck, "init retain set alloc:2048 words:512 fill:0 word:255 word:256 fill:0xFFFFFFFF word:256");
    let words: Vec<&str> = answers.iter().filter_map(|line| line.strip_prefix("word=0:")).collect();
    assert_eq!(words, ["0", "524288", "4294967295"]);
    let low = [("NACP_SIM_CUDA_MEMORY", "offset=1026 bit=3 stuck=0")];
    let answers = caller.call(&low, "init retain set alloc:2048 words:512 fill:0xFFFFFFFF word:256");
    assert_eq!(told(&answers, "word"), (u32::MAX ^ 524_288).to_string());
}

#[test]
fn what_a_kernel_breaks_stays_broken() {
    let caller = Caller::new();
    for (kernel, code) in [("beyond", 700), ("crooked", 716), ("stop", 715)] {
        let start = ready().replace("function:count", &format!("function:{kernel}"));
        let after =
            "launch query:0 sync sync-stream:0 word:0 fill:1 alloc:64 free:0 stream:1 event:0 info launch retain";
        let answers = caller.call(&[], &format!("{start} {after} create unset release active"));
        let numbers = numbers(&answers);
        assert_eq!(numbers[..8], [0; 8], "the launch itself is well: {answers:?}");
        assert_eq!(numbers[8..21], [code; 13], "{answers:?}");
        assert_eq!(numbers[21..], [0; 3], "what is no work is still answered: {answers:?}");
    }
}

#[test]
fn a_launch_that_blocks_answers_what_its_kernel_met() {
    let start = ready().replace("function:count", "function:beyond");
    let answers = Caller::new().call(&[("CUDA_LAUNCH_BLOCKING", "1")], &format!("{start} launch sync"));
    assert_eq!(numbers(&answers)[7..], [700, 700]);
}

#[test]
fn a_number_after_which_nothing_goes_stays_and_others_do_not() {
    let caller = Caller::new();
    for (code, stays) in [(700, true), (719, true), (214, true), (2, false), (999, false)] {
        let faults = format!("cuCtxSynchronize#1={code}");
        let answers = caller.call(&[("NACP_SIM_CUDA_FAULTS", &faults)], "init retain set sync sync alloc:64 count");
        let then = if stays { code } else { 0 };
        assert_eq!(numbers(&answers)[3..], [code, then, then, 0]);
    }
    // Another device goes on.
    let variables = [("NACP_SIM_NODE", "h100x8"), ("NACP_SIM_CUDA_FAULTS", "cuCtxSynchronize@0#1=719")];
    let answers = caller.call(&variables, "init retain set sync alloc:64 use:1 retain set sync alloc:64");
    assert_eq!(numbers(&answers)[3..], [719, 719, 0, 0, 0, 0, 0]);
}

#[test]
fn a_gpu_that_others_hold_or_that_nobody_may_use_is_unavailable() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("node.json");
    let caller = Caller::new();
    for (mode, process, expected) in [
        ("default", "4242", 0),
        ("exclusive_process", "4242", 46),
        ("exclusive_process", "\"self\"", 0),
        ("prohibited", "\"self\"", 46),
    ] {
        let mut node = serde_json::to_value(NodeFile::shipped("t4").unwrap()).unwrap();
        let gpu = &mut node["gpus"][0];
        gpu["modes"]["compute"] = mode.into();
        gpu["processes"] = serde_json::from_str(&format!(r#"[{{"pid": {process}, "kind": "compute"}}]"#)).unwrap();
        fs::write(&file, node.to_string()).unwrap();
        let answers = caller.call(&[("NACP_SIM_NODE", file.to_str().unwrap())], "init attribute:20 retain create");
        assert_eq!(numbers(&answers), [0, 0, expected, expected], "{mode} {process}");
        let number = match mode {
            "default" => "0",
            "prohibited" => "2",
            _ => "3",
        };
        assert_eq!(told(&answers, "attribute"), number);
    }
}

#[test]
fn a_trace_tells_the_calls_in_order() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("trace");
    let variables = [("NACP_SIM_CUDA_TRACE", file.to_str().unwrap()), ("NACP_SIM_CUDA_FAULTS", "cuCtxSynchronize=999")];
    let start = ready().replace("function:count", "function:beyond");
    Caller::new().call(&variables, &format!("{start} launch sync release"));
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = [
        "cuInit",
        "cuDevicePrimaryCtxRetain",
        "cuCtxSetCurrent",
        "cuMemAlloc_v2",
        "cuStreamCreate",
        "cuModuleLoadDataEx",
        "cuModuleGetFunction",
        "cuLaunchKernel",
        "cuCtxSynchronize",
        "cuDevicePrimaryCtxRelease_v2",
    ];
    assert_eq!(lines, expected);
    let notes: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0] == "# PTX 6.0 for sm_50" && notes[1].starts_with("# beyond: Address("), "{notes:?}");
}

#[test]
fn a_driver_may_lack_functions_and_a_stub_has_one() {
    let lacking = staged(&["--without", "cuGraphLaunch", "cuEventElapsedTime_v2"]);
    let caller = Caller::new();
    let calls = "has:cuGraphLaunch has:cuEventElapsedTime_v2 has:cuEventElapsedTime has:cuInit init";
    let all = caller.call(&[], calls);
    assert_eq!(all, ["has=0:yes", "has=0:yes", "has=0:yes", "has=0:yes", "init=0"]);
    let caller = caller.elsewhere(lacking.path());
    assert_eq!(caller.call(&[], calls), ["has=0:no", "has=0:no", "has=0:yes", "has=0:yes", "init=0"]);
    let stub = staged(&["--stub"]);
    let caller = caller.elsewhere(stub.path());
    let answers = caller.call(&[], "has:cuInit has:cuDeviceGetCount has:nacp_simulated_cuda init");
    assert_eq!(answers, ["has=0:yes", "has=0:no", "has=0:yes", "init=34"]);
}

#[test]
fn devices_are_those_that_the_process_may_see() {
    let caller = Caller::new();
    let see = |variables: &[(&str, &str)]| caller.call(variables, "init count name attribute:16");
    let part = see(&[("NACP_SIM_NODE", "a100-mig")]);
    assert_eq!(part, ["init=0", "count=0:1", "name=0:NVIDIA A100-SXM4-40GB MIG 1g.5gb", "attribute=0:14"]);
    let two = see(&[("NACP_SIM_NODE", "h100x8"), ("CUDA_VISIBLE_DEVICES", "3,1")]);
    assert_eq!(two[1], "count=0:2");
    let none = see(&[("CUDA_VISIBLE_DEVICES", "")]);
    assert_eq!(numbers(&none), [100, 3, 3, 3]);
}
