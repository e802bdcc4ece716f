//! Where a daemon runs, from what it says and who asks. Pure.

use super::endpoints::is_local;
use super::info::Identity;
use super::{DaemonInfo, DaemonPlace};
use crate::host::{Evidence, Host, LayerKind};

/// Memory that differs by less than one part of this is the same: a virtual machine's can change while it runs.
const SAME_MEMORY: u64 = 16;

/// Where a daemon runs, seen from a process on `host` that reaches it at `endpoint`, and what that was concluded from.
///
/// Without an answer (`info`) only the address tells.
pub fn place(info: Option<&DaemonInfo>, endpoint: &str, host: &Host) -> (DaemonPlace, Vec<Evidence>) {
    let address = Evidence { source: "address".into(), value: endpoint.into() };
    if !is_local(endpoint) && !is_loopback(endpoint) {
        return (DaemonPlace::Remote, vec![address]);
    }
    let Some(info) = info else {
        let proxied = endpoint.contains("/mnt/wsl/docker-desktop/");
        return (if proxied { DaemonPlace::DesktopWsl2 } else { DaemonPlace::Unknown }, vec![address]);
    };
    let kernel = info.kernel.as_deref().unwrap_or_default();
    let mut evidence = said(info);
    let on_windows_or_mac = matches!(host.os.as_deref(), Some("windows" | "macos"));
    let same = !kernel.is_empty() && host.kernel.as_deref() == Some(kernel);
    if info.name == "Docker Desktop" {
        // All distributions of WSL2 share a kernel, so that of Docker Desktop has this one too.
        let place = if is_wsl2(kernel) || (same && host.is_wsl2()) {
            DaemonPlace::DesktopWsl2
        } else if same {
            DaemonPlace::ThisKernel
        } else if on_windows_or_mac || has(host, LayerKind::Wsl1) || host.is_wsl2() {
            if kernel.contains("linuxkit") { DaemonPlace::DesktopVm } else { DaemonPlace::Unknown }
        } else if has(host, LayerKind::NativeLinux) {
            DaemonPlace::DesktopLinux
        } else {
            DaemonPlace::Unknown
        };
        evidence.extend(of_host(host));
        return (place, evidence);
    }
    evidence.extend(of_host(host));
    if on_windows_or_mac && info.os_type.as_deref() == Some("linux") {
        return (DaemonPlace::OtherVm, evidence);
    }
    let place = match (host.kernel.as_deref(), kernel) {
        _ if host.os.is_some() && host.os == info.os_type && on_windows_or_mac => DaemonPlace::ThisKernel,
        (Some(_), kernel) if !kernel.is_empty() && same => DaemonPlace::ThisKernel,
        // Something hands the socket on to another kernel: a forward over ssh, or a virtual machine.
        _ => DaemonPlace::Unknown,
    };
    (place, evidence)
}

/// What tells that a daemon is on another machine than `here`, although its kernel has the same release: a socket may be
/// forwarded. A container and a distribution of WSL2 may have a name of their own on the same kernel, so that a name counts
/// only outside of them.
pub(super) fn elsewhere(daemon: &Identity, here: &Identity, host: &Host) -> Option<Evidence> {
    let found = |field: &str, value: String| Some(Evidence { source: format!("GET /info {field}"), value });
    if let (Some(there), Some(own)) = (daemon.memory, here.memory)
        && there.abs_diff(own) > there.max(own) / SAME_MEMORY
    {
        return found("MemTotal", format!("{there} bytes, {own} here"));
    }
    // A daemon may be kept from some processors, and never has more than there are.
    if let (Some(there), Some(own)) = (daemon.processors, here.processors)
        && there > own
    {
        return found("NCPU", format!("{there} processors, {own} here"));
    }
    let own_name =
        |layer: &crate::host::Layer| matches!(layer.kind, LayerKind::Container(_) | LayerKind::Pod | LayerKind::Wsl2);
    match (&daemon.name, &here.name) {
        (Some(there), Some(own)) if !host.layers.iter().any(own_name) && !there.eq_ignore_ascii_case(own) => {
            found("Name", "not the name of this machine".into())
        }
        _ => None,
    }
}

/// The kernel of WSL2, by its release.
pub(in crate::host) fn is_wsl2(kernel: &str) -> bool {
    kernel.contains("WSL") || kernel.contains("microsoft-standard")
}

fn has(host: &Host, kind: LayerKind) -> bool {
    host.layers.iter().any(|layer| layer.kind == kind)
}

fn is_loopback(endpoint: &str) -> bool {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let machine = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let number = machine.parse::<std::net::IpAddr>();
    scheme != "ssh" && (machine == "localhost" || number.is_ok_and(|address| address.is_loopback()))
}

fn said(info: &DaemonInfo) -> Vec<Evidence> {
    let fields = [
        ("GET /version Platform.Name", &info.platform),
        ("GET /info OperatingSystem", &info.operating_system),
        ("GET /info KernelVersion", &info.kernel),
    ];
    let said = fields.into_iter().filter_map(|(source, value)| {
        let value = value.as_ref()?;
        Some(Evidence { source: source.into(), value: value.clone() })
    });
    said.collect()
}

