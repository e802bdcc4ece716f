//! References of images, and platforms.

use super::{At, meant, quoted};
use crate::error::{Error, Result};
use crate::service::Service;

pub(in super::super) const SYSTEMS: [&str; 2] = ["linux", "windows"];
pub(in super::super) const ARCHITECTURES: [&str; 8] =
    ["386", "amd64", "arm", "arm64", "loong64", "ppc64le", "riscv64", "s390x"];
/// What the same architectures are called elsewhere.
const ALIASES: [(&str, &str); 4] = [("x86_64", "amd64"), ("x86-64", "amd64"), ("aarch64", "arm64"), ("i386", "386")];

pub(super) fn check(at: &At, service: &Service) -> Result<()> {
    if service.image.trim().is_empty() {
        return Err(at.error("image", "an image is needed").hint("write for example ollama/ollama:0.16.1"));
    }
    reference(at, &service.image)?;
    if let Some(platform) = &service.platform {
        check_platform(at, platform)?;
    }
    Ok(())
}

/// `[host[:port]/]path[:tag][@digest]`.
fn reference(at: &At, image: &str) -> Result<()> {
    let error = |message: &str| -> Error { at.wrong("image", message, quoted(image)) };
    if image.contains("://") {
        return Err(error("an image is not an address").hint("leave out what stands before ://"));
    }
    let (named, digest) = match image.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (image, None),
    };
    if let Some(digest) = digest {
        let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let valid = match digest.split_once(':') {
            Some(("sha256", text)) => text.len() == 64 && hex(text),
            Some(("sha512", text)) => text.len() == 128 && hex(text),
            _ => false,
        };
        if !valid {
            return Err(error("not a digest of an image").hint(
                "it is @sha256: and 64 hexadecimal digits, in small letters; docker images --digests lists them",
            ));
        }
    }
    let (path, tag) = match named.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (named, None),
    };
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if let Some(tag) = tag {
        let bytes = tag.as_bytes();
        let inner = |byte: &u8| word(*byte) || b".-".contains(byte);
        if bytes.len() > 128 || !bytes.first().is_some_and(|byte| word(*byte)) || !bytes.iter().all(inner) {
            return Err(error("not a tag of an image").hint("after the colon stand letters, digits, `.`, `_` and `-`"));
        }
    }
    let mut parts = path.split('/').peekable();
    let first = parts.peek().copied().unwrap_or_default();
    let host = path.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    if host {
        parts.next();
        let (name, port) = first.split_once(':').unwrap_or((first, "1"));
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        if name.is_empty() || !name.bytes().all(letters) || port.parse::<u16>().is_err() {
            return Err(error("not an address of a registry").hint("write for example registry.example.com:5000/name"));
        }
    }
    let component = |part: &str| {
        let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().is_some_and(|byte| edge(*byte))
            && bytes.last().is_some_and(|byte| edge(*byte))
            && bytes.iter().all(|byte| edge(*byte) || b"._-".contains(byte))
            && !part.contains("..")
    };
    if parts.all(component) {
        return Ok(());
    }
    let error = error("not a reference of an image");
    let lower = path.to_lowercase();
    if lower != path && lower.split('/').all(|part| part.contains(':') || component(part)) {
        return Err(error.hint("the name of an image is written in small letters; only a tag may have others"));
    }
    Err(error.hint("write name, name:tag or name@sha256:…, for example ollama/ollama:0.16.1"))
}

fn check_platform(at: &At, platform: &str) -> Result<()> {
    let error = |message: &str| at.wrong("platform", message, quoted(platform));
    let parts: Vec<_> = platform.split('/').collect();
    let (system, architecture, variant) = match parts[..] {
        [system, architecture] => (system, architecture, None),
        [system, architecture, variant] => (system, architecture, Some(variant)),
        _ => return Err(error("a platform is a system and an architecture").hint("write for example linux/amd64")),
    };
    if !SYSTEMS.contains(&system) {
        return Err(meant(error("no system that images are made for"), system, &SYSTEMS));
    }
    if !ARCHITECTURES.contains(&architecture) {
        let error = error("no architecture that images are made for");
        return Err(match ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(architecture)) {
            Some((_, name)) => error.hint(format!("did you mean {system}/{name}?")),
            None => meant(error, architecture, &ARCHITECTURES),
        });
    }
    match variant {
        Some(variant) if variant.is_empty() || !variant.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Err(error("not a variant of an architecture").hint("write for example linux/arm64/v8"))
        }
        _ => Ok(()),
    }
}
