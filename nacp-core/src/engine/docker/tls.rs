//! TLS to a daemon: who is trusted, and with which certificate this side shows who it is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::error::{Error, ErrorKind, Result};

/// What TLS to a daemon needs, read once.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    folder: Option<PathBuf>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Tls {
    /// With Docker's three files of a folder: `ca.pem`, who is trusted, and `cert.pem` with `key.pem`, who this side is.
    /// Without the first, those are trusted whom this machine trusts; without the others, this side stays nameless.
    pub(super) fn from_folder(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::new(ErrorKind::NotFound, "engine.connect", "the folder of certificates is not there")
                .with("folder", folder.display())
                .hint("set DOCKER_CERT_PATH to the folder that has ca.pem, cert.pem and key.pem"));
        }
        let roots = match certificates(&folder.join("ca.pem"))? {
            Some(trusted) => store(trusted, &folder.join("ca.pem"))?,
            None => system()?,
        };
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let own = match (certificates(&certificate)?, key_of(&key)?) {
            (Some(chain), Some(secret)) => Some((chain, secret)),
            (None, None) => None,
            (None, Some(_)) => return Err(half(&certificate)),
            (Some(_), None) => return Err(half(&key)),
        };
        Ok(Self { config: Arc::new(config(roots, own, &certificate)?), folder: Some(folder.to_owned()) })
    }

    /// With those who are trusted by this machine, and nameless.
    pub(super) fn of_this_machine() -> Result<Self> {
        Ok(Self { config: Arc::new(config(system()?, None, Path::new(""))?), folder: None })
    }

    /// A connection to the daemon of this name, once both sides have agreed.
    pub(super) async fn open(&self, name: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

fn config(
    roots: RootCertStore,
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    certificate: &Path,
) -> Result<ClientConfig> {
    let provider = Arc::new(crypto::ring::default_provider());
    let unusable = |error| {
        Error::new(ErrorKind::InvalidArgument, "engine.connect", "the certificate and the key cannot be used")
            .with("file", certificate.display())
            .caused_by(error)
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(unusable)?.with_root_certificates(roots);
    match own {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(unusable),
        None => Ok(builder.with_no_client_auth()),
    }
}

fn half(missing: &Path) -> Error {
    Error::new(ErrorKind::InvalidArgument, "engine.connect", "a certificate and its key belong together")
        .with("missing", missing.display())
        .hint("put both cert.pem and key.pem there, or neither")
}

fn garbled(path: &Path, error: &dyn fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, "engine.connect", "a file of certificates cannot be read")
        .with("file", path.display())
        .with("reason", format_args!("{:?}", error.to_string()))
        .hint("it must be PEM text that this user may read")
}

/// The certificates of a file; nothing where there is no file.
fn certificates(path: &Path) -> Result<Option<Vec<CertificateDer<'static>>>> {
    let Some(text) = text(path)? else { return Ok(None) };
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    match found.map_err(|error| garbled(path, &error))? {
        found if found.is_empty() => Err(garbled(path, &"it has no certificate")),
        found => Ok(Some(found)),
    }
}

fn key_of(path: &Path) -> Result<Option<PrivateKeyDer<'static>>> {
    let Some(text) = text(path)? else { return Ok(None) };
    PrivateKeyDer::from_pem_slice(&text).map(Some).map_err(|error| garbled(path, &error))
}

fn text(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(garbled(path, &error)),
    }
}

fn store(trusted: Vec<CertificateDer<'static>>, path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate).map_err(|error| garbled(path, &error))?;
    }
    Ok(roots)
}

/// Those whom this machine trusts.
fn system() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let told = found.errors.first().map_or_else(|| "it has none".to_owned(), ToString::to_string);
        return Err(Error::new(ErrorKind::NotFound, "engine.connect", "this machine trusts no authority at all")
            .with("reason", format_args!("{told:?}"))
            .hint("install its certificates (ca-certificates), or put the engine's authority into ca.pem"));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_of_no_use_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let told = || Tls::from_folder(folder.path()).unwrap_err().to_string();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("ca.pem"), "no certificate").unwrap();
        assert_eq!(
            told(),
            format!(
                "a file of certificates cannot be read: file={} reason=\"it has no certificate\"; it must be PEM text \
                 that this user may read",
                path("ca.pem")
            )
        );
        let missing = Tls::from_folder(&folder.path().join("none")).unwrap_err();
        assert_eq!((missing.kind(), missing.get("folder")), (ErrorKind::NotFound, Some(path("none").as_str())));
    }
}
