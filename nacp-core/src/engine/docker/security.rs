//! What of a container can be written where its root cannot: decided before it is created.

use std::collections::{BTreeMap, BTreeSet};

use super::files;
use crate::engine::{ContainerSpec, ImageDetails, labels, lies_in};
use crate::error::Result;
use crate::service::{MountSource, RootAccess};

/// The folders of memory beside a read-only root. Programs compile and load code in `/tmp`, so it can hold programs.
const MEMORY: [(&str, &str); 3] = [
    ("/tmp", "rw,exec,nosuid,nodev,mode=1777"),
    ("/run", "rw,noexec,nosuid,nodev,mode=1777"),
    ("/var/tmp", "rw,exec,nosuid,nodev,mode=1777"),
];

/// The places of a container beside the mounts that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Whether the root is read-only.
    pub(super) read_only: bool,
    /// Folders of memory, and how each is mounted.
    pub(super) memory: BTreeMap<String, String>,
    /// Folders of volumes without a name, which go with the container.
    pub(super) volumes: BTreeSet<String>,
}

impl Places {
    /// Where the container can write, and where its files lie. `image` is what is known of the image.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a file directly in a root that cannot be written.
    pub(super) fn of(spec: &ContainerSpec, image: &ImageDetails) -> Result<Self> {
        let mut places = Self { read_only: spec.root != RootAccess::Writable, ..Self::default() };
        for mount in &spec.mounts {
            if let MountSource::Memory(size) = mount.source {
                let access = if mount.read_only { "ro" } else { "rw" };
                let options = format!("{access},exec,nosuid,nodev,mode=1777,size={}", size.0);
                places.memory.insert(mount.path.clone(), options);
            }
        }
        places.volumes = files::folders(spec)?;
        if places.read_only {
            let taken: BTreeSet<_> =
                spec.mounts.iter().map(|mount| &mount.path).chain(&places.volumes).cloned().collect();
            let free = MEMORY.into_iter().filter(|(path, _)| !taken.contains(*path));
            places.memory.extend(free.map(|(path, options)| (path.to_owned(), options.to_owned())));
            if let Some(home) = home(spec, image) {
                let within = taken.iter().chain(places.memory.keys()).any(|folder| lies_in(&home, folder));
                if !within {
                    places.volumes.insert(home);
                }
            }
        }
        Ok(places)
    }

    /// The value of the label that tells whether the root can be written. Who opens it for a reason has written it there.
    pub(super) fn label(&self, spec: &ContainerSpec) -> String {
        let told = spec.labels.get(labels::ROOT).filter(|told| told.starts_with("writable"));
        match (self.read_only, told) {
            (true, _) => "read-only".to_owned(),
            (false, Some(told)) => told.clone(),
            (false, None) => "writable, as asked for".to_owned(),
        }
    }
}

/// As whom the program runs, in the words of the specification or of the image.
pub(super) fn user<'a>(spec: &'a ContainerSpec, image: &'a ImageDetails) -> &'a str {
    spec.user.as_deref().unwrap_or(&image.user)
}

