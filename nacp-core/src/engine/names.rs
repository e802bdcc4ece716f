//! The names of containers, for those who only look: which container is behind a process on a GPU.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Container, ContainerId, labels};
use crate::gpu::Reading;
use crate::gpu::owner::Owner;

/// How many digits of an id an engine shows where it is short.
const SHORT: usize = 12;

/// What an engine says of a container, NACP's or not: see [`Engine::names`](super::Engine::names).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedContainer {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// The image that it was created from.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl NamedContainer {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// NACP's app that it belongs to.
    pub fn app(&self) -> Option<&str> {
        self.label(labels::APP)
    }

    /// NACP's service that it belongs to.
    pub fn service(&self) -> Option<&str> {
        self.label(labels::SERVICE)
    }

    /// The number of the replica of NACP's that it is.
    pub fn replica(&self) -> Option<u32> {
        self.label(labels::REPLICA)?.parse().ok()
    }

    /// The name of the Kubernetes pod that it belongs to, where the kubelet runs containers through this engine.
    pub fn pod_name(&self) -> Option<&str> {
        self.label("io.kubernetes.pod.name")
    }

    /// The namespace of that pod.
    pub fn pod_namespace(&self) -> Option<&str> {
        self.label("io.kubernetes.pod.namespace")
    }

    /// What that pod calls the container.
    pub fn pod_container(&self) -> Option<&str> {
        self.label("io.kubernetes.container.name")
    }

    /// Whether this is the container with that id, where either may be short, of twelve digits. No other beginning of an
    /// id stands for it.
    fn is(&self, id: &str) -> bool {
        let short = |short: &str, long: &str| {
            short.len() == SHORT && short.bytes().all(|byte| byte.is_ascii_hexdigit()) && long.starts_with(short)
        };
        self.id.0 == id || short(&self.id.0, id) || short(id, &self.id.0)
    }
}

impl From<Container> for NamedContainer {
    fn from(container: Container) -> Self {
        let Container { id, name, image, labels, .. } = container;
        Self { id, name, image, labels }
    }
}

/// Gives the containers of these owners the names that an engine has for them, and their pods what it knows of them. What
/// no name fits stays as it is.
///
/// ```no_run
/// use nacp_core::engine::{Docker, Engine, name_owners};
/// use nacp_core::gpu::owner::Processes;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let mut owners = [Processes::system().owner(812)];
/// name_owners(&mut owners, &Docker::connect().await?.names().await?);
/// # Ok::<(), nacp_core::Error>(()) }).unwrap();
/// ```
pub fn name_owners<'a>(owners: impl IntoIterator<Item = &'a mut Owner>, names: &[NamedContainer]) {
    for owner in owners {
        let Reading::Known(Some(container)) = &mut owner.container else { continue };
        let Some(named) = names.iter().find(|named| named.is(&container.id)) else { continue };
        container.name = Some(named.name.clone());
        let Reading::Known(Some(pod)) = &mut owner.pod else { continue };
        for (reading, name) in [
            (&mut pod.name, named.pod_name()),
            (&mut pod.namespace, named.pod_namespace()),
            (&mut pod.container_name, named.pod_container()),
        ] {
            if let Some(name) = name {
                *reading = Reading::Known(name.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Unknown;
    use crate::gpu::owner::{ContainerRef, PodKind, PodRef, Runtime};

    const A: &str = "3f2a9c1b04de77e8a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778";

    fn owner(id: &str) -> Owner {
        let container = ContainerRef { id: id.into(), runtime: Runtime::Docker, cgroup: String::new(), name: None };
        let unknown = || Reading::Unknown(Unknown::NoPermission);
        let pod = PodRef {
            kind: PodKind::Kubernetes,
            uid: "u".into(),
            name: unknown(),
            namespace: unknown(),
            container_name: unknown(),
        };
        let mut owner = Owner::unknown(1, Unknown::NotRead);
        (owner.container, owner.pod) = (Reading::Known(Some(container)), Reading::Known(Some(pod)));
        owner
    }

    fn named(id: &str, labels: &[(&str, &str)]) -> NamedContainer {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        NamedContainer { id: ContainerId(id.into()), name: "llm-0".into(), image: "llm:1".into(), labels }
    }

    fn name_of(owner: &Owner) -> Option<&str> {
        owner.container.known()?.as_ref()?.name.as_deref()
    }

    #[test]
    fn an_owner_gets_its_containers_name_by_the_whole_or_the_short_id() {
        for (of_owner, of_engine, fits) in [
            (A, A, true),
            (A, &A[..12], true),
            (&A[..12], A, true),
            ("simulated-0", "simulated-0", true),
            (A, &A[..11], false),
            (A, &A[..13], false),
            (&A[..11], A, false),
            ("simulated-01", "simulated-0", false),
            ("simulated-012", "simulated-01", false),
            (A, "", false),
        ] {
            let mut owners = [owner(of_owner)];
            name_owners(&mut owners, &[named("other", &[]), named(of_engine, &[])]);
            assert_eq!(name_of(&owners[0]), fits.then_some("llm-0"), "{of_owner} {of_engine}");
        }
    }

    #[test]
    fn what_the_engine_knows_of_a_pod_is_filled_in_and_nothing_else() {
        let labels = [("io.kubernetes.pod.name", "trainer-0"), ("io.kubernetes.container.name", "main")];
        let mut owners = [owner(A)];
        name_owners(&mut owners, &[named(A, &labels)]);
        let pod = owners[0].pod.known().unwrap().as_ref().unwrap();
        assert_eq!((pod.name.to_string(), pod.container_name.to_string()), ("trainer-0".into(), "main".into()));
        assert_eq!(pod.namespace, Reading::Unknown(Unknown::NoPermission));
    }

    #[test]
    fn who_has_no_container_or_no_name_stays_as_he_is() {
        let mut outside = Owner::unknown(1, Unknown::NotRead);
        outside.container = Reading::Known(None);
        let before = [outside, Owner::unknown(2, Unknown::NotAvailable), owner("b")];
        let mut owners = before.clone();
        name_owners(&mut owners, &[named(A, &[])]);
        assert_eq!(owners, before);
    }

    #[test]
    fn labels_tell_whose_it_is() {
        let ours = named(A, &[(labels::APP, "chat"), (labels::SERVICE, "llm"), (labels::REPLICA, "3")]);
        assert_eq!((ours.app(), ours.service(), ours.replica()), (Some("chat"), Some("llm"), Some(3)));
        let foreign = named(A, &[(labels::REPLICA, "many")]);
        assert_eq!((foreign.app(), foreign.replica(), foreign.pod_name()), (None, None, None));
    }
}
