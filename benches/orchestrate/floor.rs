//! The least that bringing services up can take: the calls to Docker themselves.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PORT: &str = "8000/tcp";

/// A connection of the floor's own.
pub(crate) struct Floor(Docker);

impl Floor {
    pub(crate) fn connect() -> Self {
        Self(Docker::connect_with_defaults().expect("a Docker daemon answers"))
    }

    /// Milliseconds until all answer; all containers are created before the first is started, as the control plane does.
    pub(crate) async fn run(&self, name: &str, services: u32) -> f64 {
        let names: Vec<_> = (0..services).map(|number| format!("floor.{name}.{number}")).collect();
        let begin = Instant::now();
        join_all(names.iter().map(|name| self.create(name))).await;
        join_all(names.iter().map(|name| self.start(name))).await;
        let taken = begin.elapsed().as_secs_f64() * 1e3;
        let force = || Some(RemoveContainerOptionsBuilder::new().force(true).v(true).build());
        let removed = join_all(names.iter().map(|name| self.0.remove_container(name, force()))).await;
        removed.into_iter().for_each(|one| one.expect("it is removed"));
        taken
    }

    async fn create(&self, name: &str) {
        let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: None };
        let host = HostConfig {
            port_bindings: Some(HashMap::from([(PORT.to_owned(), Some(vec![binding]))])),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            ..HostConfig::default()
        };
        let body = ContainerCreateBody {
            image: Some(super::IMAGE.to_owned()),
            exposed_ports: Some(vec![PORT.to_owned()]),
            labels: Some(HashMap::from([("nacp.bench".to_owned(), "orchestrate".to_owned())])),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        self.0.create_container(Some(options), body).await.expect("it is created");
    }

    async fn start(&self, name: &str) {
        self.0.start_container(name, None).await.expect("it is started");
        let address = self.address(name).await;
        while !answers(address).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn address(&self, name: &str) -> SocketAddr {
        let about = self.0.inspect_container(name, None).await.expect("it is there");
        let ports = about.network_settings.and_then(|network| network.ports).unwrap_or_default();
        let binding =
            ports.get(PORT).cloned().flatten().unwrap_or_default().into_iter().next().expect("it is published");
        let port = binding.host_port.expect("a port").parse().expect("a number");
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}

async fn answers(address: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: floor\r\nconnection: close\r\n\r\n").await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer.ends_with(b"200"))
    };
    asked.await.unwrap_or(false)
}
