//! What a daemon can do, by the numbers that its `/version` tells: the client library asks no daemon what it speaks.

use std::fmt;

use bollard::models::SystemVersion;

use crate::error::{Error, ErrorKind, Result};

/// The version of an API, `1.45`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Api(pub(super) u32, pub(super) u32);

impl Api {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split('.').map(|part| {
            let digits = part.split(|letter: char| !letter.is_ascii_digit()).next()?;
            digits.parse().ok()
        });
        Some(Self(numbers.next()??, numbers.next()??))
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What not every daemon can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    /// Device requests: without them there is no GPU by its UUID, and NACP does not work.
    DeviceRequests,
    /// Another name for a container.
    Rename,
    /// CDI devices.
    Cdi,
    /// A shorter interval of the health check while a container starts.
    StartInterval,
    /// The list of CDI devices that the daemon has found.
    DiscoveredDevices,
    /// The digest that an image has in its registry.
    Distribution,
}

/// Since when each feature is there: its words, Docker's API, the Docker that brought it, and Podman's version; nothing
/// where no Podman is known to have it. Every Podman takes device requests; only from 5.4 on it acts on them.
type Row = (Feature, &'static str, Api, &'static str, Option<(u32, u32)>);

const TABLE: [Row; 6] = [
    (Feature::Rename, "another name for a container", Api(1, 17), "Docker 1.5", Some((3, 0))),
    (Feature::Distribution, "digests from a registry", Api(1, 30), "Docker 17.06", None),
    (Feature::DeviceRequests, "device requests", Api(1, 40), "Docker 19.03", Some((0, 0))),
    (Feature::Cdi, "CDI devices", Api(1, 44), "Docker 25.0", Some((5, 4))),
    (Feature::StartInterval, "the start interval of health checks", Api(1, 44), "Docker 25.0", None),
    (Feature::DiscoveredDevices, "the list of found devices", Api(1, 50), "Docker 28.2", None),
];

/// What a daemon is, as far as that decides what it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// The newest API that it speaks.
    pub(super) api: Option<Api>,
    /// Podman's version, for a Podman: its API's number says less than its own.
    pub(super) podman: Option<(u32, u32)>,
}

impl From<&SystemVersion> for Version {
    fn from(told: &SystemVersion) -> Self {
        let api = told.api_version.as_deref().and_then(Api::parse);
        let podman = is_podman(told).then(|| {
            let version = told.version.as_deref().and_then(Api::parse);
            version.map_or((0, 0), |version| (version.0, version.1))
        });
        Self { api, podman }
    }
}

/// Whether a daemon is a Podman service.
pub(super) fn is_podman(told: &SystemVersion) -> bool {
    told.components.iter().flatten().any(|component| component.name.contains("Podman"))
}

impl Version {
    /// Whether it has a feature. A daemon that does not tell its version has whatever it is asked for, until it refuses.
    pub(super) fn has(&self, feature: Feature) -> bool {
        let Some((_, _, since, _, podman)) = TABLE.iter().find(|row| row.0 == feature) else { return true };
        match self.podman {
            Some(version) => podman.is_some_and(|since| version >= since),
            None => self.api.is_none_or(|api| api >= *since),
        }
    }

    /// Refuses what the daemon does not have, naming the version that has it.
    pub(super) fn require(&self, feature: Feature, operation: &'static str) -> Result<()> {
        if self.has(feature) {
            return Ok(());
        }
        let Some((_, words, since, docker, podman)) = TABLE.iter().find(|row| row.0 == feature) else { return Ok(()) };
        let error =
            Error::new(ErrorKind::Unsupported, operation, "the engine does not have this").with("wanted", words);
        Err(match (self.podman, podman) {
            (Some((major, minor)), Some((since, dot))) => error
                .with("podman", format_args!("{major}.{minor}"))
                .hint(format!("Podman {since}.{dot} and later have it")),
            (Some((major, minor)), None) => {
                error.with("podman", format_args!("{major}.{minor}")).hint(format!("{docker} and later have it"))
            }
            (None, _) => error
                .with("api", self.api.map_or_else(|| "unknown".to_owned(), |api| api.to_string()))
                .hint(format!("{docker} (API {since}) and later have it")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Feature; 6] = [
        Feature::Rename,
        Feature::Distribution,
        Feature::DeviceRequests,
        Feature::Cdi,
        Feature::StartInterval,
        Feature::DiscoveredDevices,
    ];

    fn podman(major: u32, minor: u32) -> Version {
        Version { api: Some(Api(1, 41)), podman: Some((major, minor)) }
    }

    #[test]
    fn each_api_has_what_its_docker_brought() {
        for (minor, features) in [
            (16, 0),
            (24, 1),
            (30, 2),
            (39, 2),
            (40, 3),
            (41, 3),
            (43, 3),
            (44, 5),
            (45, 5),
            (48, 5),
            (49, 5),
            (50, 6),
            (52, 6),
            (55, 6),
        ] {
            let version = Version { api: Some(Api(1, minor)), podman: None };
            let has: Vec<_> = ALL.iter().filter(|feature| version.has(**feature)).collect();
            assert_eq!(has, ALL[..features].iter().collect::<Vec<_>>(), "1.{minor}");
        }
        assert!(ALL.iter().all(|feature| Version::default().has(*feature)));
    }

    #[test]
    fn podman_has_cdi_since_5_4_whatever_its_api_says() {
        use Feature::{Cdi, DeviceRequests, DiscoveredDevices, Rename};
        for (version, has) in [
            (podman(4, 3), [true, false, true, false]),
            (podman(5, 3), [true, false, true, false]),
            (podman(5, 4), [true, true, true, false]),
        ] {
            let told = [DeviceRequests, Cdi, Rename, DiscoveredDevices].map(|it| version.has(it));
            assert_eq!(told, has, "{version:?}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_the_version_that_has_it() {
        let old = Version { api: Some(Api(1, 41)), podman: None };
        let told = |version: &Version, feature| version.require(feature, "engine.create").unwrap_err().to_string();
        assert_eq!(
            told(&old, Feature::Cdi),
            "the engine does not have this: wanted=CDI devices api=1.41; Docker 25.0 (API 1.44) and later have it"
        );
        assert_eq!(
            told(&podman(4, 3), Feature::Cdi),
            "the engine does not have this: wanted=CDI devices podman=4.3; Podman 5.4 and later have it"
        );
        assert_eq!(
            told(&podman(5, 4), Feature::Distribution),
            "the engine does not have this: wanted=digests from a registry podman=5.4; Docker 17.06 and later have it"
        );
    }

    #[test]
    fn a_version_is_read_from_what_daemons_tell() {
        assert_eq!(
            ["1.45", "1.41+x", "5.4.0-rc1", "v1", "1", ""].map(Api::parse),
            [Some(Api(1, 45)), Some(Api(1, 41)), Some(Api(5, 4)), None, None, None]
        );
        let told =
            r#"{"Version":"4.3.1","ApiVersion":"1.41","Components":[{"Name":"Podman Engine","Version":"4.3.1"}]}"#;
        assert_eq!(Version::from(&serde_json::from_str::<SystemVersion>(told).unwrap()), podman(4, 3));
        let docker = r#"{"Version":"26.1.5","ApiVersion":"1.45","Components":[{"Name":"Engine","Version":"26.1.5"}]}"#;
        let docker = Version::from(&serde_json::from_str::<SystemVersion>(docker).unwrap());
        assert_eq!(docker, Version { api: Some(Api(1, 45)), podman: None });
    }
}
