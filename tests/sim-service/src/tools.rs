//! What a test runs inside a container whose image has no other program.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);

/// Runs the tool that the arguments name; nothing where they name none.
pub(crate) fn run(arguments: &[&str]) -> Option<ExitCode> {
    let outcome = match arguments {
        ["env"] => env(),
        ["read", path] => read(path),
        ["write", path, text] => std::fs::write(path, text),
        ["get", url] => get(url),
        ["say", out, error, code] => return Some(say(out, error, code)),
        ["sleep", seconds] => {
            std::thread::sleep(Duration::from_secs(seconds.parse().unwrap_or(0)));
            Ok(())
        }
        _ => return None,
    };
    Some(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

/// The environment, a variable a line.
fn env() -> Result<()> {
    for (name, value) in std::env::vars_os() {
        println!("{}={}", name.to_string_lossy(), value.to_string_lossy());
    }
    Ok(())
}

/// The content of a file, or the names in a folder.
fn read(path: &str) -> Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        return std::io::stdout().write_all(&std::fs::read(path)?);
    }
    for entry in std::fs::read_dir(path)? {
        println!("{}", entry?.file_name().to_string_lossy());
    }
    Ok(())
}

/// The answer to `GET` of an address such as `http://name:8000/healthz`.
fn get(url: &str) -> Result<()> {
    let rest = url.strip_prefix("http://").ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = host.to_socket_addrs()?.next().ok_or_else(|| Error::from(ErrorKind::NotFound))?;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    println!("{answer}");
    Ok(())
}

/// Writes to both streams and ends with a code.
fn say(out: &str, error: &str, code: &str) -> ExitCode {
    println!("{out}");
    eprintln!("{error}");
    ExitCode::from(code.parse::<u8>().unwrap_or(255))
}
