use std::fs;

use super::*;
use crate::engine::ContainerSpec;

/// What must be seen nowhere.
const VALUE: &str = "correct-horse-battery-staple";

fn of(name: &str, secret: Secret) -> BTreeMap<String, Secret> {
    BTreeMap::from([(name.to_owned(), secret)])
}

fn file(path: impl AsRef<Path>) -> BTreeMap<String, Secret> {
    of("token", Secret::File(path.as_ref().to_str().unwrap().to_owned()))
}

fn secrets(values: &[(&str, &str)]) -> Secrets {
    Secrets { values: values.iter().map(|(name, value)| ((*name).to_owned(), SecretValue::new(*value))).collect() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn a_secret_becomes_a_file_of_the_container() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "first\n").unwrap();
    let mut wanted = file(&path);
    wanted.insert("user".to_owned(), Secret::Env("PATH".to_owned()));
    let read = Secrets::read("llm", &wanted).unwrap();
    let files: Vec<_> = read.files().into_iter().map(|file| (file.path, file.content.reveal().to_vec())).collect();
    let path = std::env::var("PATH").unwrap().into_bytes();
    assert_eq!(files, [("/run/secrets/token".to_owned(), b"first\n".to_vec()), ("/run/secrets/user".to_owned(), path)]);
    assert!(!read.is_empty() && Secrets::read("llm", &BTreeMap::new()).unwrap().is_empty());
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_is_followed_as_a_mounted_secret_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("..data"), "x").unwrap();
    std::os::unix::fs::symlink("..data", folder.path().join("token")).unwrap();
    assert_eq!(Secrets::read("llm", &file(folder.path().join("token"))).unwrap().files()[0].content.reveal(), b"x");
}

#[test]
fn what_cannot_be_a_secret_is_an_error_that_names_service_and_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("empty"), "").unwrap();
    fs::write(path("large"), vec![b'x'; (1 << 20) + 1]).unwrap();
    fs::write(path("largest"), vec![b'x'; 1 << 20]).unwrap();
    let env = |name: &str| of("token", Secret::Env(name.to_owned()));
    use ErrorKind::{InvalidArgument, NotFound};
    for (wanted, kind, message) in [
        (file(path("missing")), NotFound, "the file of a secret is not there"),
        (file(path("empty").join("below")), InvalidArgument, "the file of a secret cannot be read"),
        (file(folder.path()), InvalidArgument, "a secret is a file, and this is a folder"),
        (file(path("empty")), InvalidArgument, "a secret is empty"),
        (file(path("large")), InvalidArgument, "a secret has more than 1 MiB"),
        (env("NACP_TEST_NO_SUCH_VARIABLE"), NotFound, "the variable of a secret is not set"),
    ] {
        let error = Secrets::read("llm", &wanted).unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message));
        assert_eq!((error.get("service"), error.get("secret")), (Some("llm"), Some("token")), "{error}");
        assert!(error.get("path").or(error.get("variable")).is_some() && error.hint_text().is_some(), "{error}");
    }
    assert!(Secrets::read("llm", &file(path("largest"))).is_ok());
    for name in ["", "../token", "a/b", ".hidden", "a b", "a\0"] {
        let error = Secrets::read("llm", &of(name, Secret::Env("PATH".to_owned()))).unwrap_err();
        assert_eq!(error.kind(), InvalidArgument, "{name:?}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.to_str().unwrap(), "/dev/zero"] {
        let error = Secrets::read("llm", &file(path)).unwrap_err();
        assert_eq!(error.message(), "a secret is a regular file, and this is none", "{path}");
    }
}

