//! Leases between programs: real processes, which are killed as processes are.

#![expect(clippy::disallowed_methods, reason = "a test has programs, threads and times of its own")]
#![expect(clippy::type_complexity, reason = "a table of odd things and how they are put there")]
#![cfg(unix)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nacp_core::ErrorKind;
use nacp_core::control::{FileLeases, Lease, Leases};

const ENGINE: &str = "engine";
const NOBODY: u32 = 65_534;

async fn take(folder: &Path) -> Result<Box<dyn Lease>, String> {
    FileLeases::at(folder).named("this test").take(ENGINE, "demo").await.unwrap()
}

/// The one file of a lease in this folder.
fn file_of(folder: &Path) -> std::path::PathBuf {
    let mut files = fs::read_dir(folder).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

/// The holder that is killed by the tests below, in a process of its own.
#[tokio::test]
#[ignore = "run by the tests of leases"]
async fn holder_to_be_killed() {
    let folder = std::env::var("NACP_TEST_LEASES").unwrap();
    let leases = match folder.as_str() {
        "shared" => FileLeases::new(),
        folder => FileLeases::at(folder),
    };
    let app = std::env::var("NACP_TEST_APP").unwrap();
    match leases.named("the holder").take(ENGINE, &app).await {
        Ok(Ok(_lease)) => {
            println!("held");
            // A program that was started by the holder, and lives on after it.
            let mut child =
                Command::new("sleep").arg("30").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            println!("started {}", child.id());
            child.wait().unwrap();
        }
        Ok(Err(holder)) => println!("refused {holder}"),
        Err(error) => println!("broken {error}"),
    }
}

/// A holder in a process of its own; killed when it is dropped.
struct Holder {
    process: Child,
    lines: Box<dyn Iterator<Item = String> + Send>,
    child: Option<u32>,
}

impl Holder {
    fn start(folder: &Path, app: &str, user: Option<u32>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "holder_to_be_killed", "--ignored", "--nocapture"])
            .env("NACP_TEST_LEASES", folder)
            .env("NACP_TEST_APP", app)
            .current_dir("/")
            .stdout(Stdio::piped());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        Self { process, lines: Box::new(lines), child: None }
    }

    /// The rest of the next line that begins with one of these words.
    fn says(&mut self, words: &[&str]) -> String {
        let line = self.lines.find(|line| words.iter().any(|word| line.contains(word))).expect("a line");
        words.iter().find_map(|word| line.split_once(word)).unwrap().1.trim().to_owned()
    }

    fn holds(&mut self) {
        assert_eq!(self.says(&["held", "refused", "broken"]), "");
        self.child = Some(self.says(&["started"]).parse().unwrap());
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if let Some(child) = self.child {
            drop(Command::new("kill").arg(child.to_string()).status());
        }
    }
}

#[tokio::test]
async fn who_holds_a_lease_is_named_and_the_others_get_it_when_he_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let held = take(folder.path()).await.unwrap();
    let holder = take(folder.path()).await.unwrap_err();
    let wanted = format!("this test (process {}, since 20", std::process::id());
    assert!(holder.starts_with(&wanted) && holder.ends_with("Z)"), "{holder}");
    let leases = FileLeases::at(folder.path());
    assert!(leases.take(ENGINE, "other").await.unwrap().is_ok(), "another app");
    assert!(leases.take("another", "demo").await.unwrap().is_ok(), "another engine");
    drop(held);
    drop(take(folder.path()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_threads_that_want_it_at_once_one_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let leases = Arc::new(FileLeases::at(folder.path().join("new")));
    for round in 0..20 {
        let app = format!("demo-{round}");
        let tasks = (0..8).map(|_| {
            let (leases, app) = (Arc::clone(&leases), app.clone());
            tokio::spawn(async move { leases.take(ENGINE, &app).await.unwrap() })
        });
        let mut taken = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            taken.push(task.await.unwrap());
        }
        assert_eq!(taken.iter().filter(|one| one.is_ok()).count(), 1, "{taken:?}");
        let refused = taken.iter().find_map(|one| one.as_ref().err()).unwrap();
        assert!(refused.contains(&format!("(process {}", std::process::id())), "{refused}");
    }
}

#[tokio::test]
async fn a_killed_holder_loses_its_lease_though_what_it_started_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let mut holder = Holder::start(folder.path(), "demo", None);
        holder.holds();
        let told = take(folder.path()).await.unwrap_err();
        assert!(told.starts_with(&format!("the holder (process {}, since ", holder.process.id())), "{told}");
        holder.kill();
        let begin = Instant::now();
        drop(take(folder.path()).await.expect("the kernel has given it back"));
        assert!(begin.elapsed() < Duration::from_millis(50), "nothing has to be waited for");
    }
}