/// What counts of the machine that asks: its kernel, or its system where that has none.
fn of_host(host: &Host) -> Option<Evidence> {
    match (&host.kernel, &host.os) {
        (Some(kernel), _) => Some(Evidence { source: "/proc/sys/kernel/osrelease".into(), value: kernel.clone() }),
        (None, Some(os)) => Some(Evidence { source: "this program".into(), value: format!("built for {os}") }),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::layers::tests::facts;

    const KERNEL: &str = "/proc/sys/kernel/osrelease";

    fn of(endpoint: &str, name: &str, kernel: &str, own: &str) -> DaemonPlace {
        let info = DaemonInfo { name: name.into(), kernel: Some(kernel.into()), ..DaemonInfo::default() };
        place(Some(&info), endpoint, &facts(&[(KERNEL, own)]).decide()).0
    }

    #[test]
    fn an_address_that_leads_away_is_remote_whatever_answers() {
        for (endpoint, remote) in [
            ("ssh://localhost", true),
            ("tcp://gpu-7:2375", true),
            ("tcp://10.0.0.7:2375", true),
            ("tcp://[fd00::7]:2375", true),
            ("tcp://127.0.0.1:2375", false),
            ("tcp://[::1]:2375", false),
            ("http://localhost:2375/", false),
            ("unix:///var/run/docker.sock", false),
        ] {
            let place = of(endpoint, "Docker Engine", "6.8.0-85-generic", "6.8.0-85-generic");
            assert_eq!(place == DaemonPlace::Remote, remote, "{endpoint}");
        }
    }

    #[test]
    fn a_local_socket_that_leads_to_another_kernel_is_not_placed() {
        let socket = "unix:///tmp/forwarded.sock";
        assert_eq!(of(socket, "Docker Engine", "5.15.0-1-aws", "6.8.0-85-generic"), DaemonPlace::Unknown);
        assert_eq!(of(socket, "Docker Engine", "", "6.8.0-85-generic"), DaemonPlace::Unknown);
        // A kernel that its user built carries no mark; that it is the same one does.
        let custom = "6.12.10-mine";
        assert_eq!(of(socket, "Docker Desktop", custom, custom), DaemonPlace::ThisKernel);
    }

    #[test]
    fn a_kernel_of_the_same_release_on_another_machine_is_told_by_its_name_or_size() {
        let machine = |name: &str, memory: u64, processors| Identity {
            id: None,
            name: Some(name.into()),
            memory: Some(memory << 30),
            processors: Some(processors),
        };
        let here = machine("gpu-7", 64, 16);
        let native = facts(&[(KERNEL, "6.8.0-85-generic")]).decide();
        let container = facts(&[(KERNEL, "6.8.0-85-generic"), ("/.dockerenv", "")]).decide();
        let wsl2 = facts(&[(KERNEL, "5.15.167.4-microsoft-standard-WSL2")]).decide();
        assert!(container.container().is_some() && wsl2.is_wsl2());
        let of = |there: &Identity, host: &Host| elsewhere(there, &here, host).map(|evidence| evidence.source);
        let told = |field: &str| Some(format!("GET /info {field}"));
        for host in [&native, &container, &wsl2] {
            assert_eq!(of(&here, host), None);
            assert_eq!(of(&Identity::default(), host), None);
            assert_eq!(of(&machine("gpu-7", 63, 16), host), None, "a part of it was taken back");
            assert_eq!(of(&machine("GPU-7", 64, 8), host), None, "it may use half of the processors");
            assert_eq!(of(&machine("gpu-7", 128, 16), host), told("MemTotal"));
            assert_eq!(of(&machine("gpu-7", 64, 32), host), told("NCPU"));
        }
        assert_eq!(of(&machine("gpu-8", 64, 16), &native), told("Name"));
        assert_eq!((of(&machine("gpu-8", 64, 16), &container), of(&machine("gpu-8", 64, 16), &wsl2)), (None, None));
        let evidence = elsewhere(&machine("gpu-8", 64, 16), &here, &native).unwrap();
        assert!(!format!("{evidence:?}").contains("gpu-"), "a name is not told");
    }

    #[test]
    fn the_proxy_of_docker_desktop_tells_its_place_also_without_an_answer() {
        let host = facts(&[(KERNEL, "5.15.167.4-microsoft-standard-WSL2")]).decide();
        let proxy = "unix:///mnt/wsl/docker-desktop/shared-sockets/guest-services/docker.proxy.sock";
        assert_eq!(place(None, proxy, &host).0, DaemonPlace::DesktopWsl2);
        assert_eq!(place(None, "unix:///var/run/docker.sock", &host).0, DaemonPlace::Unknown);
    }

    proptest! {
        #[test]
        fn every_answer_has_a_place_with_its_evidence(endpoint in ".{0,30}", name in "Docker (Engine|Desktop)|.{0,9}", kernel in "(.{0,20}|6[.]1-linuxkit|5-WSL2)", own in "(.{1,20}|5-WSL2)") {
            let host = facts(&[(KERNEL, own.as_str())]).decide();
            let info = DaemonInfo { name, kernel: Some(kernel), ..DaemonInfo::default() };
            for info in [None, Some(&info)] {
                let (_, evidence) = place(info, &endpoint, &host);
                prop_assert!(!evidence.is_empty());
            }
        }
    }
}
