//! Daemons of the tests' own, on sockets of the tests' own.

use std::net::TcpListener;

use super::*;

const LIMIT: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(80);

/// Answers one connection with `answer` and keeps it open for `then`.
fn serve(answer: &'static str, then: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 512];
        let length = stream.read(&mut request).unwrap();
        assert!(request[..length].starts_with(b"GET /version HTTP/1.0\r\n"));
        // The other side may have gone.
        let _ = stream.write_all(answer.as_bytes());
        thread::sleep(then);
    });
    endpoint
}

fn get(endpoint: &str, path: &str, limit: Duration) -> Seen<Vec<u8>> {
    begin(endpoint, path, limit).wait()
}

fn why(seen: &Seen<Vec<u8>>) -> &str {
    match seen {
        Seen::Unreadable(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_is_had_at_once_also_where_the_connection_stays_open() {
    let since = Instant::now();
    let endpoint = serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", LIMIT);
    assert_eq!(get(&endpoint, "/version", LIMIT), Seen::Found(b"{}".to_vec()));
    assert!(since.elapsed() < LIMIT, "{:?}", since.elapsed());
    let endpoint = serve("HTTP/1.0 200 OK\r\n\r\n{}", Duration::ZERO);
    assert_eq!(get(&endpoint, "/version", LIMIT), Seen::Found(b"{}".to_vec()));
}

#[test]
fn one_that_is_silent_costs_the_limit_and_no_more() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"] {
        let endpoint = serve(answer, LIMIT);
        let since = Instant::now();
        assert_eq!(why(&get(&endpoint, "/version", SHORT)), "it does not answer within 80 ms");
        assert!(since.elapsed() < SHORT * 10, "{:?}", since.elapsed());
    }
}

#[test]
fn a_limit_without_end_is_one() {
    let endpoint = serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Duration::ZERO);
    assert_eq!(get(&endpoint, "/version", Duration::MAX), Seen::Found(b"{}".to_vec()));
}

/// Each piece comes in time, all of them together do not.
#[test]
fn one_that_answers_drop_by_drop_is_held_to_the_whole_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(b"H").is_ok() {
            thread::sleep(SHORT / 8);
        }
    });
    let since = Instant::now();
    assert_eq!(why(&get(&endpoint, "/version", SHORT)), "it does not answer within 80 ms");
    assert!(since.elapsed() < SHORT * 10, "{:?}", since.elapsed());
}

#[test]
fn one_that_never_stops_is_left() {
    for (head, reason) in [
        ("", "what answers there is no HTTP server"),
        ("HTTP/1.0 200 OK\r\n\r\n", "it answers with more than 8388608 bytes"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            while stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
        });
        assert_eq!(why(&get(&endpoint, "/version", LIMIT * 4)), reason);
    }
}

#[cfg(unix)]
#[test]
fn a_socket_says_whether_it_is_missing_closed_or_forbidden() {
    use std::os::unix::net::UnixListener;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let endpoint = format!("unix://{}", path.display());
    assert_eq!(get(&endpoint, "/version", LIMIT), Seen::Absent);
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(why(&get(&endpoint, "/version", LIMIT)), "nobody listens there; is the daemon running?");
    let forbidden = refused(&IoErrorKind::PermissionDenied.into(), LIMIT);
    assert_eq!(why(&forbidden), "no permission to use the socket; is this user in its group, such as docker?");
}

/// A queue that is full holds up who connects, for ever.
#[cfg(target_os = "linux")]
#[test]
fn a_socket_that_accepts_nobody_costs_the_limit_and_no_more() {
    use std::os::unix::net::{UnixListener, UnixStream};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let (said, heard) = channel();
    let filling = path.clone();
    thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok(stream) = UnixStream::connect(&filling) {
            open.push(stream);
            let _ = said.send(());
        }
    });
    while heard.recv_timeout(SHORT).is_ok() {}
    let since = Instant::now();
    assert_eq!(why(&get(&format!("unix://{}", path.display()), "/version", SHORT)), "it does not answer within 80 ms");
    assert!(since.elapsed() < SHORT * 10, "{:?}", since.elapsed());
}

#[test]
fn an_address_that_is_not_asked_says_why() {
    for (endpoint, reason) in [
        ("ssh://ops@gpu-7", "ssh://ops@gpu-7 is not asked: it wants a login over ssh"),
        ("https://gpu-7:2376", "https://gpu-7:2376 is not asked: it wants TLS"),
        ("tcp://gpu-7:2376", "tcp://gpu-7:2376 is not asked: its port is the one for TLS"),
        ("tcp://", "tcp:// names no machine"),
        ("fd://3", "fd://3 is not asked: fd is no way to a daemon that NACP knows"),
    ] {
        assert_eq!(why(&get(endpoint, "/version", LIMIT)), reason);
    }
    for (endpoint, address) in [
        ("unix:///var/run/docker.sock", Address::Unix("/var/run/docker.sock".into())),
        ("/var/run/docker.sock", Address::Unix("/var/run/docker.sock".into())),
        ("npipe:////./pipe/docker_engine", Address::Pipe(r"\\.\pipe\docker_engine".into())),
        ("127.0.0.1:2375", Address::Tcp("127.0.0.1:2375".into())),
        ("tcp://gpu-7", Address::Tcp("gpu-7:2375".into())),
        ("http://[fd00::7]:1234/v1", Address::Tcp("[fd00::7]:1234".into())),
        ("tcp://[fd00::7]", Address::Tcp("[fd00::7]:2375".into())),
    ] {
        assert_eq!(Address::of(endpoint), Ok(address), "{endpoint}");
    }
}
