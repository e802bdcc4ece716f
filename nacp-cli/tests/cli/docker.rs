//! The life of an app on a real Docker Engine: up, status, logs, down.

use std::path::Path;

use serde_json::Value;

use crate::common::{docker, nacp, program, ran};

/// An app of its own, removed when the test ends.
pub(crate) struct App {
    folder: tempfile::TempDir,
    pub(crate) name: String,
}

impl App {
    pub(crate) fn new(name: &str, image: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("cli-{name}-{}", std::process::id());
        let text = format!(
            "name: {name}\nservices:\n  llm:\n    image: {image}\n    model: tiny\n    port: 8000\n    \
             ready: {{ http: /healthz, within: 30s }}\n"
        );
        std::fs::write(folder.path().join("nacp.yaml"), text).unwrap();
        Self { folder, name }
    }

    pub(crate) fn file(&self) -> String {
        self.folder.path().join("nacp.yaml").display().to_string()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        nacp(&["down", &self.name]);
    }
}

#[test]
fn an_app_comes_up_is_shown_tells_its_log_and_goes() {
    if !docker() {
        return;
    }
    let app = App::new("life", "nacp/sim-service:0.1");
    let up = nacp(&["up", &app.file(), "--limit", "120"]);
    assert_eq!(up.code, Some(0), "{}{}", up.out, up.err);
    assert!(up.err.contains(&format!("{}/llm/0: ready", app.name)), "{}", up.err);

    let again = nacp(&["up", &app.file(), "--dry-run"]);
    assert!(again.out.contains("keep") && again.out.contains("it is as wanted"), "{}", again.out);

    let status = nacp(&["status", &app.name]);
    assert_eq!(status.code, Some(0), "{}{}", status.out, status.err);
    assert!(status.out.contains(&format!("{}/llm/0", app.name)) && status.out.contains("127.0.0.1:"), "{}", status.out);
    let document: Value = serde_json::from_str(&nacp(&["status", &app.name, "--json"]).out).unwrap();
    assert_eq!((&document["apps"][0]["ready"], &document["apps"][0]["app"]), (&true.into(), &app.name.as_str().into()));

    let logs = nacp(&["logs", &format!("{}/llm", app.name), "-n", "5"]);
    assert_eq!((logs.code, logs.err.as_str()), (Some(0), ""));
    let unknown = nacp(&["logs", &format!("{}/lm", app.name)]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("did you mean llm?"), "{}", unknown.err);

    // The folder of the file is where a user stands.
    let down = ran(program(&["down"]).current_dir(app.folder.path()).output().unwrap());
    assert_eq!(down.out, format!("{}: 1 container removed; volumes stay\n", app.name), "{}", down.err);
    assert_eq!(nacp(&["status", &app.name]).code, Some(1));
    assert_eq!(nacp(&["down", &app.name]).out, format!("nothing of {} was there\n", app.name));
}

#[test]
fn an_image_that_is_nowhere_is_told_and_nothing_is_left() {
    if !docker() {
        return;
    }
    let app = App::new("nowhere", "127.0.0.1:9/no/such-image:1");
    let up = nacp(&["up", &app.file(), "--limit", "60"]);
    assert_ne!(up.code, Some(0));
    assert!(up.err.contains("image=127.0.0.1:9/no/such-image:1"), "{}", up.err);
    assert_eq!(nacp(&["status", &app.name]).out, format!("nothing of {} is there\n", app.name));
}

#[test]
fn ctrl_c_leaves_what_runs_and_says_so() {
    if !docker() {
        return;
    }
    // It is never ready: nothing answers there.
    let app = App::new("stopped", "nacp/sim-service:0.1");
    let text = std::fs::read_to_string(app.file()).unwrap().replace("/healthz", "/never").replace("30s", "10m");
    std::fs::write(Path::new(&app.file()), text).unwrap();
    let mut child = program(&["up", &app.file()])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap());
    while !said.contains("not ready") {
        assert_ne!(std::io::BufRead::read_line(&mut lines, &mut said).unwrap(), 0, "{said}");
    }
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    std::io::Read::read_to_string(&mut lines, &mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains(&format!("nacp down {} removes it", app.name)), "{said}");
    let late = nacp(&["status", &app.name]);
    assert_eq!((late.code, late.out.contains("not ready")), (Some(1), true), "{}", late.out);
}
