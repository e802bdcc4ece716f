//! The credentials for a registry that `docker login` has kept: in its own file, or with one of its helpers. They are in no
//! log, no error and no `Debug`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use crate::error::{Error, ErrorKind, Result};

/// A helper answers within this time.
const HELPER_LIMIT: Duration = Duration::from_secs(20);
/// So many bytes of its answer are kept.
const HELPER_OUTPUT: u64 = 1 << 20;
/// Under this name the credentials of Docker Hub are kept.
const HUB: &str = "https://index.docker.io/v1/";
/// In place of a user, it says that the secret is a token.
const TOKEN: &str = "<token>";

/// Where the credentials for a registry are.
#[derive(Debug, PartialEq)]
enum Kept {
    Nowhere,
    /// The helper of this name is asked.
    Helper(String),
    /// They stand in the file.
    Here(DockerCredentials),
}

/// What is known of a registry.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The credentials, where there are any.
    pub(super) credentials: Option<DockerCredentials>,
    /// Why the helper that should have them could not be asked.
    pub(super) failed: Option<Error>,
}

/// The credentials for a registry, from the `config.json` in Docker's folder; nothing where there are none. A file that
/// cannot be understood is as good as none: `docker` itself tells of it. A helper that fails stops nobody: most images
/// need no credentials, and whoever is refused is told of it.
pub(super) async fn find(folder: Option<&Path>, registry: &str) -> Known {
    let config = folder.and_then(|folder| std::fs::read_to_string(folder.join("config.json")).ok());
    let config = config.and_then(|text| serde_json::from_str::<Value>(&text).ok()).unwrap_or_default();
    match kept(&config, registry) {
        Kept::Nowhere => Known::default(),
        Kept::Here(credentials) => Known { credentials: Some(credentials), failed: None },
        Kept::Helper(name) => match ask(&name, server(registry)).await {
            Ok(credentials) => Known { credentials, failed: None },
            Err(error) => {
                tracing::warn!(registry, %error, "going on without credentials");
                Known { credentials: None, failed: Some(error) }
            }
        },
    }
}

/// The name under which the credentials of a registry are kept.
fn server(registry: &str) -> &str {
    if matches!(registry, "docker.io" | "index.docker.io" | "registry-1.docker.io") { HUB } else { registry }
}

fn kept(config: &Value, registry: &str) -> Kept {
    let server = server(registry);
    let word = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let own = word(&config["credHelpers"][server]).or_else(|| word(&config["credHelpers"][registry]));
    if let Some(helper) = own.or_else(|| word(&config["credsStore"])) {
        return Kept::Helper(helper);
    }
    let Some(all) = config["auths"].as_object() else { return Kept::Nowhere };
    let same = |key: &&String| key.as_str() == server || host(key) == host(server);
    let exact = all.get(server).or_else(|| all.keys().find(same).and_then(|key| all.get(key)));
    exact.and_then(|entry| read(entry, server)).map_or(Kept::Nowhere, Kept::Here)
}

