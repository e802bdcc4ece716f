use super::*;
use crate::gpu::{Ancestor, NvLink, Pair, PeerStatus, Reading, RemoteDevice};

/// Joins the two GPUs by four NVLinks of this speed, or of this version where it is not told.
fn join(stage: &mut Stage, speed: Option<u32>, version: u32) {
    let gpus = stage.facts.gpus.as_mut().unwrap();
    let addresses: Vec<String> = gpus.iter().map(|gpu| gpu.pci.known().unwrap().clone()).collect();
    for (gpu, remote) in gpus.iter_mut().zip(addresses.iter().rev()) {
        let link = |link| NvLink {
            link,
            active: Reading::Known(true),
            version: Reading::Known(version),
            remote: Reading::Known(remote.clone()),
            remote_device: Reading::Known(RemoteDevice::Gpu),
            speed: Reading::from(speed),
        };
        gpu.nvlinks = Reading::Known((0..4).map(link).collect());
    }
}

/// What the management library says of the pair.
fn says(stage: &mut Stage, status: PeerStatus) {
    let ids: Vec<_> = stage.devices.iter().map(|device| device.id.clone()).collect();
    let mut pair = Pair::new(ids[0].clone(), ids[1].clone());
    pair.ancestor = Reading::Known(Ancestor::HostBridge);
    pair.peer.read = Reading::Known(status);
    stage.telemetry.as_mut().unwrap().pairs = vec![pair];
}

#[test]
fn access_is_a_matrix_beside_what_lies_between() {
    let mut stage = pair(Setup { access: |from, _| from == 0, ..Setup::default() });
    let outcome = found(&stage, p2p::access);
    assert_eq!(outcome.status, Status::Pass);
    assert_eq!((value(&outcome, "pairs"), value(&outcome, "pairs_with_access")), (2.0, 1.0));
    assert!(told(&outcome, "access.0.1").starts_with("yes") && told(&outcome, "access.1.0").starts_with("no"));
    stage.driver.setup.access = |_, _| true;
    join(&mut stage, Some(26_562), 6);
    let outcome = found(&stage, p2p::access);
    assert_eq!(outcome.status, Status::Pass);
    assert_eq!(told(&outcome, "access.1.0"), "yes, NV4 between them");
}

#[test]
fn access_that_the_links_contradict_is_told() {
    let mut stage = pair(Setup { access: |_, _| false, ..Setup::default() });
    join(&mut stage, Some(26_562), 6);
    assert_eq!(
        reason(&found(&stage, p2p::access)),
        "warn: NVLink joins two devices and CUDA denies access between them: from=0 to=1 link=NV4; look at the state of \
         the links (nvidia-smi nvlink -s) and of the fabric manager"
    );
    let mut stage = pair(Setup { access: |_, _| false, ..Setup::default() });
    says(&mut stage, PeerStatus::Ok);
    assert_eq!(
        reason(&found(&stage, p2p::access)),
        "warn: the management library allows access and CUDA denies it: from=0 to=1 link=PHB; a container may hide what \
         CUDA needs, or CUDA_VISIBLE_DEVICES names parts of a GPU"
    );
    let mut stage = pair(Setup::default());
    says(&mut stage, PeerStatus::ChipsetNotSupported);
    assert_eq!(
        reason(&found(&stage, p2p::access)),
        "warn: CUDA allows access and the management library denies it: from=0 to=1 link=PHB; copies between the two may \
         fail or give wrong data: p2p.bandwidth compares it"
    );
}

#[test]
fn without_a_management_library_the_matrix_stands_alone() {
    let mut stage = pair(Setup::default());
    stage.facts.gpus = None;
    let outcome = found(&stage, p2p::access);
    assert_eq!(outcome.status, Status::Pass);
    assert_eq!(told(&outcome, "access.0.1"), "yes");
    assert_eq!(told(&outcome, "topology"), "unknown: there is no management library to compare with");
}

#[test]
fn one_device_and_parts_of_devices_have_no_peers() {
    for (devices, expected) in [
        (vec![virtual_device::device(0, "GPU")], "there are no two devices"),
        (
            vec![virtual_device::device(0, "MIG"), virtual_device::device(1, "MIG")],
            "MIG devices do not reach each other's memory: that is by design",
        ),
        (
            vec![virtual_device::device(0, "GPU"), virtual_device::device(1, "MIG")],
            "MIG devices do not reach each other's memory: that is by design",
        ),
    ] {
        for body in [p2p::access as Body, p2p::bandwidth] {
            let mut stage = stage(Setup::default());
            stage.seat(devices.clone());
            let status = Status::Skipped { why: Skip::Unsupported, reason: expected.into() };
            assert_eq!(stopped(&stage, body).status, status);
        }
    }
}

