use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::engine::{
    ContainerSpec, ContainerStats, Details, EngineEvents, EngineInfo, ExecOutput, Image, ImageDetails, LogLine,
    LogLines, NamedContainer, PullRequest, PullWatcher,
};
use crate::error::{Error, ErrorKind};

type Answer<T> = crate::error::Result<T>;

/// An engine of one container, whose log and programs are the test's.
#[derive(Debug, Default)]
struct Fake {
    /// What the container has written so far, in all its runs.
    log: Mutex<Vec<String>>,
    followers: Mutex<Vec<mpsc::UnboundedSender<String>>>,
    started: Mutex<Option<Timestamp>>,
    /// How often a log was opened.
    opened: Mutex<usize>,
    cannot_follow: bool,
    exits: Mutex<VecDeque<Answer<ExecOutput>>>,
}

impl Fake {
    fn write(&self, line: &str) {
        self.log.lock().unwrap().push(line.to_owned());
        self.followers.lock().unwrap().retain(|follower| follower.send(line.to_owned()).is_ok());
    }

    fn begin(&self, second: i64) {
        *self.started.lock().unwrap() = Some(Timestamp::from_second(second).unwrap());
    }

    /// The streams end: the program has, or the daemon.
    fn hang_up(&self) {
        self.followers.lock().unwrap().clear();
    }
}

fn unused<T>() -> Answer<T> {
    Err(Error::new(ErrorKind::Unsupported, "engine.fake", "not in this test"))
}

#[async_trait]
impl Engine for Fake {
    async fn info(&self) -> Answer<EngineInfo> {
        unused()
    }
    async fn pull(&self, _: &PullRequest, _: &dyn PullWatcher) -> Answer<Image> {
        unused()
    }
    async fn load(&self, _: &Path, _: &dyn PullWatcher) -> Answer<Vec<Image>> {
        unused()
    }
    async fn image(&self, _: &str) -> Answer<Option<ImageDetails>> {
        unused()
    }
    async fn digest(&self, _: &PullRequest) -> Answer<String> {
        unused()
    }
    async fn create_network(&self, _: &str, _: &BTreeMap<String, String>) -> Answer<()> {
        unused()
    }
    async fn remove_networks(&self, _: &str) -> Answer<()> {
        unused()
    }
    async fn create(&self, _: &ContainerSpec) -> Answer<ContainerId> {
        unused()
    }
    async fn start(&self, _: &ContainerId) -> Answer<()> {
        unused()
    }
    async fn stop(&self, _: &ContainerId, _: Duration) -> Answer<()> {
        unused()
    }
    async fn remove(&self, _: &ContainerId) -> Answer<()> {
        unused()
    }
    async fn rename(&self, _: &ContainerId, _: &str) -> Answer<()> {
        unused()
    }
    async fn list(&self, _: Option<&str>) -> Answer<Vec<Container>> {
        unused()
    }
    async fn names(&self) -> Answer<Vec<NamedContainer>> {
        unused()
    }
    async fn stats(&self, _: &ContainerId) -> Answer<ContainerStats> {
        unused()
    }
    async fn watch(&self) -> Answer<EngineEvents> {
        unused()
    }

    async fn inspect(&self, _: &ContainerId) -> Answer<Details> {
        Ok(Details { started_at: *self.started.lock().unwrap(), ..Details::default() })
    }

    async fn logs(&self, _: &ContainerId, lines: usize) -> Answer<Vec<String>> {
        let all = self.log.lock().unwrap();
        Ok(all[all.len().saturating_sub(lines)..].to_vec())
    }

    async fn follow_logs(&self, id: &ContainerId, lines: usize) -> Answer<LogLines> {
        if self.cannot_follow {
            return unused();
        }
        *self.opened.lock().unwrap() += 1;
        let (sender, receiver) = mpsc::unbounded_channel();
        self.logs(id, lines).await?.into_iter().for_each(|line| sender.send(line).unwrap());
        self.followers.lock().unwrap().push(sender);
        let lines = futures_util::stream::unfold(receiver, async |mut lines| {
            let text = lines.recv().await?;
            Some((Ok(LogLine { error: false, text }), lines))
        });
        Ok(lines.boxed())
    }

