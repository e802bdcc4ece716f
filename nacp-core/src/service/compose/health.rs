//! Healthchecks, as probes and back.

use std::time::Duration;

use super::app::State;
use super::tree::{Node, Value};
use super::words;
use super::wrong::{NoteKind, Wrong};
use crate::error::Result;
use crate::service::{Check, Probe, Service};

/// What Compose takes where a healthcheck says nothing.
const USUAL: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;
/// The limits of the time to become ready.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) fn read(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    let Some(health) = node.get("healthcheck") else { return Ok(()) };
    let read = ["test", "interval", "timeout", "retries", "start_period", "disable"];
    state.rest(health, &read, super::without::HEALTH)?;
    if health.get("disable").map(Node::flag).transpose()?.unwrap_or_default() {
        return Ok(());
    }
    let Some(test) = health.get("test") else {
        let message = "the check of the image itself is not known here; write `ready` with what it asks";
        state.note(NoteKind::Dropped, health, message);
        return Ok(());
    };
    let Some(command) = program(test)? else { return Ok(()) };
    let check = recognised(&command, service.port);
    let check = match check {
        Some((found, port)) => {
            let told = match &found {
                Check::Http(path) => {
                    format!("nacp asks GET {path} on port {port} itself; no program runs in the container")
                }
                _ => format!("nacp connects to port {port} itself; no program runs in the container"),
            };
            state.note(NoteKind::Changed, test, told);
            if service.port.is_none() {
                service.port = Some(port);
                let message = format!("{port} is taken as the port of the service, for its check asks there");
                state.note(NoteKind::Assumed, test, message);
            }
            found
        }
        None => Check::Exec(command),
    };
    let time = |key: &str, usual: Duration| health.get(key).map_or(Ok(usual), words::time);
    let (every, timeout) = (time("interval", USUAL)?, time("timeout", USUAL)?);
    let retries = match health.get("retries") {
        None => RETRIES,
        Some(node) => node.number::<u32>()?.max(1),
    };
    let within = time("start_period", Duration::ZERO)?.saturating_add(patience(every, timeout, retries));
    let probe = Probe::new(check).within(within.clamp(LEAST, MOST)).every(every).timeout(timeout);
    service.ready = Some(probe.thresholds(1, retries));
    Ok(())
}

/// How long Docker takes after the start period until a container that never answers is unhealthy.
fn patience(every: Duration, timeout: Duration, retries: u32) -> Duration {
    every.saturating_add(timeout).saturating_mul(retries)
}

/// The start period that gives a probe its time to become ready.
pub(super) fn start_period(probe: &Probe) -> Duration {
    probe.within.saturating_sub(patience(probe.every, probe.timeout, probe.failures))
}

/// The program of a test; nothing for one that is switched off.
fn program(test: &Node) -> Result<Option<Vec<String>>> {
    let Value::List(items) = &test.value else {
        return Ok(Some(shell(&test.text()?)));
    };
    let words = items.iter().map(Node::text).collect::<Result<Vec<_>>>()?;
    let wrong = |message| Err(test.wrong(message).hint("write [CMD, program, argument] or [CMD-SHELL, text]"));
    match words.split_first() {
        None => Ok(None),
        Some((first, _)) if first == "NONE" => Ok(None),
        Some((first, rest)) if first == "CMD" => match rest.is_empty() {
            true => wrong("a healthcheck needs a program"),
            false => Ok(Some(rest.to_vec())),
        },
        Some((first, [text])) if first == "CMD-SHELL" => Ok(Some(shell(text))),
        Some((first, _)) if first == "CMD-SHELL" => wrong("a healthcheck of a shell is one text"),
        Some(_) => wrong("a healthcheck begins with CMD, CMD-SHELL or NONE"),
    }
}

fn shell(text: &str) -> Vec<String> {
    ["/bin/sh", "-c", text].map(str::to_owned).to_vec()
}

/// The test of Compose for a probe; nothing for one that Compose cannot ask.
pub(super) fn test(check: &Check, port: Option<u16>) -> Option<Vec<String>> {
    let in_shell = |text: String| Some(vec!["CMD-SHELL".to_owned(), text]);
    match (check, port) {
        (Check::Exec(command), _) => match command.as_slice() {
            [sh, c, text] if sh == "/bin/sh" && c == "-c" => in_shell(text.clone()),
            _ => Some(["CMD".to_owned()].into_iter().chain(command.iter().cloned()).collect()),
        },
        (Check::Http(path), Some(port)) if is_quiet(path) => {
            let url = format!("'http://127.0.0.1:{port}{path}'");
            in_shell(format!("curl -fsS -o /dev/null {url} || wget -q -O /dev/null {url}"))
        }
        (Check::Tcp, Some(port)) => in_shell(format!("nc -z 127.0.0.1 {port}")),
        _ => None,
    }
}

/// Whether a path can stand between single quotes of a shell.
fn is_quiet(path: &str) -> bool {
    !path.contains(['\'', '\n'])
}

