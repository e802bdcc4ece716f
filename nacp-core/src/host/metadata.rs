//! The metadata services of clouds: asked only where somebody wants them to be.
//!
//! They listen on an address that never leaves the machine's own network (link-local), over plain HTTP. Nothing that they
//! say is kept but the type of the machine.
#![expect(clippy::disallowed_methods, reason = "all services together have a limit of time")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::daemon::ask::{self, Exchange};
use super::stack::{Cloud, Confidence, Evidence, Host, Layer, LayerKind, Question};

/// The most that asking may take, whatever the caller allows.
const MOST: Duration = Duration::from_millis(300);

/// Where the services are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Services {
    aws: SocketAddr,
    azure: SocketAddr,
    gcp: SocketAddr,
}

impl Services {
    /// The address that all of them share; each recognises its own questions.
    pub(super) fn link_local() -> Self {
        let address = SocketAddr::from((Ipv4Addr::new(169, 254, 169, 254), 80));
        Self { aws: address, azure: address, gcp: address }
    }
}

/// Asks all services at once, for `limit` and 300 ms at most, and confirms or adds the layer of the cloud that answers.
pub(super) fn confirm(host: &mut Host, services: Services, limit: Duration) {
    let Some((cloud, evidence)) = which(services, Instant::now() + limit.min(MOST)) else { return };
    let known = host.layers.iter_mut().find(|layer| matches!(layer.kind, LayerKind::Cloud(_)));
    match known {
        Some(layer) if layer.kind == LayerKind::Cloud(cloud) => layer.evidence.push(evidence),
        // The firmware says otherwise, and it is the machine's own.
        Some(_) => {}
        None => {
            let kind = LayerKind::Cloud(cloud);
            let (detail, confidence) = (String::new(), Confidence::Certain);
            host.layers.push(Layer { kind, detail, evidence: vec![evidence], confidence });
            host.undecided.retain(|open| open.question != Question::Cloud);
        }
    }
}

fn which(services: Services, until: Instant) -> Option<(Cloud, Evidence)> {
    let begin = |address, request: &str| ask::send_to(address, request.to_owned(), until);
    let token = begin(
        services.aws,
        &request("PUT", "/latest/api/token", "169.254.169.254", "X-aws-ec2-metadata-token-ttl-seconds: 60"),
    );
    let azure = "/metadata/instance/compute?api-version=2021-02-01";
    let azure = begin(services.azure, &request("GET", azure, "169.254.169.254", "Metadata: true"));
    let gcp = "/computeMetadata/v1/instance/machine-type";
    let gcp = begin(services.gcp, &request("GET", gcp, "metadata.google.internal", "Metadata-Flavor: Google"));
    let aws = || {
        let token = text(token)?;
        // It goes into a header.
        if token.is_empty() || token.len() > 512 || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let document = "/latest/dynamic/instance-identity/document";
        let header = format!("X-aws-ec2-metadata-token: {token}");
        let document = text(begin(services.aws, &request("GET", document, "169.254.169.254", &header)))?;
        let document: Value = serde_json::from_str(&document).ok()?;
        document["accountId"].as_str()?;
        Some((Cloud::Aws, said("AWS", document["instanceType"].as_str()?)))
    };
    let azure = || {
        let compute: Value = serde_json::from_str(&text(azure)?).ok()?;
        compute["azEnvironment"].as_str()?;
        Some((Cloud::Azure, said("Azure", compute["vmSize"].as_str()?)))
    };
    let gcp = || {
        let answer = gcp.wait()?;
        // Others answer to any path; only the real one says who it is.
        if ask::header(&answer, "Metadata-Flavor") != Some("Google") {
            return None;
        }
        let place = String::from_utf8(ask::body(&answer).found()?.clone()).ok()?;
        let kind = place.trim().rsplit('/').next()?;
        (place.contains("/machineTypes/")).then(|| (Cloud::Gcp, said("Google Cloud", kind)))
    };
    aws().or_else(azure).or_else(gcp)
}

