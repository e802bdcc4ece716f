//! The gateway of `nacp serve`, asked as any client asks it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::common::program;

const APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart/nacp.yaml");

/// A running `nacp serve` on a simulated engine; it is killed when it is dropped.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(more: &[&str], key: Option<&str>) -> Self {
        let node = ["serve", APP, "--simulated", "--node", "rtx3050ti-laptop-wsl2", "--port", "0"];
        let mut command = program(&[&node, more].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(key) = key {
            command.env("TEST_KEY", key);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().next().unwrap_or_default().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        assert!(line.contains("(simulated)") && line.contains("nacp-sim-chat"), "{line}");
        Self { child, url }
    }

    fn curl(&self, arguments: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20"]).args(arguments);
        let done = curl.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Asks it to end, and gives its number and what it said meanwhile.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn models_chats_and_metrics_are_answered_until_it_is_asked_to_end() {
    let serving = Serving::start(&[], None);
    let models = serving.curl(&[&format!("{}/models", serving.url)]);
    let models: serde_json::Value = serde_json::from_str(&models).unwrap();
    let ids: Vec<&str> = models["data"].as_array().unwrap().iter().filter_map(|it| it["id"].as_str()).collect();
    assert!(ids.contains(&"nacp-sim-chat") && ids.contains(&"nacp-sim-embed"), "{ids:?}");
    let ask = r#"{"model": "nacp-sim-chat", "max_tokens": 3, "messages": [{"role": "user", "content": "Hi"}]}"#;
    let json = "content-type: application/json";
    let answer = serving.curl(&["-H", json, "-d", ask, &format!("{}/chat/completions", serving.url)]);
    assert!(answer.contains("choices"), "{answer}");
    let metrics = serving.curl(&[&serving.url.replace("/v1", "/metrics")]);
    assert!(metrics.contains("nacp_replica_ready{") && metrics.contains("nacp_gateway_requests_total{"), "{metrics}");
    let (code, said) = serving.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("quickstart/chat/0: ready"), "{said}");
}

#[test]
fn ctrl_c_ends_it_with_130() {
    let (code, said) = Serving::start(&[], None).end("-INT");
    assert_eq!(code, Some(130), "{said}");
}

#[test]
fn with_a_key_nobody_is_answered_without_it() {
    let serving = Serving::start(&["--api-key-env", "TEST_KEY"], Some("secret"));
    let models = format!("{}/models", serving.url);
    let status = |header: &str| serving.curl(&["-o", "/dev/null", "-w", "%{http_code}", "-H", header, &models]);
    assert_eq!(status("x-none: 1"), "401");
    assert_eq!(status("authorization: Bearer secret"), "200");
    let (_, said) = serving.end("-TERM");
    assert!(!said.contains("secret"));
}
