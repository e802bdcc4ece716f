//! From facts to layers: what is under the system, and whose it is.

use super::facts::{AZURE, CPU, Facts, ORACLE, VIRTIO};
use super::layers::Verdict;
use super::stack::{Cloud, Confidence, Evidence, Hypervisor, Layer, LayerKind};

const VENDOR: &str = "/sys/class/dmi/id/sys_vendor";
const PRODUCT: &str = "/sys/class/dmi/id/product_name";
const SERIAL: &str = "/sys/class/dmi/id/product_serial";
const UUID: &str = "/sys/class/dmi/id/product_uuid";
const BOARD: &str = "/sys/class/dmi/id/board_vendor";
const BIOS: &str = "/sys/class/dmi/id/bios_vendor";
const ASSET: &str = "/sys/class/dmi/id/chassis_asset_tag";
const DMI: &str = "/sys/class/dmi/id";
const XEN: &str = "/sys/hypervisor/type";
const XEN_RIGHTS: &str = "/proc/xen/capabilities";
const TREE_HYPERVISOR: &str = "/proc/device-tree/hypervisor/compatible";
const TREE: &str = "/proc/device-tree/compatible";
const XEN_UUID: &str = "/sys/hypervisor/uuid";

/// Hypervisors by the start of what a field of the firmware's tables says.
const MAKERS: [(&str, &str, Hypervisor); 15] = [
    (VENDOR, "Amazon EC2", Hypervisor::Kvm),
    (PRODUCT, "Google Compute Engine", Hypervisor::Kvm),
    (PRODUCT, "KVM", Hypervisor::Kvm),
    (PRODUCT, "OpenStack", Hypervisor::Kvm),
    (VENDOR, "QEMU", Hypervisor::Kvm),
    (VENDOR, "VMware", Hypervisor::Vmware),
    (PRODUCT, "VMware", Hypervisor::Vmware),
    (PRODUCT, "VirtualBox", Hypervisor::VirtualBox),
    (VENDOR, "innotek GmbH", Hypervisor::VirtualBox),
    (VENDOR, "Xen", Hypervisor::Xen),
    (BIOS, "Xen", Hypervisor::Xen),
    (BOARD, "QEMU", Hypervisor::Kvm),
    (PRODUCT, "Apple Virtualization", Hypervisor::Unknown),
    (VENDOR, "Parallels", Hypervisor::Unknown),
    (BIOS, "BHYVE", Hypervisor::Unknown),
];

/// What the system runs on: a hypervisor's machine or bare metal.
pub(super) fn machine(facts: &Facts, system: Option<LayerKind>) -> Verdict {
    let layer = |kind, detail: &str, evidence: Vec<Evidence>, confidence| {
        Ok(Some(Layer { kind, detail: detail.into(), evidence, confidence }))
    };
    let all = |sources: &[&str]| sources.iter().filter_map(|source| facts.evidence(source)).collect::<Vec<_>>();
    match system {
        Some(LayerKind::Wsl2) => {
            let evidence = all(&["/proc/sys/kernel/osrelease"]);
            return layer(LayerKind::Hypervisor(Hypervisor::HyperV), "WSL2's own", evidence, Confidence::Certain);
        }
        Some(LayerKind::Wsl1) => return Err("WSL1 does not show the machine under Windows".into()),
        _ => {}
    }
    let text = |source| facts.text(source).unwrap_or_default();
    let flag = facts.text(CPU);
    if text(VENDOR) == "Amazon EC2" && text(PRODUCT).contains(".metal") {
        return layer(LayerKind::BareMetal, text(PRODUCT), all(&[VENDOR, PRODUCT]), Confidence::Certain);
    }
    // The system that governs the others sees the hardware itself.
    if text(XEN_RIGHTS).contains("control_d") {
        let detail = "under Xen, as the domain that governs the others";
        return layer(LayerKind::BareMetal, detail, all(&[XEN, XEN_RIGHTS]), Confidence::Certain);
    }
    if text(VENDOR) == "Microsoft Corporation" && text(PRODUCT) == "Virtual Machine" {
        let evidence = all(&[VENDOR, PRODUCT]);
        return layer(LayerKind::Hypervisor(Hypervisor::HyperV), "", evidence, Confidence::Certain);
    }
    let maker = MAKERS.iter().find(|(source, start, _)| text(source).starts_with(start));
    match maker {
        // The same maker's name stands on machines without a hypervisor; the processor knows.
        Some((source, ..)) if flag == Some("no hypervisor flag") => {
            return layer(LayerKind::BareMetal, "", all(&[source, CPU]), Confidence::Likely);
        }
        Some((source, _, hypervisor)) => {
            return layer(LayerKind::Hypervisor(*hypervisor), "", all(&[source]), Confidence::Certain);
        }
        None => {}
    }
    if text(XEN) == "xen" {
        return layer(LayerKind::Hypervisor(Hypervisor::Xen), "", all(&[XEN]), Confidence::Certain);
    }
    if let Some(hypervisor) = by_device_tree(facts) {
        return layer(LayerKind::Hypervisor(hypervisor), "", all(&[TREE_HYPERVISOR, TREE]), Confidence::Certain);
    }
    // Devices of this kind are made by hypervisors; few machines have some in hardware, and their firmware names a maker.
    if flag.is_none() && facts.text(VENDOR).is_none() && facts.text(VIRTIO).is_some() {
        return layer(LayerKind::Hypervisor(Hypervisor::Unknown), "", all(&[VIRTIO]), Confidence::Likely);
    }
    match (flag, facts.text(VENDOR)) {
        (Some("hypervisor flag"), _) => {
            layer(LayerKind::Hypervisor(Hypervisor::Unknown), "", all(&[CPU, VENDOR, PRODUCT]), Confidence::Certain)
        }
        (Some("no hypervisor flag"), Some(_)) => {
            layer(LayerKind::BareMetal, "", all(&[CPU, VENDOR, PRODUCT]), Confidence::Certain)
        }
        (Some("no hypervisor flag"), None) => layer(LayerKind::BareMetal, "", all(&[CPU]), Confidence::Likely),
        (_, Some(_)) => layer(LayerKind::BareMetal, "", all(&[VENDOR, PRODUCT]), Confidence::Likely),
        _ => Err(format!("{}, {}", facts.why_no_text(CPU), facts.why_no_text(VENDOR))),
    }
}

