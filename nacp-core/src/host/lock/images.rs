//! What a daemon says of the image of a service.

use std::time::Duration;

use serde::Deserialize;

use super::{Lock, Pin};
use crate::host::{Root, Seen};

/// How long a daemon may take to answer about one image.
const LIMIT: Duration = Duration::from_secs(5);

/// What a name of an image stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePin {
    /// The name, such as `ollama/ollama:0.16.1`.
    pub image: String,
    /// Its digest in a registry, such as `ollama/ollama@sha256:…`; unknown for an image that is not here, or that never
    /// was in a registry: then nobody else can be sure to have the same.
    pub digest: Pin,
    /// What the daemon calls it, `sha256:…`.
    pub id: Pin,
}

/// What a daemon answers to `GET /images/NAME/json`, as far as it is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    id: String,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
}

impl ImagePin {
    /// What the name alone tells: a name with a digest in it stands for one image only.
    pub fn of_reference(image: &str) -> Self {
        let digest = match image.rsplit_once('@') {
            Some((repository, digest)) if digest.starts_with("sha256:") => {
                Pin::Known(format!("{}@{digest}", without_tag(repository)))
            }
            _ => Pin::Unknown("no daemon was asked for the digest behind this name".into()),
        };
        Self { image: image.into(), digest, id: Pin::Unknown("no daemon was asked".into()) }
    }

    /// What a daemon's answer to `GET /images/NAME/json` tells. A daemon may know an image by several digests; the one of
    /// the name's own repository is taken, else the first in order.
    pub fn of_answer(image: &str, answer: &Seen<String>) -> Self {
        let by_name = Self::of_reference(image);
        let unknown = |why: &str| Self {
            digest: match by_name.digest.known() {
                Some(_) => by_name.digest.clone(),
                None => Pin::Unknown(why.into()),
            },
            id: Pin::Unknown(why.into()),
            ..by_name.clone()
        };
        let text = match answer {
            Seen::Found(text) => text,
            Seen::Absent => return unknown("no daemon is at that address"),
            other => return unknown(other.open().unwrap_or("nobody looked")),
        };
        let answer: Answer = match serde_json::from_str(text) {
            Ok(answer) => answer,
            Err(error) => return unknown(&format!("the daemon's answer cannot be read: {error}")),
        };
        let mut digests = answer.repo_digests.unwrap_or_default();
        digests.retain(|digest| digest.contains("@sha256:"));
        digests.sort();
        let own = repository(image);
        let digest = digests.iter().find(|digest| repository(digest) == own).or(digests.first());
        Self {
            digest: match by_name.digest.known() {
                Some(_) => by_name.digest.clone(),
                None => Pin::told(digest.cloned(), "the image was never in a registry: it has no digest there"),
            },
            id: Pin::told(Some(answer.id).filter(|id| !id.is_empty()), "the daemon does not tell it"),
            ..by_name
        }
    }
}

/// Asks a daemon for the image of this name. It waits five seconds at most; an image that is not here, and a daemon that
/// does not answer, leave the digest unknown with the reason.
pub fn ask(root: &Root, endpoint: &str, image: &str) -> ImagePin {
    // What stands in a path must not end it.
    if image.bytes().any(|byte| byte.is_ascii_control() || matches!(byte, b' ' | b'?' | b'#' | b'%')) {
        let answer = Seen::Unreadable("this is no name of an image".into());
        return ImagePin::of_answer(image, &answer);
    }
    ImagePin::of_answer(image, &root.ask(endpoint, &format!("/images/{image}/json"), LIMIT))
}

impl Lock {
    /// The same with what this daemon says of the image of each service: see [`images::ask`](ask).
    #[must_use]
    pub fn images(mut self, root: &Root, endpoint: &str) -> Self {
        for service in self.services.values_mut() {
            let pin = ask(root, endpoint, &service.image);
            service.set_image(pin);
        }
        self
    }
}

/// `repository:tag` without the tag; a colon before a slash belongs to a registry's port.
fn without_tag(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// The repository of a name, as every daemon would spell it.
fn repository(name: &str) -> &str {
    let name = without_tag(name.split_once('@').map_or(name, |(name, _)| name));
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:aaaa";

    fn answer(json: &str) -> Seen<String> {
        Seen::Found(json.into())
    }

    #[test]
    fn the_digest_of_the_names_own_repository_is_taken() {
        let json =
            answer(r#"{"Id":"sha256:1","RepoDigests":["a/mirror@sha256:b","docker.io/library/busybox@sha256:c"]}"#);
        let pin = ImagePin::of_answer("busybox:1.36", &json);
        assert_eq!(pin.digest, Pin::Known("docker.io/library/busybox@sha256:c".into()));
        assert_eq!(pin.id, Pin::Known("sha256:1".into()));
        let pin = ImagePin::of_answer("localhost:5000/busybox", &json);
        assert_eq!(pin.digest, Pin::Known("a/mirror@sha256:b".into()));
    }

    #[test]
    fn a_name_with_a_digest_needs_no_daemon() {
        let image = format!("localhost:5000/tool:1@{DIGEST}");
        let expected = Pin::Known(format!("localhost:5000/tool@{DIGEST}"));
        assert_eq!(ImagePin::of_reference(&image).digest, expected);
        let silent = ImagePin::of_answer(&image, &Seen::Unreadable("it is on fire".into()));
        assert_eq!((silent.digest, silent.id), (expected, Pin::Unknown("it is on fire".into())));
    }

    #[test]
    fn what_cannot_be_told_says_why() {
        for (seen, why) in [
            (answer(r#"{"Id":"sha256:1","RepoDigests":[]}"#), "never in a registry"),
            (answer(r#"{"Id":"sha256:1","RepoDigests":null}"#), "never in a registry"),
            (answer("<html>"), "cannot be read"),
            (Seen::Unreadable("No such image: a:1".into()), "No such image: a:1"),
            (Seen::Absent, "no daemon is at that address"),
            (Seen::NotAsked, "nobody looked"),
        ] {
            let pin = ImagePin::of_answer("a:1", &seen);
            assert!(pin.digest.unknown().unwrap().contains(why), "{pin:?}");
        }
    }

    #[test]
    fn a_name_that_would_leave_its_place_in_the_request_is_not_asked() {
        let root = Root::at("/nonexistent", std::collections::BTreeMap::new());
        for image in ["a b", "a?all=1", "a\r\nX: y", "%2e%2e"] {
            assert_eq!(ask(&root, "unix:///x", image).id.unknown(), Some("this is no name of an image"), "{image:?}");
        }
    }
}
