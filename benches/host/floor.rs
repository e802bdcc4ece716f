//! The least that a survey of this machine can be: its small files are read, and the daemon is asked each question that
//! must be asked, over a connection of its own.

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nacp_core::host::{Facts, Root};

/// The files to read, one a line: what this process is told by the benchmark.
pub(crate) const FILES: &str = "NACP_BENCH_FILES";
/// Beside those of detection.
const MORE: [&str; 5] =
    ["/proc/modules", "/etc/os-release", "/etc/ld.so.cache", "/etc/docker/daemon.json", "/etc/cdi/nvidia.json"];

/// The socket of the daemon.
pub(crate) fn socket() -> &'static Path {
    Path::new("/var/run/docker.sock")
}

/// The files that detection looks at, and some that the rest of a survey does.
pub(crate) fn files() -> String {
    let facts = Facts::gather(&Root::system());
    let files = facts.answers.keys().map(String::as_str).filter(|source| source.starts_with('/'));
    files.chain(MORE).collect::<Vec<_>>().join("\n")
}

/// Reads and asks.
pub(crate) fn run() {
    for file in std::env::var(FILES).expect("the files").lines() {
        // Many are not there, which is an answer too.
        drop(black_box(std::fs::read(file)));
    }
    if socket().exists() {
        for question in ["/version", "/info", "/containers/json?all=true"] {
            black_box(ask(question).expect("the daemon answers"));
        }
    }
}

fn ask(question: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket())?;
    write!(stream, "GET {question} HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