/// A registry's host, from what older versions of `docker login` wrote.
fn host(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn read(entry: &Value, server: &str) -> Option<DockerCredentials> {
    let word = |name: &str| entry[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let pair = word("auth").and_then(|auth| {
        let text = String::from_utf8(BASE64_STANDARD.decode(auth.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
    });
    let (username, password) = match pair {
        Some((user, password)) => (Some(user), Some(password)),
        None => (word("username"), word("password")),
    };
    let (identitytoken, registrytoken) = (word("identitytoken"), word("registrytoken"));
    if username.is_none() && identitytoken.is_none() && registrytoken.is_none() {
        return None;
    }
    let serveraddress = Some(server.to_owned());
    Some(DockerCredentials {
        username,
        password,
        serveraddress,
        identitytoken,
        registrytoken,
        ..DockerCredentials::default()
    })
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

fn answered(answer: Answer, server: &str) -> DockerCredentials {
    let serveraddress = Some(server.to_owned());
    if answer.username == TOKEN {
        let identitytoken = Some(answer.secret);
        return DockerCredentials { identitytoken, serveraddress, ..DockerCredentials::default() };
    }
    let (username, password) = (Some(answer.username), Some(answer.secret));
    DockerCredentials { username, password, serveraddress, ..DockerCredentials::default() }
}

/// What is read of a helper, up to its end or the limit: of a longer answer the rest is thrown away, and what is kept is
/// no JSON.
async fn bounded(mut output: impl AsyncRead + Unpin) -> std::io::Result<Vec<u8>> {
    let mut told = Vec::new();
    (&mut output).take(HELPER_OUTPUT).read_to_end(&mut told).await?;
    tokio::io::copy(&mut output, &mut tokio::io::sink()).await?;
    Ok(told)
}

/// Asks `docker-credential-NAME`, as `docker` does: the registry on its input, JSON on its output.
async fn ask(name: &str, server: &str) -> Result<Option<DockerCredentials>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let program = format!("docker-credential-{name}");
    let failed = |message: &str| {
        Error::new(ErrorKind::PermissionDenied, "engine.credentials", message)
            .with("helper", &program)
            .with("registry", server)
            .hint("`docker login` uses the same helper: mend it, or take it out of docker's config.json")
    };
    if !name.bytes().all(plain) {
        return Err(failed("the name of a credential helper is no word"));
    }
    let exchange = async {
        let mut child = Command::new(&program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // One that answers without reading has gone already.
            let _ = input.write_all(server.as_bytes()).await;
        }
        let told = match child.stdout.take() {
            Some(output) => bounded(output).await?,
            None => Vec::new(),
        };
        Ok::<_, std::io::Error>((child.wait().await?, told))
    };
    let (status, output) = match timeout(HELPER_LIMIT, exchange).await {
        Err(_) => return Err(failed("the credential helper does not answer")),
        Ok(Err(error)) => return Err(failed("the credential helper cannot be started").caused_by(error)),
        Ok(Ok(output)) => output,
    };
    let told = String::from_utf8_lossy(&output);
    if !status.success() {
        return match told.contains("credentials not found") {
            true => Ok(None),
            false => Err(failed("the credential helper fails")),
        };
    }
    match serde_json::from_slice::<Answer>(&output) {
        Ok(answer) if answer.username.is_empty() && answer.secret.is_empty() => Ok(None),
        Ok(answer) => Ok(Some(answered(answer, server))),
        Err(_) => Err(failed("the credential helper's answer cannot be understood")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn here(config: &Value, registry: &str) -> Option<(String, String)> {
        match kept(config, registry) {
            Kept::Here(it) => Some((it.username.unwrap_or_default(), it.password.unwrap_or_default())),
            _ => None,
        }
    }

    #[test]
    fn what_docker_login_wrote_is_found() {
        let auth = json!({ "auth": "YWRhOnNlOmNyZXQ=" });
        let ada = Some(("ada".to_owned(), "se:cret".to_owned()));
        for (key, registry) in [
            ("ghcr.io", "ghcr.io"),
            ("https://ghcr.io", "ghcr.io"),
            ("https://ghcr.io/v1/", "ghcr.io"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("https://index.docker.io/v1/", "docker.io"),
        ] {
            let config = json!({ "auths": { key: auth } });
            assert_eq!(here(&config, registry), ada, "{key}");
            assert_eq!(here(&config, "other.io"), None, "{key}");
        }
        let split = json!({ "auths": { "r.io": { "username": "ada", "password": "x" } } });
        assert_eq!(here(&split, "r.io"), Some(("ada".into(), "x".into())));
        for broken in [json!({}), json!({ "auths": { "r.io": {} } }), json!({ "auths": { "r.io": { "auth": "?" } } })] {
            assert_eq!(kept(&broken, "r.io"), Kept::Nowhere, "{broken}");
        }
    }

    #[test]
    fn a_registrys_own_helper_counts_before_the_general_one_and_both_before_the_file() {
        let config = json!({
            "auths": { "a.io": { "auth": "YWRhOng=" } }, "credsStore": "desktop", "credHelpers": { "a.io": "own" }
        });
        assert_eq!(kept(&config, "a.io"), Kept::Helper("own".into()));
        assert_eq!(kept(&config, "b.io"), Kept::Helper("desktop".into()));
    }

    #[tokio::test]
    async fn of_a_helper_that_talks_on_no_more_than_the_limit_is_kept() {
        let long = vec![b'x'; 3 << 20];
        assert_eq!(bounded(long.as_slice()).await.unwrap().len(), 1 << 20);
        assert_eq!(bounded(b"{}".as_slice()).await.unwrap(), b"{}");
    }

    #[test]
    fn a_helper_may_answer_with_a_token() {
        let answer = |text: &str| answered(serde_json::from_str(text).unwrap(), "r.io");
        let token = answer(r#"{"ServerURL":"r.io","Username":"<token>","Secret":"t"}"#);
        assert_eq!((token.username, token.identitytoken.as_deref()), (None, Some("t")));
        let pair = answer(r#"{"Username":"ada","Secret":"s"}"#);
        assert_eq!((pair.username.as_deref(), pair.password.as_deref()), (Some("ada"), Some("s")));
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_stops_nobody_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"credsStore":"nacp-no-such"}"#).unwrap();
        let known = find(Some(folder.path()), "r.io").await;
        assert!(known.credentials.is_none());
        assert_eq!(known.failed.unwrap().get("helper"), Some("docker-credential-nacp-no-such"));
        std::fs::write(folder.path().join("config.json"), r#"{"credsStore":"x/../y"}"#).unwrap();
        assert!(find(Some(folder.path()), "r.io").await.failed.unwrap().message().contains("no word"));
        let none = find(None, "r.io").await;
        assert!(none.credentials.is_none() && none.failed.is_none());
    }
}