    async fn exec(&self, _: &ContainerId, command: &[String], limit: Duration) -> Answer<ExecOutput> {
        assert_eq!((command, limit), (&["check".to_owned()][..], LIMIT));
        let exit = self.exits.lock().unwrap().pop_front();
        match exit {
            Some(exit) => exit,
            None => std::future::pending().await,
        }
    }
}

const LIMIT: Duration = Duration::from_millis(400);

async fn ask(prober: &SystemProber, engine: &Fake, address: Option<SocketAddr>, check: Check) -> Result<(), String> {
    let container = ContainerId("one".to_owned());
    let target = Target { engine, container: &container, address };
    let begin = Instant::now();
    let answer = prober.ask(target, &Probe::new(check).timeout(LIMIT)).await;
    assert!(begin.elapsed() < LIMIT + Duration::from_millis(200), "{:?} for {answer:?}", begin.elapsed());
    answer
}

async fn ready(prober: &SystemProber, engine: &Fake) -> Result<(), String> {
    ask(prober, engine, None, Check::Log("ready".to_owned())).await
}

fn missing() -> Result<(), String> {
    Err("not in the log".to_owned())
}

#[tokio::test]
async fn a_line_counts_as_soon_as_it_is_written_and_for_the_whole_run() {
    let (prober, engine) = (SystemProber::new(), Fake::default());
    engine.begin(1);
    engine.write("loading");
    assert_eq!(ready(&prober, &engine).await, missing());
    engine.write("the service is ready now");
    assert_eq!(ready(&prober, &engine).await, Ok(()));
    (0..5000).for_each(|_| engine.write("request"));
    assert_eq!(ready(&prober, &engine).await, Ok(()));
    assert_eq!(ready(&prober.clone(), &engine).await, Ok(()));
    assert_eq!(*engine.opened.lock().unwrap(), 1, "the log is read once");
    let other = ask(&prober, &engine, None, Check::Log("loading".to_owned())).await;
    assert_eq!(other, Ok(()), "another text is looked for from the beginning");
}

#[tokio::test]
async fn what_an_earlier_run_wrote_counts_no_longer() {
    let (prober, engine) = (SystemProber::new(), Fake::default());
    engine.begin(1);
    engine.write("ready");
    engine.write("last words");
    assert_eq!(ready(&prober, &engine).await, Ok(()));
    engine.begin(2);
    engine.hang_up();
    assert_eq!(ready(&prober, &engine).await, missing(), "the program has ended");
    engine.write("loading again");
    assert_eq!(ready(&prober, &engine).await, missing());
    engine.write("ready again");
    assert_eq!(ready(&prober, &engine).await, Ok(()));
}

#[tokio::test]
async fn a_daemon_that_was_restarted_under_a_program_changes_nothing() {
    let (prober, engine) = (SystemProber::new(), Fake::default());
    engine.begin(1);
    engine.write("ready");
    assert_eq!(ready(&prober, &engine).await, Ok(()));
    engine.hang_up();
    assert_eq!(ready(&prober, &engine).await, Ok(()), "it was not started again");
    assert_eq!(*engine.opened.lock().unwrap(), 2);
}

#[tokio::test]
async fn without_the_time_of_the_start_the_end_of_the_log_is_the_end_of_the_run() {
    let (prober, engine) = (SystemProber::new(), Fake::default());
    engine.write("ready");
    assert_eq!(ready(&prober, &engine).await, Ok(()));
    engine.hang_up();
    assert_eq!(ready(&prober, &engine).await, missing());
    assert_eq!(ready(&prober, &engine).await, missing());
    engine.write("ready");
    assert_eq!(ready(&prober, &engine).await, Ok(()));
}

#[tokio::test]
async fn a_log_that_cannot_be_followed_is_read_for_each_question() {
    let (prober, engine) = (SystemProber::new(), Fake { cannot_follow: true, ..Fake::default() });
    assert_eq!(ready(&prober, &engine).await, missing());
    engine.write("ready");
    assert_eq!(ready(&prober, &engine).await, Ok(()));
}

