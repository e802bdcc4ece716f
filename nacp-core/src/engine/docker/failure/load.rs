//! Why an archive of images could not be loaded.

use std::io;
use std::path::Path;

use bollard::errors::Error as Api;

use super::{call, quoted, said};
use crate::error::{Error, ErrorKind};

const HINT: &str = "`docker save -o FILE IMAGE` writes one";

/// A file that is no archive.
pub(in crate::engine::docker) fn no_archive(archive: &Path, why: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "engine.load", "this is no archive of images")
        .with("archive", archive.display())
        .with("reason", format_args!("{why:?}"))
        .hint(HINT)
}

/// An archive from which the daemon took nothing.
pub(in crate::engine::docker) fn archive_without_images(archive: &Path) -> Error {
    no_archive(archive, "the engine found no image in it")
}

/// A file that cannot be read.
pub(in crate::engine::docker) fn archive(archive: &Path, error: io::Error) -> Error {
    let failed = |kind, message| Error::new(kind, "engine.load", message).with("archive", archive.display());
    match error.kind() {
        io::ErrorKind::NotFound => failed(ErrorKind::NotFound, "the archive of images is not there"),
        io::ErrorKind::IsADirectory => no_archive(archive, "it is a folder"),
        io::ErrorKind::PermissionDenied => {
            failed(ErrorKind::PermissionDenied, "no permission to read the archive of images")
        }
        _ => failed(ErrorKind::InvalidArgument, "the archive of images cannot be read")
            .with("reason", format_args!("{:?}", error.to_string())),
    }
    .caused_by(error)
}

/// What the daemon says of an archive is about the archive, unless it is about room or about the daemon itself.
pub(in crate::engine::docker) fn load(archive: &Path, error: Api) -> Error {
    let text = said(&error).to_lowercase();
    let (Api::DockerResponseServerError { .. } | Api::DockerStreamError { .. }) = error else {
        return call("engine.load", error).with("archive", archive.display());
    };
    let about =
        ["tar", "manifest", "json", "archive", "unexpected eof", "invalid", "gzip", "zstd", "no such file", "payload"];
    let described = match text.contains("no space left") {
        true => Error::new(ErrorKind::ResourceExhausted, "engine.load", "there is no room for the images")
            .with("archive", archive.display())
            .with("engine", quoted(&error))
            .hint("free space on the disk where the engine keeps its images"),
        false if about.iter().any(|word| text.contains(word)) => {
            no_archive(archive, "the engine does not understand it").with("engine", quoted(&error))
        }
        false => return call("engine.load", error).with("archive", archive.display()),
    };
    described.caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::super::tests::answer;
    use super::*;

    #[test]
    fn what_the_engine_says_is_about_the_archive_or_not() {
        for (error, kind) in [
            (
                answer(500, "open /var/lib/docker/tmp/x/manifest.json: no such file or directory"),
                ErrorKind::InvalidArgument,
            ),
            (answer(500, "archive/tar: invalid tar header"), ErrorKind::InvalidArgument),
            (answer(500, "unexpected EOF"), ErrorKind::InvalidArgument),
            (answer(500, "write /x/layer.tar: no space left on device"), ErrorKind::ResourceExhausted),
            (answer(500, "the store is locked"), ErrorKind::EngineUnavailable),
            (Api::RequestTimeoutError, ErrorKind::Timeout),
        ] {
            let error = load(Path::new("images.tar"), error);
            assert_eq!((error.kind(), error.get("archive")), (kind, Some("images.tar")), "{error}");
        }
        assert_eq!(
            no_archive(Path::new("a.txt"), "it is a folder").to_string(),
            "this is no archive of images: archive=a.txt reason=\"it is a folder\"; `docker save -o FILE IMAGE` writes one"
        );
    }
}
