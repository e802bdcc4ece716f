//! From facts to layers: what is under the system, and whose it is.

use super::facts::{AZURE, CPU, Facts, ORACLE};
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
const XEN_UUID: &str = "/sys/hypervisor/uuid";

/// Hypervisors by the start of what a field of the firmware's tables says.
const MAKERS: [(&str, &str, Hypervisor); 12] = [
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
