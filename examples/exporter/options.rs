//! What the exporter is asked to do on its command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nacp_core::gpu::Node;
use nacp_core::observe::HostnameLabel;
use nacp_core::{Error, ErrorKind, sim};

pub(crate) const HELP: &str = "\
exporter: the GPUs of this machine at /metrics, with the names of dcgm-exporter

  --listen ADDRESS        where to answer; 127.0.0.1:9400 if not given, port 0 takes any free one
  --node NODE             auto: what the NVIDIA driver tells (if not given); simulated:NAME or simulated:FILE.json: a
                          made-up machine
  --every SECONDS         how often to read the GPUs; 1 if not given
  --hostname NAME         the machine's name; the kernel's if not given
  --hostname-label LABEL  where it stands: hostname (if not given), Hostname, both, none
  --help                  this text
";

/// Prometheus' and dcgm-exporter's port, on this machine alone.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9400);

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) node: String,
    pub(crate) every: Duration,
    pub(crate) hostname: Option<String>,
    pub(crate) label: HostnameLabel,
}

impl Options {
    /// Reads the arguments; nothing when help is asked for.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, Error> {
        let mut options = Self {
            listen: LISTEN,
            node: "auto".to_owned(),
            every: Duration::from_secs(1),
            hostname: None,
            label: HostnameLabel::default(),
        };
        while let Some(argument) = arguments.next() {
            if argument == "--help" {
                return Ok(None);
            }
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), arguments.next()),
            };
            let value = given.ok_or_else(|| wrong("an option without its value", name, ""));
            match name {
                "--listen" => {
                    let text = value?;
                    options.listen = text.parse().map_err(|_| {
                        wrong("not an address with a port", name, &text).hint("for example 127.0.0.1:9400")
                    })?;
                }
                "--node" => options.node = value?,
                "--every" => {
                    let text = value?;
                    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                    options.every = seconds.ok_or_else(|| wrong("not a number of seconds", name, &text))?;
                }
                "--hostname" => options.hostname = Some(value?),
                "--hostname-label" => options.label = value?.parse()?,
                _ => return Err(wrong("no such option", name, "").hint("--help lists them")),
            }
        }
        Ok(Some(options))
    }

    /// The node that is asked for. Where there is no driver, `auto` is an error: nobody wants made-up GPUs by surprise.
    pub(crate) fn open(&self) -> Result<Node, Error> {
        match (self.node.as_str(), self.node.strip_prefix("simulated:")) {
            ("auto", _) => Node::discover(),
            (_, Some(path)) if path.ends_with(".json") => {
                Node::from_source(Arc::new(sim::Node::from(sim::NodeFile::open(path)?)))
            }
            (_, Some(name)) => Node::from_source(Arc::new(sim::Node::named(name)?)),
            (other, None) => {
                let known: Vec<_> = sim::Node::names().iter().map(|name| format!("simulated:{name}")).collect();
                Err(wrong("no such node", "--node", other).hint(format!("it is auto or one of {}", known.join(", "))))
            }
        }
    }

    /// The machine's name, and its label. A machine without a name has no label.
    pub(crate) fn hostname(&self) -> (HostnameLabel, String) {
        let kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).ok();
        match self.hostname.clone().or_else(kernel) {
            Some(name) => (self.label, name),
            None => (HostnameLabel::None, String::new()),
        }
    }
}

fn wrong(what: &'static str, option: &str, value: &str) -> Error {
    let error = Error::new(ErrorKind::InvalidArgument, "exporter", what).with("option", option);
    if value.is_empty() { error } else { error.with("value", format_args!("{value:?}")) }
}
