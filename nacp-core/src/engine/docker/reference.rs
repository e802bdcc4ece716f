//! The parts of an image's reference, and which references mean the same image.

use crate::error::{Error, ErrorKind, Result};

/// The registry of references that name none.
const HUB: &str = "docker.io";

/// An image's reference, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The registry and the repository, as they were written.
    pub(super) name: String,
    /// The tag, where one was written.
    pub(super) tag: Option<String>,
    /// The digest, where one was written.
    pub(super) digest: Option<String>,
}

impl Reference {
    /// Reads `[registry/]repository[:tag][@sha256:…]`.
    pub(super) fn parse(text: &str, operation: &'static str) -> Result<Self> {
        let refused = |message: &str| {
            Err(Error::new(ErrorKind::InvalidArgument, operation, message)
                .with("image", text)
                .hint("write [registry/]repository[:tag][@sha256:…]"))
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return refused("the digest of an image is sha256: and 64 hexadecimal digits in lower case");
        }
        let last = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[last..].split_once(':') {
            Some((repository, tag)) => (&rest[..last + repository.len()], Some(tag)),
            None => (rest, None),
        };
        if name.is_empty()
            || name.ends_with('/')
            || tag.is_some_and(str::is_empty)
            || text.contains(char::is_whitespace)
        {
            return refused("this is no reference of an image");
        }
        Ok(Self { name: name.to_owned(), tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
    }

    /// The registry's name, as credentials are kept under it.
    pub(super) fn registry(&self) -> &str {
        match self.name.split_once('/') {
            Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
            _ => HUB,
        }
    }

    /// What a daemon is asked to pull: the content where a digest is given, else the tag. A daemon that is given neither
    /// pulls every tag, and Podman takes no tag beside a digest.
    pub(super) fn pulled(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{}@{digest}", self.name),
            (None, Some(tag)) => format!("{}:{tag}", self.name),
            (None, None) => format!("{}:latest", self.name),
        }
    }

    /// The reference without its digest; nothing where only the digest says which image it is.
    pub(super) fn tagged(&self) -> Option<String> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(format!("{}:{tag}", self.name)),
            (None, None) => Some(format!("{}:latest", self.name)),
            (None, Some(_)) => None,
        }
    }

    /// The digest that this repository has among those of an image, as `repository@sha256:…`. The one that was asked for
    /// comes first.
    pub(super) fn digest_among<'a>(&self, digests: impl IntoIterator<Item = &'a str>) -> Option<String> {
        let own = digests.into_iter().filter_map(|text| text.split_once('@'));
        let mut own: Vec<_> =
            own.filter(|(name, _)| full(name) == full(&self.name)).map(|(_, digest)| digest).collect();
        own.sort_by_key(|digest| self.digest.as_deref() != Some(*digest));
        own.first().map(|digest| (*digest).to_owned())
    }
}

fn is_digest(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}

/// A repository's whole name: `busybox` is `docker.io/library/busybox`.
fn full(name: &str) -> String {
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (HUB, name),
    };
    let registry = if registry == "index.docker.io" { HUB } else { registry };
    match repository.contains('/') || registry != HUB {
        true => format!("{registry}/{repository}"),
        false => format!("{registry}/library/{repository}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:19ddaada493364c97b036f0457ed609f34782e0e162b2f9dc840436e6d6c84f1";

    fn parse(text: &str) -> Reference {
        Reference::parse(text, "engine.pull").unwrap()
    }

    #[test]
    fn a_reference_is_taken_apart() {
        for (text, registry, pulled) in [
            ("busybox", "docker.io", "busybox:latest".to_owned()),
            ("nacp/x:1", "docker.io", "nacp/x:1".to_owned()),
            ("127.0.0.1:5000/x", "127.0.0.1:5000", "127.0.0.1:5000/x:latest".to_owned()),
            ("localhost/x:1", "localhost", "localhost/x:1".to_owned()),
            ("ghcr.io/a/b:1", "ghcr.io", "ghcr.io/a/b:1".to_owned()),
            (&format!("ghcr.io/a/b:1@{DIGEST}"), "ghcr.io", format!("ghcr.io/a/b@{DIGEST}")),
            (&format!("x@{DIGEST}"), "docker.io", format!("x@{DIGEST}")),
        ] {
            let reference = parse(text);
            assert_eq!((reference.registry(), reference.pulled()), (registry, pulled), "{text}");
        }
        assert_eq!(parse(&format!("x:1@{DIGEST}")).tagged(), Some("x:1".into()));
        assert_eq!((parse("x").tagged(), parse(&format!("x@{DIGEST}")).tagged()), (Some("x:latest".into()), None));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in ["", "x:", "a/", "a b", "x@sha256:12", "x@", &format!("x@{}", DIGEST.to_uppercase())] {
            let error = Reference::parse(text, "engine.pull").unwrap_err();
            assert_eq!((error.kind(), error.get("image")), (ErrorKind::InvalidArgument, Some(text)));
        }
    }

    #[test]
    fn docker_and_podman_name_one_repository_in_two_ways() {
        let of = |repository: &str| ["other@sha256:0".to_owned(), format!("{repository}@{DIGEST}")];
        for (reference, repository) in [
            ("busybox:1", "docker.io/library/busybox"),
            ("docker.io/library/busybox", "busybox"),
            ("nacp/x", "docker.io/nacp/x"),
            ("127.0.0.1:5000/x:1", "127.0.0.1:5000/x"),
        ] {
            let digests = of(repository);
            let found = parse(reference).digest_among(digests.iter().map(String::as_str));
            assert_eq!(found.as_deref(), Some(DIGEST), "{reference}");
        }
        assert_eq!(parse("nacp/y").digest_among([format!("nacp/x@{DIGEST}").as_str()]), None);
    }
}