#[tokio::test]
async fn without_a_folder_of_its_own_every_program_of_the_machine_is_excluded() {
    let app = format!("lease-{}", std::process::id());
    let held = FileLeases::new().named("this test").take(ENGINE, &app).await.unwrap().unwrap();
    let mut other = Holder::start(Path::new("shared"), &app, None);
    let told = other.says(&["refused", "held", "broken"]);
    let files: Vec<_> = ["/run/lock", "/tmp"]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().contains(&app))
        .collect();
    drop(held);
    let free = FileLeases::new().take(ENGINE, &app).await.unwrap().is_ok();
    for file in &files {
        fs::remove_file(file).unwrap();
    }
    assert!(told.starts_with(&format!("this test (process {}", std::process::id())), "{told}");
    assert!(free && files.iter().any(|file| file.starts_with("/tmp")), "{files:?}");
}

#[tokio::test]
async fn users_exclude_each_other_in_whichever_order_they_come() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let shared = folder.path().join("leases");
    drop(FileLeases::at(&shared).take(ENGINE, "makes-the-folder").await.unwrap().unwrap());
    assert_eq!(fs::metadata(&shared).unwrap().permissions().mode() & 0o7777, 0o1777);
    let probe = Command::new(std::env::current_exe().unwrap()).arg("--list").uid(NOBODY).stdout(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        println!("SKIP: this test cannot start itself as another user");
        return;
    }
    let held = FileLeases::at(&shared).named("this test").take(ENGINE, "demo").await.unwrap().unwrap();
    let told = Holder::start(&shared, "demo", Some(NOBODY)).says(&["refused", "held", "broken"]);
    assert!(told.starts_with(&format!("this test (process {}", std::process::id())), "{told}");
    drop(held);
    let mut other = Holder::start(&shared, "demo", Some(NOBODY));
    other.holds();
    let told = FileLeases::at(&shared).take(ENGINE, "demo").await.unwrap().unwrap_err();
    assert!(told.starts_with("the holder (process "), "{told}");
    other.kill();
    assert!(
        FileLeases::at(&shared).take(ENGINE, "demo").await.unwrap().is_ok(),
        "a file of another user's is no obstacle"
    );
}

#[tokio::test]
async fn a_lease_whose_file_was_tidied_away_is_not_given_to_two() {
    let folder = tempfile::tempdir().unwrap();
    drop(take(folder.path()).await.unwrap());
    let file = file_of(folder.path());
    for _ in 0..50 {
        // Somebody tidies up while two want it.
        let removing = {
            let file = file.clone();
            std::thread::spawn(move || drop(fs::remove_file(file)))
        };
        let taken = take(folder.path()).await;
        removing.join().unwrap();
        if file.exists() && taken.is_ok() {
            assert!(take(folder.path()).await.is_err());
        }
    }
}

#[tokio::test]
async fn what_somebody_else_put_in_its_place_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    drop(take(folder.path()).await.unwrap());
    let file = file_of(folder.path());
    let precious = folder.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let put: [(&str, fn(&Path, &Path)); 4] = [
        ("a symbolic link", |precious, place| symlink(precious, place).unwrap()),
        ("a file of several names", |precious, place| fs::hard_link(precious, place).unwrap()),
        ("no regular file", |_, place| assert!(Command::new("mkfifo").arg(place).status().unwrap().success())),
        ("directory", |_, place| fs::create_dir(place).unwrap()),
    ];
    for (what, put) in put {
        fs::remove_file(&file).unwrap();
        put(&precious, &file);
        let begin = Instant::now();
        let error = FileLeases::at(folder.path()).take(ENGINE, "demo").await.unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(1), "a pipe is not waited for");
        if what != "directory" {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains(what), "{error}");
        }
        if what == "directory" {
            fs::remove_dir(&file).unwrap();
            fs::write(&file, "").unwrap();
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{what}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let no_folder = folder.path().join("file");
    fs::write(&no_folder, "").unwrap();
    let error = FileLeases::at(no_folder.join("leases")).take(ENGINE, "demo").await.unwrap_err();
    assert!(error.get("file").unwrap().starts_with(no_folder.to_str().unwrap()), "{error}");
    assert_eq!(error.operation(), "control.lease");
}
