//! The ways to a daemon: TLS with every certificate that can be wrong, contexts, and ssh. The daemon behind them is this
//! machine's Docker, or one that answers as a daemon does where there is none.

mod common;
#[path = "common/daemon.rs"]
mod daemon;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use daemon::Daemon;
use nacp_core::engine::{Docker, Engine};
use nacp_core::{Error, ErrorKind};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

/// An authority that issues certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for a name, and its key; `ended` makes it one that has expired.
    fn issue(&self, name: &str, ended: bool) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if ended {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// The folder of a client: whom it trusts, and who it is.
fn client(trusted: &Authority, own: Option<&(rcgen::Certificate, KeyPair)>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_client(folder.path(), trusted, own);
    folder
}

fn write_client(folder: &Path, trusted: &Authority, own: Option<&(rcgen::Certificate, KeyPair)>) {
    fs::write(folder.join("ca.pem"), trusted.certificate.pem()).unwrap();
    if let Some((certificate, key)) = own {
        fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    }
}

/// Speaks TLS in front of a socket, and wants a certificate of that authority from each client.
struct Front {
    host: String,
    _tasks: JoinSet<()>,
}

async fn front(socket: PathBuf, own: &(rcgen::Certificate, KeyPair), clients: &Authority) -> Front {
    let provider = Arc::new(crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(clients.certificate.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let key = PrivateKeyDer::try_from(own.1.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier).with_single_cert(vec![own.0.der().clone()], key).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            connections.spawn(async move {
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = UnixStream::connect(socket).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut outside, &mut inside).await);
            });
        }
    });
    Front { host, _tasks: tasks }
}

/// A daemon to stand behind: this machine's Docker, or one of the test's own.
struct Behind {
    socket: PathBuf,
    real: bool,
    _daemon: Option<Daemon>,
}

fn behind() -> Behind {
    let real = PathBuf::from("/var/run/docker.sock");
    let skipped = std::env::var("NACP_NO_DOCKER").is_ok_and(|value| value == "1");
    if !skipped && real.exists() {
        return Behind { socket: real, real: true, _daemon: None };
    }
    let daemon = Daemon::start(Daemon::usual);
    Behind { socket: daemon.host.trim_start_matches("unix://").into(), real: false, _daemon: Some(daemon) }
}

async fn refused(host: &str, folder: &TempDir) -> Error {
    Docker::connect_tls(host, folder.path()).await.unwrap_err()
}

#[tokio::test]
async fn both_sides_that_know_each_other_talk() {
    let (behind, authority) = (behind(), Authority::new("ours"));
    let front = front(behind.socket.clone(), &authority.issue("127.0.0.1", false), &authority).await;
    let folder = client(&authority, Some(&authority.issue("client", false)));
    let docker = Docker::connect_tls(&front.host, folder.path()).await.unwrap();
    let info = docker.info().await.unwrap();
    assert_eq!(info.address, front.host);
    // The client library and our own requests go the same way.
    docker.has_image("nacp/none:1").await.unwrap();
    if behind.real {
        docker.names().await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_is_wrong_says_how() {
    let (behind, ours, others) = (behind(), Authority::new("ours"), Authority::new("others"));
    let known = ours.issue("client", false);
    let denied = |error: &Error, host: &str, message: &str| {
        assert_eq!(
            (error.kind(), error.message(), error.get("host")),
            (ErrorKind::PermissionDenied, message, Some(host))
        );
    };
    let good = front(behind.socket.clone(), &ours.issue("127.0.0.1", false), &ours).await;
    let error = refused(&good.host, &client(&others, Some(&known))).await;
    denied(&error, &good.host, "the engine's certificate is from nobody who is trusted here");
    assert_eq!(
        error.hint_text(),
        Some("put the certificate of its authority as ca.pem into the folder that DOCKER_CERT_PATH names")
    );
    let error = refused(&good.host, &client(&ours, None)).await;
    denied(&error, &good.host, "the engine wants a certificate of this client");
    let error = refused(&good.host, &client(&ours, Some(&others.issue("client", false)))).await;
    denied(&error, &good.host, "the engine does not trust the certificate of this client");
    let error = refused(&good.host, &client(&ours, Some(&ours.issue("client", true)))).await;
    denied(&error, &good.host, "the engine does not trust the certificate of this client");

    let ended = front(behind.socket.clone(), &ours.issue("127.0.0.1", true), &ours).await;
    let error = refused(&ended.host, &client(&ours, Some(&known))).await;
    denied(&error, &ended.host, "the engine's certificate has expired");
    let named = front(behind.socket.clone(), &ours.issue("gpu-7.example", false), &ours).await;
    let error = refused(&named.host, &client(&ours, Some(&known))).await;
    denied(&error, &named.host, "the engine's certificate is for another name");
}

#[tokio::test]
async fn tls_and_no_tls_do_not_meet() {
    let (behind, ours) = (behind(), Authority::new("ours"));
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", plain.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    let socket = behind.socket.clone();
    tasks.spawn(async move {
        while let Ok((mut outside, _)) = plain.accept().await {
            let mut inside = UnixStream::connect(&socket).await.unwrap();
            drop(tokio::io::copy_bidirectional(&mut outside, &mut inside).await);
        }
    });
    if behind.real {
        let error = refused(&host, &client(&ours, None)).await;
        assert_eq!(error.message(), "the container engine does not speak TLS", "{error}");
    }
    let folder = client(&ours, Some(&ours.issue("client", false)));
    fs::remove_file(folder.path().join("key.pem")).unwrap();
    let error = refused(&host, &folder).await;
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::InvalidArgument, "a certificate and its key belong together")
    );
}