/// What the device tree says, where there is one: machines of ARM without firmware tables.
fn by_device_tree(facts: &Facts) -> Option<Hypervisor> {
    let hypervisor = facts.text(TREE_HYPERVISOR).unwrap_or_default();
    match hypervisor.split(',').next().unwrap_or_default() {
        "linux" if hypervisor.contains("kvm") => Some(Hypervisor::Kvm),
        "xen" => Some(Hypervisor::Xen),
        "vmware" => Some(Hypervisor::Vmware),
        "microsoft" => Some(Hypervisor::HyperV),
        "" if facts.text(TREE).is_some_and(|machine| machine.contains("linux,dummy-virt")) => Some(Hypervisor::Unknown),
        "" => None,
        _ => Some(Hypervisor::Unknown),
    }
}

/// Whose machine it is, by its firmware's tables; the network is not asked.
pub(super) fn cloud(facts: &Facts) -> Verdict {
    let is = |source, expected: &str| facts.text(source).is_some_and(|text| text == expected);
    let ec2 = |source| facts.text(source).is_some_and(|text| text.eq_ignore_ascii_case("ec2"));
    let rules = [
        (VENDOR, is(VENDOR, "Amazon EC2"), Cloud::Aws),
        (XEN_UUID, ec2(XEN_UUID), Cloud::Aws),
        (UUID, ec2(UUID) && ec2(SERIAL), Cloud::Aws),
        (ASSET, is(ASSET, AZURE), Cloud::Azure),
        (PRODUCT, is(PRODUCT, "Google Compute Engine"), Cloud::Gcp),
        (SERIAL, is(SERIAL, "GoogleCloud-…"), Cloud::Gcp),
        (ASSET, is(ASSET, ORACLE), Cloud::Oci),
    ];
    let Some((source, _, cloud)) = rules.into_iter().find(|(_, holds, _)| *holds) else {
        // Only the vendor's absence leaves it open: the asset tag may be missing on any machine.
        return if facts.text(VENDOR).is_some() { Ok(None) } else { Err(why_no_dmi(facts)) };
    };
    let evidence = facts.evidence(source).into_iter().collect();
    Ok(Some(Layer { kind: LayerKind::Cloud(cloud), detail: String::new(), evidence, confidence: Confidence::Certain }))
}

fn why_no_dmi(facts: &Facts) -> String {
    if facts.has(DMI) { facts.why_no_text(VENDOR) } else { format!("no firmware tables: {DMI} is not there") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::layers::tests::facts;

    fn of(known: &[(&str, &str)]) -> Option<(LayerKind, Confidence)> {
        machine(&facts(known), Some(LayerKind::NativeLinux)).ok()?.map(|layer| (layer.kind, layer.confidence))
    }

    #[test]
    fn a_virtual_machine_without_firmware_tables_is_no_bare_metal() {
        let vm = |hypervisor| LayerKind::Hypervisor(hypervisor);
        for (source, text, hypervisor) in [
            (TREE_HYPERVISOR, "linux,kvm", Hypervisor::Kvm),
            (TREE_HYPERVISOR, "xen,xen-4.17 xen,xen", Hypervisor::Xen),
            (TREE_HYPERVISOR, "vmware", Hypervisor::Vmware),
            (TREE_HYPERVISOR, "microsoft,hyperv", Hypervisor::HyperV),
            (TREE_HYPERVISOR, "acme,visor", Hypervisor::Unknown),
            (TREE, "linux,dummy-virt", Hypervisor::Unknown),
        ] {
            assert_eq!(of(&[(source, text)]), Some((vm(hypervisor), Confidence::Certain)), "{text}");
        }
        assert_eq!(of(&[(VIRTIO, "virtio0")]), Some((vm(Hypervisor::Unknown), Confidence::Likely)));
        assert_eq!(of(&[(TREE, "nvidia,p3737-0000+p3701-0005 nvidia,tegra234")]), None);
        // A machine of a known maker may have such devices in hardware.
        let real = of(&[(VIRTIO, "virtio0"), (VENDOR, "Alibaba Cloud")]);
        assert_eq!(real, Some((LayerKind::BareMetal, Confidence::Likely)));
        let flag = of(&[(VIRTIO, "virtio0"), (CPU, "no hypervisor flag")]);
        assert_eq!(flag, Some((LayerKind::BareMetal, Confidence::Likely)));
    }

    #[test]
    fn the_domain_that_governs_xen_is_no_guest() {
        let guest = [(XEN, "xen"), (CPU, "hypervisor flag")];
        assert_eq!(of(&guest), Some((LayerKind::Hypervisor(Hypervisor::Xen), Confidence::Certain)));
        let governing = [guest[0], guest[1], (XEN_RIGHTS, "control_d")];
        assert_eq!(of(&governing), Some((LayerKind::BareMetal, Confidence::Certain)));
    }
}