#[tokio::test]
async fn logs_of_containers_that_are_gone_do_not_pile_up() {
    let (prober, engine) = (SystemProber::new(), Fake::default());
    let of = async |number: usize| {
        let container = ContainerId(format!("{number}"));
        let target = Target { engine: &engine, container: &container, address: None };
        prober.ask(target, &Probe::log("ready").timeout(Duration::from_millis(1))).await
    };
    engine.write("ready");
    for number in 0..2000 {
        assert_eq!(of(number).await, Ok(()));
        engine.hang_up();
    }
    assert!(format!("{prober:?}").matches("ContainerId").count() <= 1025);
}

#[tokio::test]
async fn a_program_is_good_when_it_ends_with_0() {
    let (prober, engine) = (SystemProber::new(), Fake::default());
    let output = |code, stdout: &str, stderr: &str| {
        Ok(ExecOutput { code, stdout: stdout.to_owned(), stderr: stderr.to_owned() })
    };
    let error = |kind, message: &'static str| Err(Error::new(kind, "engine.exec", message));
    let long = "x".repeat(500);
    for (exit, wanted) in [
        (output(0, "", "a warning"), Ok(())),
        (output(1, "", ""), Err("exit code 1".to_owned())),
        (output(2, "told\n", ""), Err("exit code 2: told".to_owned())),
        (output(3, "told\n", "first\nlast \n\n"), Err("exit code 3: last".to_owned())),
        (output(4, "", &long), Err(format!("exit code 4: {}", "x".repeat(120)))),
        (error(ErrorKind::Timeout, "too slow"), Err("no answer within 400ms".to_owned())),
        (error(ErrorKind::NotFound, "no such program"), Err("cannot run it: no such program".to_owned())),
    ] {
        engine.exits.lock().unwrap().push_back(exit);
        assert_eq!(ask(&prober, &engine, None, Check::Exec(vec!["check".to_owned()])).await, wanted);
    }
    let hangs = ask(&prober, &engine, None, Check::Exec(vec!["check".to_owned()])).await;
    assert_eq!(hangs, Err("no answer within 400ms".to_owned()));
}

/// A server that does this with each connection.
async fn server<F: Future<Output = ()> + Send>(
    serve: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream).await;
        }
    });
    address
}

async fn nobody() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_port_is_good_when_its_connection_stays_or_speaks() {
    let (prober, engine) = (SystemProber::new(), Fake::default());
    let waits = server(async |mut stream| {
        let mut all = Vec::new();
        drop(stream.read_to_end(&mut all).await);
    })
    .await;
    let speaks = server(async |mut stream| drop(stream.write_all(b"220 ready\r\n").await)).await;
    let relay = server(async |stream| drop(stream)).await;
    let tcp = async |address| ask(&prober, &engine, Some(address), Check::Tcp).await;
    assert_eq!((tcp(waits).await, tcp(speaks).await), (Ok(()), Ok(())));
    assert_eq!(tcp(relay).await, Err("closed at once".to_owned()), "a relay with nothing behind it");
    assert_eq!(tcp(nobody().await).await, Err("no connection".to_owned()));
    let unpublished = ask(&prober, &engine, None, Check::Tcp).await;
    assert_eq!(unpublished, Err("its port is not published".to_owned()));
}

#[tokio::test]
async fn a_path_is_good_when_it_answers_200_to_399() {
    let (prober, engine) = (SystemProber::new(), Fake::default());
    let http = async |address, path: &str| ask(&prober, &engine, Some(address), Check::Http(path.to_owned())).await;
    for (status, wanted) in [
        ("200 OK", Ok(())),
        ("302 Found", Ok(())),
        ("404 Not Found", Err("HTTP 404".to_owned())),
        ("503 Service Unavailable", Err("HTTP 503".to_owned())),
    ] {
        let address = server(move |mut stream| async move {
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /healthz?deep=1 HTTP/1.1\r\n"));
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        assert_eq!(http(address, "/healthz?deep=1").await, wanted);
    }
    let silent = server(async |stream| {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(stream);
    })
    .await;
    assert_eq!(http(silent, "/").await, Err("no answer within 400ms".to_owned()));
    assert_eq!(http(nobody().await, "/").await, Err("no connection".to_owned()));
    assert_eq!(http(nobody().await, "/a b").await, Err("not a path: /a b".to_owned()));
    assert_eq!(http(server(async |stream| drop(stream)).await, "/").await, Err("no answer of HTTP".to_owned()));
}