/// The part that connects by its environment alone: only run by the tests below, in a process of its own.
#[tokio::test]
async fn by_the_environment() {
    if std::env::var_os("NACP_TEST_REACH").is_none() {
        return;
    }
    match Docker::connect().await {
        Ok(docker) => {
            let info = docker.info().await.unwrap();
            println!("told: {} {:?} {}", info.address, info.context, info.version);
        }
        Err(error) => println!("told: {} {error}", error.kind()),
    }
    if let Ok(name) = std::env::var("NACP_TEST_CONTEXT") {
        println!("context: {:?}", Docker::connect_context(&name).await.map(drop).map_err(|error| error.to_string()));
    }
}

fn told(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "by_the_environment", "--nocapture"]).env("NACP_TEST_REACH", "1");
    for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_and_the_environment_lead_through_tls() {
    let (behind, ours) = (behind(), Authority::new("ours"));
    let front = front(behind.socket.clone(), &ours.issue("127.0.0.1", false), &ours).await;
    let own = ours.issue("client", false);
    let folder = tempfile::tempdir().unwrap();
    // The hash of its name is the name of a context's folder.
    let hash = Command::new("sh").args(["-c", "printf lab | sha256sum"]).output().unwrap().stdout;
    let hash = String::from_utf8(hash).unwrap().split(' ').next().unwrap().to_owned();
    let (meta, tls) = (folder.path().join("contexts/meta").join(&hash), folder.path().join("contexts/tls").join(&hash));
    fs::create_dir_all(&meta).unwrap();
    fs::create_dir_all(tls.join("docker")).unwrap();
    let text = format!(r#"{{"Name":"lab","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{}"}}}}}}"#, front.host);
    fs::write(meta.join("meta.json"), text).unwrap();
    write_client(&tls.join("docker"), &ours, Some(&own));
    let config = folder.path().to_str().unwrap().to_owned();

    let by_name = told(&[("DOCKER_CONFIG", &config), ("DOCKER_CONTEXT", "lab"), ("NACP_TEST_CONTEXT", "lba")]);
    assert!(by_name.contains(&format!("told: {} Some(\"lab\")", front.host)), "{by_name}");
    assert!(by_name.contains("context=lba known=default,lab") && by_name.contains("did you mean `lab`?"), "{by_name}");
    fs::write(folder.path().join("config.json"), r#"{"currentContext":"lab"}"#).unwrap();
    let current = told(&[("DOCKER_CONFIG", &config)]);
    assert!(current.contains(&format!("told: {} Some(\"lab\")", front.host)), "{current}");

    let certificates = tls.join("docker");
    let certificates = certificates.to_str().unwrap();
    let verified =
        [("DOCKER_HOST", front.host.as_str()), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", certificates)];
    assert!(told(&verified).contains(&format!("told: {} None", front.host)), "{}", told(&verified));
    let gone = [("DOCKER_HOST", front.host.as_str()), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/nonexistent")];
    assert!(told(&gone).contains("told: NotFound the folder of certificates is not there: folder=/nonexistent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_reaches_the_daemon_of_another_machine() {
    if Command::new("docker").arg("--version").output().is_err() {
        println!("SKIP: the command docker is not installed");
        return;
    }
    let behind = behind();
    // In place of ssh: it forgets the machine, and does here what it was to do there.
    let folder = tempfile::tempdir().unwrap();
    let (program, called) = (folder.path().join("ssh"), folder.path().join("called"));
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {}\nwhile [ \"$1\" != docker ]; do shift; done\nshift\n\
         exec docker --host unix://{} \"$@\"\n",
        called.display(),
        behind.socket.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let reached = told(&[("DOCKER_HOST", "ssh://ada@gpu-7:2222"), ("PATH", &path)]);
    assert!(reached.contains("told: ssh://ada@gpu-7:2222 None"), "{reached}");
    let called = fs::read_to_string(called).unwrap();
    assert!(called.contains("-l ada -p 2222 -T -- gpu-7 docker system dial-stdio"), "{called}");

    fs::write(&program, "#!/bin/sh\nexit 255\n").unwrap();
    let refused = told(&[("DOCKER_HOST", "ssh://gpu-7"), ("PATH", &path)]);
    assert!(
        refused.contains("told: EngineUnavailable the container engine cannot be reached through ssh"),
        "{refused}"
    );
    let nowhere = told(&[("DOCKER_HOST", "ssh://gpu-7"), ("PATH", "/nonexistent")]);
    assert!(nowhere.contains("told: Unsupported the program ssh is not installed: host=ssh://gpu-7"), "{nowhere}");
}

#[tokio::test]
async fn a_daemon_that_is_too_old_says_which_one_is_not() {
    let daemon = Daemon::start(|request| match request {
        "GET /version" => daemon::Answer::whole(200, r#"{"Version":"18.09.9","ApiVersion":"1.39"}"#),
        _ => Daemon::usual(request),
    });
    let error = Docker::connect_to(&daemon.host).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        format!(
            "the engine does not have this: wanted=device requests api=1.39 host={}; Docker 19.03 (API 1.40) and later \
             have it",
            daemon.host
        )
    );
}
