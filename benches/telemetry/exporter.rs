//! `nacp metrics --listen` over a simulated driver: what it costs to run, and how long a scrape takes.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::scenario::{Scenario, run};

/// What was seen.
pub(crate) struct Seen {
    seconds: f64,
    cpu_seconds: f64,
    rss_mib: f64,
    scrape_p50_us: f64,
    scrape_p99_us: f64,
    bytes: usize,
}

impl Seen {
    /// The names and values for the last line.
    pub(crate) fn json(&self) -> [(&'static str, f64); 4] {
        [
            ("rss_mib", self.rss_mib),
            ("cpu_percent", self.cpu_percent()),
            ("scrape_p50_us", self.scrape_p50_us),
            ("scrape_p99_us", self.scrape_p99_us),
        ]
    }

    fn cpu_percent(&self) -> f64 {
        self.cpu_seconds / self.seconds * 100.0
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} MiB resident; {:.3} % of a core over {:.0} s at one scrape a second; a scrape of {} KiB takes p50 {:.0} µs, p99 {:.0} µs",
            self.rss_mib,
            self.cpu_percent(),
            self.seconds,
            self.bytes / 1024,
            self.scrape_p50_us,
            self.scrape_p99_us
        )
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Runs the exporter for some seconds at one scrape a second, then scrapes it in a row.
pub(crate) fn measure(scenario: &Scenario, scrapes: u32, seconds: u32) -> Option<Seen> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join("nacp-cli").exists() {
        return None;
    }
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(root).args(["build", "--quiet", "--release", "-p", "nacp-cli"]);
    run(&mut build);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let mut command = scenario.command(target.join("release/nacp"));
    let mut child =
        command.args(["metrics", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let running = Running(child);
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert!(output.read_line(&mut line).expect("text") > 0, "the exporter names no address");
    }
    let address =
        line.split("http://").nth(1).and_then(|rest| rest.split(['/', ' ', '\n']).next()).expect("an address");

    scrape(address);
    let (start, before) = (Instant::now(), cpu(&running));
    for _ in 0..seconds {
        std::thread::sleep(Duration::from_secs(1));
        scrape(address);
    }
    let (seconds, cpu_seconds) = (start.elapsed().as_secs_f64(), cpu(&running) - before);
    let mut bytes = 0;
    let mut times: Vec<f64> = (0..scrapes)
        .map(|_| {
            let start = Instant::now();
            bytes = scrape(address);
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |hundredths: usize| times[(times.len() * hundredths / 100).min(times.len() - 1)];
    let rss_mib = memory(&running);
    Some(Seen { seconds, cpu_seconds, rss_mib, scrape_p50_us: at(50), scrape_p99_us: at(99), bytes })
}

/// One scrape on a connection of its own, as Prometheus' worst case; the size of the answer.
fn scrape(address: &str) -> usize {
    let mut stream = TcpStream::connect(address).expect("the exporter listens");
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    answer.len()
}

/// Seconds of processor time so far, of all threads, to a nanosecond.
fn cpu(running: &Running) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{}/task", running.0.id())).expect("it runs");
    let nanoseconds = threads.map(|thread| {
        let path = thread.expect("a thread").path().join("schedstat");
        // A thread that has ended meanwhile has no file.
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().next().map_or(0.0, |time| time.parse::<f64>().expect("a number"))
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// Resident memory at its highest, in MiB.
fn memory(running: &Running) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.0.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kibibytes| kibibytes.parse::<f64>().ok()).expect("a number") / 1024.0
}
