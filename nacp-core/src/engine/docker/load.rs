//! Brings the images of an archive to the daemon, for machines without a registry.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::query_parameters::ImportImageOptionsBuilder;
use bytes::{Bytes as Buffer, BytesMut};
use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt, stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::watch;
use tokio::time::timeout;

use super::progress::Rate;
use super::reference::Reference;
use super::{Docker, failure};
use crate::clock::{Clock, SystemClock};
use crate::engine::{Image, PullProgress, PullWatcher};
use crate::error::{Error, ErrorKind, Result};
use crate::units::Bytes;

/// A load in which nothing is sent and nothing comes back for so long is given up.
const SILENCE: Duration = Duration::from_secs(120);
/// How much is read at once.
const PIECE: usize = 1 << 17;
/// How much of a file tells what it is.
const HEAD: usize = 512;

/// How an archive is packed, by where its mark stands: plain, and what daemons unpack.
const MARKS: [(usize, &[u8]); 5] = [
    (257, b"ustar"),
    (0, &[0x1f, 0x8b]),
    (0, &[0x28, 0xb5, 0x2f, 0xfd]),
    (0, b"BZh"),
    (0, &[0xfd, b'7', b'z', b'X', b'Z', 0]),
];

fn is_archive(head: &[u8]) -> bool {
    MARKS.iter().any(|(at, mark)| head.get(*at..).is_some_and(|rest| rest.starts_with(mark)))
}

/// The names, or else the ids, of the images that a line says are loaded. Podman puts several into one line.
fn loaded(line: &str) -> Vec<String> {
    let names =
        ["Loaded image ID: ", "Loaded image(s): ", "Loaded image: "].iter().find_map(|it| line.strip_prefix(it));
    let names = names.unwrap_or_default().split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

impl Docker {
    pub(super) async fn loaded(&self, archive: &Path, watcher: &dyn PullWatcher) -> Result<Vec<Image>> {
        let (file, size) = opened(archive).await?;
        let (sent, mut seen) = watch::channel(0);
        let broken = Arc::<Mutex<Option<io::Error>>>::default();
        let options = ImportImageOptionsBuilder::new().quiet(false).build();
        let body = pieces(file, sent, Arc::clone(&broken));
        let mut lines = std::pin::pin!(self.client.import_image_stream(options, body, None));
        let (clock, mut rate) = (SystemClock::new(), Rate::default());
        let mut progress = PullProgress {
            image: archive.display().to_string(),
            phase: "loading".to_owned(),
            total: size,
            ..PullProgress::default()
        };
        let (mut names, mut sending) = (Vec::new(), true);
        watcher.tell(&progress);
        loop {
            let step = async {
                if !sending {
                    return Either::Left(lines.next().await);
                }
                match select(lines.next(), std::pin::pin!(seen.changed())).await {
                    Either::Left((line, _)) => Either::Left(line),
                    Either::Right((changed, _)) => Either::Right(changed),
                }
            };
            match timeout(SILENCE, step).await {
                Err(_) => {
                    return Err(Error::new(ErrorKind::Timeout, "engine.load", "the load has come to a standstill")
                        .with("archive", archive.display())
                        .with("silent_for", format_args!("{}s", SILENCE.as_secs()))
                        .retry_later());
                }
                Ok(Either::Right(changed)) => {
                    sending = changed.is_ok();
                    progress.done = progress.done.max(Bytes(*seen.borrow_and_update()).min(size));
                    if rate.tells(&progress, clock.monotonic()) {
                        watcher.tell(&progress);
                    }
                }
                Ok(Either::Left(None)) => break,
                Ok(Either::Left(Some(Ok(line)))) => names.extend(line.stream.iter().flat_map(|line| loaded(line))),
                Ok(Either::Left(Some(Err(error)))) => {
                    return match broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
                        Some(reading) => Err(failure::archive(archive, reading)),
                        None => Err(failure::load(archive, error)),
                    };
                }
            }
        }
        if names.is_empty() {
            return Err(failure::archive_without_images(archive));
        }
        let mut images = Vec::new();
        for name in names {
            images.push(self.arrived(name).await?);
        }
        (progress.done, progress.phase) = (size, "done".to_owned());
        watcher.tell(&progress);
        Ok(images)
    }

    /// An image that was loaded just now.
    async fn arrived(&self, name: String) -> Result<Image> {
        let failed = |error| failure::call("engine.load", error).with("image", &name);
        let found = self.inspected(&name).await.map_err(failed)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "engine.load", "the image is gone again").with("image", &name).retry_later()
        })?;
        let digests = found.repo_digests.iter().flatten().map(String::as_str);
        let digest = Reference::parse(&name, "engine.load").ok().and_then(|own| own.digest_among(digests));
        Ok(Image { reference: name, id: found.id.unwrap_or_else(|| "unknown".to_owned()), digest, pulled: false })
    }
}

/// The archive, at its beginning, and how large it is.
async fn opened(archive: &Path) -> Result<(File, Bytes)> {
    let failed = |error| failure::archive(archive, error);
    let mut file = File::open(archive).await.map_err(failed)?;
    let about = file.metadata().await.map_err(failed)?;
    if !about.is_file() {
        return Err(failure::no_archive(
            archive,
            if about.is_dir() { "it is a folder" } else { "it is no regular file" },
        ));
    }
    let mut head = Vec::with_capacity(HEAD);
    (&mut file).take(HEAD as u64).read_to_end(&mut head).await.map_err(failed)?;
    if !is_archive(&head) {
        return Err(failure::no_archive(archive, "it is neither a tar nor a packed one"));
    }
    file.rewind().await.map_err(failed)?;
    Ok((file, Bytes(about.len())))
}

/// The file in pieces, with how much of it has been taken; what could not be read is left in `broken`.
fn pieces(
    file: File,
    sent: watch::Sender<u64>,
    broken: Arc<Mutex<Option<io::Error>>>,
) -> impl Stream<Item = io::Result<Buffer>> + Send + 'static {
    stream::unfold((file, sent, broken), |(mut file, sent, broken)| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        match file.read_buf(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                sent.send_modify(|all| *all += read as u64);
                Some((Ok(piece.freeze()), (file, sent, broken)))
            }
            Err(error) => {
                let kind = error.kind();
                *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Some((Err(kind.into()), (file, sent, broken)))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_known_by_its_mark() {
        let tar = [&[0; 257][..], b"ustar\0", &[0; 249]].concat();
        for head in [&tar[..], b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd\0", b"BZh9", b"\xfd7zXZ\0"] {
            assert!(is_archive(head), "{head:?}");
        }
        for head in [&b""[..], b"services:\n  llm:\n", &[0; 512], b"\x7fELF", b"PK\x03\x04"] {
            assert!(!is_archive(head), "{head:?}");
        }
    }

    #[test]
    fn the_lines_of_docker_and_podman_name_what_was_loaded() {
        assert_eq!(loaded("Loaded image: nacp/x:1\n"), ["nacp/x:1"]);
        assert_eq!(loaded("Loaded image ID: sha256:12\n"), ["sha256:12"]);
        assert_eq!(loaded("Loaded image: docker.io/a:1,docker.io/b:2"), ["docker.io/a:1", "docker.io/b:2"]);
        assert!(loaded("The image nacp/x:1 already exists, renaming the old one\n").is_empty());
    }
}
