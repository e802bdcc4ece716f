//! The service as a process: how it starts, says so, and ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn start(variables: &[(&str, &str)]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_nacp-sim-service"))
        .arg("127.0.0.1:0")
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Its first line, which names the address.
fn first_line(service: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line
}

fn end(mut service: Child) -> (Option<i32>, String) {
    let start = Instant::now();
    let status = loop {
        match service.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > Duration::from_secs(2) => {
                service.kill().unwrap();
                panic!("it does not end");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut errors = String::new();
    service.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    (status.code(), errors)
}

#[test]
fn a_signal_ends_it_in_the_middle_of_an_answer() {
    for signal in ["-TERM", "-INT"] {
        let mut service = start(&[("NACP_SIM_MODEL", "m"), ("NACP_SIM_TOKEN_MS", "60000")]);
        let line = first_line(&mut service);
        let address = line.split(' ').nth(4).unwrap();
        assert_eq!(line, format!("simulated service: listening on {address} models=m\n"));
        let mut stream = TcpStream::connect(address).unwrap();
        let body = r#"{"model":"m","prompt":"a","stream":true}"#;
        let head = format!("POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).unwrap();
        assert!(stream.read(&mut [0; 12]).unwrap() > 0);
        assert!(Command::new("kill").args([signal, &service.id().to_string()]).status().unwrap().success());
        assert_eq!(end(service), (Some(0), String::new()), "{signal}");
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let service = start(&[("NACP_SIM_PORT", "http")]);
    let message =
        "not a value of this variable: variable=NACP_SIM_PORT value=\"http\"; write a whole number in range\n";
    assert_eq!(end(service), (Some(1), message.to_owned()));
}
