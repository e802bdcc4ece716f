//! A daemon that answers as a test wants.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What the daemon answers.
pub(crate) enum Answer {
    /// A status and a JSON text.
    Whole(u16, String),
    /// The head of a good answer and the beginning of its body, and then nothing more.
    Stalls(Vec<u8>),
}

impl Answer {
    pub(crate) fn whole(status: u16, body: &str) -> Self {
        Self::Whole(status, body.to_owned())
    }
}

/// A daemon on a Unix socket, until it is dropped.
pub(crate) struct Daemon {
    pub(crate) host: String,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
    _folder: TempDir,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<String>>,
    stalled: Notify,
}

impl Daemon {
    /// A daemon that answers each request, given as `METHOD /path?query`, with what the function says.
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let seen = Arc::<Seen>::default();
        let (mut tasks, noted) = (JoinSet::new(), Arc::clone(&seen));
        tasks.spawn(async move {
            let (answer, mut connections) = (Arc::new(answer), JoinSet::new());
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, noted) = (Arc::clone(&answer), Arc::clone(&noted));
                connections.spawn(async move { serve(stream, answer.as_ref(), &noted).await });
            }
        });
        Self { host: format!("unix://{}", path.display()), seen, _tasks: tasks, _folder: folder }
    }

    /// What a daemon without images and containers answers.
    pub(crate) fn usual(request: &str) -> Answer {
        match request {
            "GET /version" => Answer::whole(200, r#"{"Version":"1.0","ApiVersion":"1.45"}"#),
            "GET /info" => Answer::whole(200, "{}"),
            _ => Answer::whole(404, r#"{"message":"No such thing"}"#),
        }
    }

    /// Every request until now.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Waits until an answer has come to a standstill.
    pub(crate) async fn stalled(&self) {
        self.seen.stalled.notified().await;
    }
}

/// Output of a container as the daemon sends it.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[1, 0, 0, 0], &length[..], text.as_bytes()].concat()
}

async fn serve(stream: UnixStream, answer: &(impl Fn(&str) -> Answer + Sync), seen: &Seen) {
    let mut stream = BufReader::new(stream);
    let Some(request) = read(&mut stream).await else { return };
    seen.requests.lock().unwrap().push(request.clone());
    match answer(&request) {
        Answer::Whole(status, body) => {
            let head = "content-type: application/json\r\nconnection: close";
            let text = format!("HTTP/1.1 {status} -\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(text.as_bytes()).await.unwrap();
        }
        Answer::Stalls(begins) => {
            let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n", begins.len());
            stream.write_all(&[head.as_bytes(), &begins, b"\r\n"].concat()).await.unwrap();
            seen.stalled.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

/// The request's method and address, once all of it has arrived.
async fn read(stream: &mut BufReader<UnixStream>) -> Option<String> {
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        match line.to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    first.trim_end().strip_suffix(" HTTP/1.1").map(str::to_owned)
}