/// The home of that user: the variable `HOME`, or that of root. That of others stands in a file of the image, which
/// nobody has read.
fn home(spec: &ContainerSpec, image: &ImageDetails) -> Option<String> {
    let told = spec.env.get("HOME").or_else(|| image.env.get("HOME")).map(String::as_str);
    let name = user(spec, image).split(':').next().unwrap_or_default();
    let home = told.or_else(|| matches!(name, "" | "0" | "root").then_some("/root"))?.trim_end_matches('/');
    let plain = home.starts_with('/') && !home.split('/').any(|part| matches!(part, "." | ".."));
    plain.then(|| home.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{FileSpec, MountSpec};
    use crate::error::ErrorKind;
    use crate::service::SecretValue;
    use crate::units::Bytes;

    fn image(user: &str, home: Option<&str>) -> ImageDetails {
        let env = home.map(|home| ("HOME".to_owned(), home.to_owned()));
        ImageDetails { user: user.to_owned(), env: env.into_iter().collect(), ..ImageDetails::default() }
    }

    fn mount(path: &str, source: MountSource) -> MountSpec {
        MountSpec { path: path.into(), source, name: None, read_only: false }
    }

    fn spec() -> ContainerSpec {
        ContainerSpec::new("n", "i")
    }

    fn volumes(spec: &ContainerSpec, image: &ImageDetails) -> Vec<String> {
        Places::of(spec, image).unwrap().volumes.into_iter().collect()
    }

    #[test]
    fn a_read_only_root_has_memory_where_programs_write_and_a_home() {
        let places = Places::of(&spec(), &image("", None)).unwrap();
        assert!(places.read_only && places.label(&spec()) == "read-only");
        assert_eq!(places.memory.keys().collect::<Vec<_>>(), ["/run", "/tmp", "/var/tmp"]);
        assert_eq!(places.volumes.into_iter().collect::<Vec<_>>(), ["/root"]);
    }

    #[test]
    fn a_writable_root_needs_none_of_it_and_says_why_it_is_writable() {
        let mut spec = ContainerSpec { root: RootAccess::Writable, ..spec() };
        let places = Places::of(&spec, &image("", None)).unwrap();
        assert_eq!((&places, places.label(&spec).as_str()), (&Places::default(), "writable, as asked for"));
        let told = "writable, the program could not write to /var/cache";
        spec.labels.insert(labels::ROOT.to_owned(), told.to_owned());
        assert_eq!(places.label(&spec), told);
        spec.root = RootAccess::ReadOnly;
        assert_eq!(Places::of(&spec, &image("", None)).unwrap().label(&spec), "read-only");
    }

    #[test]
    fn the_home_is_that_of_whoever_runs_the_program() {
        let as_user = |user: &str| ContainerSpec { user: Some(user.to_owned()), ..spec() };
        for (spec, image, home) in [
            (spec(), image("", Some("/home/app")), vec!["/home/app"]),
            (spec(), image("1000", None), vec![]),
            (spec(), image("1000", Some("/")), vec![]),
            (spec(), image("", Some("relative")), vec![]),
            (spec(), image("", Some("/home/../etc")), vec![]),
            (as_user("0:0"), image("1000", None), vec!["/root"]),
            (as_user("1000"), image("", None), vec![]),
            (as_user("app"), image("", Some("/tmp/app")), vec![]),
        ] {
            assert_eq!(volumes(&spec, &image), home);
        }
    }

    #[test]
    fn what_is_mounted_there_stays() {
        let mounts = vec![
            mount("/tmp", MountSource::Volume),
            mount("/home", MountSource::Host("/srv".into())),
            mount("/cache", MountSource::Memory(Bytes::mib(1))),
        ];
        let spec = ContainerSpec { mounts, ..spec() };
        let places = Places::of(&spec, &image("", Some("/home/app"))).unwrap();
        assert_eq!(places.memory.keys().collect::<Vec<_>>(), ["/cache", "/run", "/var/tmp"]);
        assert_eq!(places.memory["/cache"], "rw,exec,nosuid,nodev,mode=1777,size=1048576");
        assert!(places.volumes.is_empty());
    }

    #[test]
    fn a_file_gets_a_volume_that_goes_with_the_container() {
        let with = |paths: &[&str]| {
            let file = |path: &&str| FileSpec { path: (*path).to_owned(), content: SecretValue::new("x") };
            ContainerSpec { files: paths.iter().map(file).collect(), user: Some("7".into()), ..spec() }
        };
        assert_eq!(volumes(&with(&["/run/secrets/a", "/run/secrets/b"]), &image("", None)), ["/run/secrets"]);
        assert_eq!(volumes(&with(&["/etc/x/a", "/etc/x/y/b", "/opt/c"]), &image("", None)), ["/etc/x", "/opt"]);
        let error = Places::of(&with(&["/key"]), &image("", None)).unwrap_err();
        assert_eq!((error.kind(), error.get("path")), (ErrorKind::InvalidArgument, Some("/key")));
        assert!(volumes(&ContainerSpec { root: RootAccess::Writable, ..with(&["/key"]) }, &image("", None)).is_empty());
    }
}