fn request(method: &str, path: &str, machine: &str, header: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {machine}\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn text(exchange: Exchange) -> Option<String> {
    let body = ask::body(&exchange.wait()?);
    String::from_utf8(body.found()?.clone()).ok().map(|text| text.trim().to_owned())
}

/// The type of a machine is the same for many; anything longer is no type.
fn said(whose: &str, kind: &str) -> Evidence {
    Evidence { source: format!("metadata service of {whose}"), value: kind.chars().take(64).collect() }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::host::Facts;

    const LIMIT: Duration = Duration::from_millis(300);

    /// A service that answers by the first line and the headers of a question.
    fn serve(answer: fn(&str) -> String) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut request) = (stream.unwrap(), [0; 1024]);
                let length = stream.read(&mut request).unwrap();
                let answer = answer(&String::from_utf8_lossy(&request[..length]));
                // The other side may have gone.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        address
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn missing(_: &str) -> String {
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()
    }

    fn aws(request: &str) -> String {
        if request.starts_with("PUT /latest/api/token ") && request.contains("X-aws-ec2-metadata-token-ttl-seconds: 60")
        {
            ok("TOKEN==")
        } else if request.contains("X-aws-ec2-metadata-token: TOKEN==") {
            ok(
                r#"{"accountId": "123456789012", "instanceId": "i-0af1", "instanceType": "p5.48xlarge", "region": "eu-west-1"}"#,
            )
        } else {
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".into()
        }
    }

    fn azure(request: &str) -> String {
        let compute = r#"{"azEnvironment": "AzurePublicCloud", "vmSize": "Standard_NC40ads_H100_v5", "vmId": "1a2b"}"#;
        if request.contains("\r\nMetadata: true\r\n") { ok(compute) } else { missing(request) }
    }

    fn gcp(_: &str) -> String {
        let place = "projects/1234567/machineTypes/a3-highgpu-8g";
        format!("HTTP/1.1 200 OK\r\nMetadata-Flavor: Google\r\nContent-Length: {}\r\n\r\n{place}", place.len())
    }

    /// Answers to everything, as a captive portal does.
    fn portal(_: &str) -> String {
        ok("projects/1/machineTypes/x")
    }

    fn unknown() -> Host {
        Facts { os: Some("linux".into()), answers: std::collections::BTreeMap::new() }.decide()
    }

    fn asked(services: Services) -> Host {
        let mut host = unknown();
        confirm(&mut host, services, LIMIT);
        host
    }

    fn none() -> Services {
        let nobody = serve(missing);
        Services { aws: nobody, azure: nobody, gcp: nobody }
    }

    #[test]
    fn each_cloud_is_known_by_its_own_service() {
        for (services, cloud, kind) in [
            (Services { aws: serve(aws), ..none() }, Cloud::Aws, "p5.48xlarge"),
            (Services { azure: serve(azure), ..none() }, Cloud::Azure, "Standard_NC40ads_H100_v5"),
            (Services { gcp: serve(gcp), ..none() }, Cloud::Gcp, "a3-highgpu-8g"),
        ] {
            let host = asked(services);
            assert_eq!(host.cloud(), Some(cloud));
            assert!(host.undecided.iter().all(|open| open.question != Question::Cloud), "{host}");
            let text = serde_json::to_string(&host).unwrap();
            assert!(text.contains(kind), "{text}");
            for own in ["123456789012", "i-0af1", "1a2b", "1234567", "TOKEN"] {
                assert!(!text.contains(own), "{own} is kept: {text}");
            }
        }
    }

    #[test]
    fn who_answers_to_everything_is_no_cloud() {
        let portal = serve(portal);
        for services in [none(), Services { aws: portal, azure: portal, gcp: portal }] {
            let host = asked(services);
            assert_eq!((host.cloud(), &host.undecided), (None, &unknown().undecided));
        }
    }

    #[test]
    fn the_firmware_is_confirmed_and_never_overruled() {
        let mut host = unknown();
        let firmware = Evidence { source: "/sys/class/dmi/id/sys_vendor".into(), value: "Amazon EC2".into() };
        host.layers.push(Layer {
            kind: LayerKind::Cloud(Cloud::Aws),
            detail: String::new(),
            evidence: vec![firmware],
            confidence: Confidence::Certain,
        });
        let mut other = host.clone();
        confirm(&mut host, Services { aws: serve(aws), ..none() }, LIMIT);
        let layer = host.layers.last().unwrap();
        assert_eq!((layer.kind, layer.evidence.len()), (LayerKind::Cloud(Cloud::Aws), 2));
        let before = other.clone();
        confirm(&mut other, Services { gcp: serve(gcp), ..none() }, LIMIT);
        assert_eq!(other, before);
    }

    #[test]
    fn silence_costs_the_limit_and_never_more_than_300_ms() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
        let hanging = hanging.local_addr().map(|address| (hanging, address)).unwrap();
        for address in [silent, hanging.1] {
            let (since, mut host) = (Instant::now(), unknown());
            confirm(&mut host, Services { aws: address, azure: address, gcp: address }, Duration::from_secs(60));
            assert_eq!(host.cloud(), None);
            assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        }
    }

    #[test]
    fn the_services_are_never_beyond_the_own_network() {
        let Services { aws, azure, gcp } = Services::link_local();
        for address in [aws, azure, gcp] {
            assert!(matches!(address.ip(), std::net::IpAddr::V4(ip) if ip.is_link_local()));
        }
    }
}