#[test]
fn the_label_tells_a_changed_secret_and_nothing_else() {
    let before = secrets(&[("a", "one"), ("b", "two")]);
    let label = before.label("nacp.demo.llm.0", at(1)).unwrap();
    assert!(label.starts_with("v1:") && label.len() == 3 + 32 + 1 + 64, "{label}");
    assert!(before.matches(Some(&label)));
    for other in [
        secrets(&[("a", "one"), ("b", "twO")]),
        secrets(&[("a", "one"), ("c", "two")]),
        secrets(&[("a", "one")]),
        secrets(&[("a", "oneb"), ("", "two")]),
        secrets(&[("a", "two"), ("b", "one")]),
        secrets(&[]),
    ] {
        assert!(!other.matches(Some(&label)), "{other:?}");
    }
    let again = before.label("nacp.demo.llm.0", at(2)).unwrap();
    let neighbour = before.label("nacp.demo.llm.1", at(1)).unwrap();
    assert!(again != label && neighbour != label && neighbour != again, "equal values do not show");
    assert!(before.matches(Some(&again)) && before.matches(Some(&neighbour)));
}

#[test]
fn a_container_without_the_label_has_no_secrets() {
    assert!(secrets(&[]).matches(None));
    assert_eq!(secrets(&[]).label("nacp.demo.llm.0", at(1)), None);
    assert!(!secrets(&[("a", "one")]).matches(None));
}

#[test]
fn a_label_that_is_not_ours_matches_nothing() {
    let own = secrets(&[("a", "one")]);
    let label = own.label("nacp.demo.llm.0", at(1)).unwrap();
    let longer = format!("{label}0");
    for wrong in ["", "v1", "v1:", "v1:00", "v1:00:", &label[..label.len() - 1], &label.replace("v1", "v2"), &longer] {
        assert!(!own.matches(Some(wrong)), "{wrong}");
    }
}

#[test]
fn the_value_is_seen_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), VALUE).unwrap();
    let read = Secrets::read("llm", &file(folder.path().join("token"))).unwrap();
    let label = read.label("nacp.demo.llm.0", at(1)).unwrap();
    let mut spec = ContainerSpec::new("nacp.demo.llm.0", "image");
    spec.files = read.files();
    spec.labels.insert("nacp.secrets".to_owned(), label.clone());
    let hexed = hex(VALUE.as_bytes());
    fs::write(folder.path().join("token"), VALUE.repeat(1 << 16)).unwrap();
    let error = Secrets::read("llm", &file(folder.path().join("token"))).unwrap_err();
    let numbers = format!("{:?}", VALUE.as_bytes());
    for output in [format!("{read:?}"), format!("{spec:?}"), label, error.to_string(), format!("{error:?}")] {
        for form in [VALUE, &hexed, numbers.trim_matches(['[', ']'])] {
            assert!(!output.contains(form), "{output}");
        }
    }
    assert!(format!("{read:?}").contains("token"), "the name may be seen");
}

#[test]
fn secrets_that_cannot_be_read_again_stay_what_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "first").unwrap();
    let mut app = App::new("a").service("there", crate::service::Service::new("i"));
    app = app.service("never", crate::service::Service::new("i"));
    app.services.get_mut("there").unwrap().secrets = file(&path);
    app.services.get_mut("never").unwrap().secrets = file(folder.path().join("never"));
    let mut last = LastRead::default();
    let failed = |last: &mut LastRead, app: &App| last.refresh(app).into_keys().collect::<Vec<_>>();
    let first = BTreeMap::from([("there".to_owned(), secrets(&[("token", "first")]))]);
    assert_eq!((failed(&mut last, &app), last.values()), (vec!["never".to_owned()], first.clone()));
    fs::write(&path, "").unwrap();
    assert_eq!((failed(&mut last, &app).len(), last.values()), (2, first), "it is empty while it is rotated");
    fs::write(&path, "second").unwrap();
    let second = BTreeMap::from([("there".to_owned(), secrets(&[("token", "second")]))]);
    assert_eq!((failed(&mut last, &app).len(), last.values()), (1, second));
    app.services.get_mut("there").unwrap().secrets = file(folder.path().join("other"));
    assert_eq!((failed(&mut last, &app).len(), last.values()), (2, BTreeMap::new()), "other secrets were never read");
}