#[test]
fn copies_between_devices_go_both_ways_and_are_told_beside_their_links() {
    let mut stage = pair(Setup { peers: 90e9, ..Setup::default() });
    join(&mut stage, Some(26_562), 6);
    let outcome = found(&stage, p2p::bandwidth);
    assert_eq!(outcome.status, Status::Pass);
    for way in ["0.1", "1.0"] {
        close(value(&outcome, &format!("bandwidth.{way}")), 90e9);
        close(value(&outcome, &format!("ratio_to_nvlink.{way}")), 90.0 / 106.2);
        assert_eq!(told(&outcome, &format!("verified.{way}")), "1048576 bytes, none differs");
        assert_eq!(told(&outcome, &format!("way.{way}")), "from device to device");
    }
    join(&mut stage, None, 7);
    close(value(&found(&stage, p2p::bandwidth), "ratio_to_nvlink.0.1"), 90.0 / 200.0);
    stage.facts.gpus = None;
    assert!(!names(&found(&stage, p2p::bandwidth)).contains(&"ratio_to_nvlink.0.1"));
}

#[test]
fn copies_without_direct_access_go_through_the_host_and_it_is_said() {
    let stage = pair(Setup { access: |_, _| false, ..Setup::default() });
    let outcome = found(&stage, p2p::bandwidth);
    assert_eq!(outcome.status, Status::Pass);
    assert_eq!(told(&outcome, "way.0.1"), "through the host: CUDA denies direct access");
    assert_eq!(stage.driver.calls("enable_peer"), 0);
}

#[test]
fn access_that_was_given_before_is_as_good_and_another_refusal_is_not() {
    let mut stage = pair(Setup::default());
    stage.driver.setup.refuses.push(("enable_peer", 1, 704));
    assert_eq!(found(&stage, p2p::bandwidth).status, Status::Pass);
    stage.driver.setup.refuses[0].2 = 711;
    let Status::Error { call, fault, .. } = stopped(&stage, p2p::bandwidth).status else { panic!() };
    assert_eq!((call.as_str(), fault.code), ("cuCtxEnablePeerAccess", 711));
}

#[test]
fn data_that_arrives_changed_at_another_device_is_a_failure() {
    let mut stage = pair(Setup::default());
    stage.driver.setup.flips.push(("copy_peer", 8, 0x01));
    let reason = reason(&found(&stage, p2p::bandwidth));
    let begin = "fail: the data that arrived at another device is not what was sent: from=0 to=1 bytes=1048576 words=1 \
                 first=0x8 bits=";
    assert!(reason.starts_with(begin), "{reason}");
    let end = " bits=0x00000001; switch off IOMMU and ACS of the PCIe switches, or copy through the host \
               (NCCL_P2P_DISABLE=1)";
    assert!(reason.ends_with(end), "{reason}");
}

#[test]
fn eight_devices_are_measured_in_time_with_one_context_each() {
    use crate::cuda::check::{CheckId, Level};
    let mut stage = stage(Setup { peers: 10e9, access: |_, _| false, ..Setup::default() });
    let mut devices: Vec<_> = (0..8).map(|ordinal| virtual_device::device(ordinal, "GPU")).collect();
    devices.iter_mut().for_each(|device| device.multiprocessors = 2);
    stage.seat(devices);
    // As many copies as the level wants, of a smaller size; the time is that of the size that it has.
    stage.sizes.repeats = 10;
    stage.sizes.copy = 64 << 10;
    stage.driver.setup.peers = 10e9 * (64.0 / (32.0 * 1024.0));
    let outcome = found(&stage, p2p::bandwidth);
    assert_eq!((outcome.status.clone(), stage.driver.calls("retain")), (Status::Pass, 8));
    assert_eq!(names(&outcome).iter().filter(|name| name.starts_with("bandwidth.")).count(), 56);
    let took = stage.driver.clock_now();
    assert!(took < CheckId::P2pBandwidth.limit(Level::Standard) / 2, "half is left for the contexts: {took:?}");
}