/// What a plain question of `curl`, `wget` or `nc` to the container itself asks, and of which port. A question with
/// anything else beside it stays a program.
fn recognised(command: &[String], own: Option<u16>) -> Option<(Check, u16)> {
    let (check, port) = match command {
        [sh, c, text] if ["/bin/sh", "sh"].contains(&sh.as_str()) && c == "-c" => {
            let mut parts = text.split("||").map(str::trim);
            let first = asked(&words::split(parts.next()?)?)?;
            for part in parts {
                let words = words::split(part)?;
                let ends = matches!(words.as_slice(), [exit, code] if exit == "exit" && code == "1");
                if !ends && asked(&words)? != first {
                    return None;
                }
            }
            first
        }
        words => asked(words)?,
    };
    own.is_none_or(|own| own == port).then_some((check, port))
}

fn asked(words: &[String]) -> Option<(Check, u16)> {
    let (program, rest) = words.split_first()?;
    match program.rsplit('/').next()? {
        "curl" => fetched(rest, &["-o", "--output", "-m", "--max-time", "--connect-timeout"], |flag| {
            let short = flag.strip_prefix('-').is_some_and(|letters| letters.chars().all(|it| "fsSLIk".contains(it)));
            short || ["--fail", "--silent", "--show-error", "--location", "--fail-with-body"].contains(&flag)
        })
        .filter(|_| rest.iter().any(|flag| flag.starts_with("--fail") || is_short(flag, 'f'))),
        "wget" => fetched(rest, &["-O", "--output-document", "-T", "--timeout", "-t"], |flag| {
            let known = ["--spider", "--quiet", "-q", "-qO-", "-O-", "-nv", "--no-verbose", "-S"];
            known.contains(&flag)
                || ["--tries=", "--timeout=", "--output-document="].iter().any(|it| flag.starts_with(it))
        }),
        "nc" => match rest {
            [z, host, port] if z == "-z" && is_here(host) => Some((Check::Tcp, port.parse().ok()?)),
            _ => None,
        },
        _ => None,
    }
}

fn is_short(flag: &str, letter: char) -> bool {
    flag.strip_prefix('-').is_some_and(|letters| !letters.starts_with('-') && letters.contains(letter))
}

fn fetched(words: &[String], with_value: &[&str], known: impl Fn(&str) -> bool) -> Option<(Check, u16)> {
    let (mut url, mut words) = (None, words.iter());
    while let Some(word) = words.next() {
        if with_value.contains(&word.as_str()) {
            words.next()?;
        } else if word.starts_with('-') {
            if !known(word) {
                return None;
            }
        } else if url.replace(word).is_some() {
            return None;
        }
    }
    let url = url?;
    let rest = url.strip_prefix("http://").or_else(|| (!url.contains("://")).then_some(url.as_str()))?;
    let (place, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = place.rsplit_once(':').unwrap_or((place, "80"));
    is_here(host).then_some(())?;
    Some((Check::Http(path.to_owned()), port.parse().ok()?))
}

fn is_here(host: &str) -> bool {
    ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"].contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(text: &str, port: Option<u16>) -> Option<(Check, u16)> {
        recognised(&shell(text), port)
    }

    #[test]
    fn a_plain_question_is_asked_by_nacp_itself() {
        let http = |path: &str, port| Some((Check::Http(path.into()), port));
        for (text, asked) in [
            ("curl -f http://localhost:8000/health", http("/health", 8000)),
            ("curl -fsS http://127.0.0.1:8000/health || exit 1", http("/health", 8000)),
            ("curl --fail --silent localhost:8000", http("/", 8000)),
            ("wget -q --spider http://localhost:8000/healthz", http("/healthz", 8000)),
            ("wget --no-verbose --tries=1 --spider http://localhost:8000/ || exit 1", http("/", 8000)),
            (
                "/usr/bin/curl -f -m 5 -o /dev/null http://localhost:8000/v2/health/ready",
                http("/v2/health/ready", 8000),
            ),
            ("nc -z 127.0.0.1 8000", Some((Check::Tcp, 8000))),
            // Not plain: without -f any answer is good, other hosts, pipes, data.
            ("curl http://localhost:8000/health", None),
            ("curl -f http://other:8000/health", None),
            ("curl -f https://localhost:8000/health", None),
            ("curl -f http://localhost:8000/health | grep ok", None),
            ("curl -f -X POST http://localhost:8000/health", None),
            ("curl -f http://localhost:9000/health", None),
            ("curl -f http://localhost:8000/a && curl -f http://localhost:8000/b", None),
            ("curl -f http://localhost:8000/a || curl -f http://localhost:8000/b", None),
            ("ollama list || exit 1", None),
        ] {
            assert_eq!(asks(text, Some(8000)), asked, "{text}");
        }
        assert_eq!(asks("curl -f http://localhost:9000/x", None), http("/x", 9000));
    }

    #[test]
    fn what_is_exported_is_recognised() {
        for check in [Check::Http("/v1/models?a=b&c".into()), Check::Tcp] {
            let test = test(&check, Some(8080)).unwrap();
            assert_eq!(asks(&test[1], Some(8080)), Some((check, 8080)));
        }
        assert_eq!(test(&Check::Http("/it's".into()), Some(1)), None);
        assert_eq!(test(&Check::Log("up".into()), Some(1)), None);
    }
}
