//! The networks of apps.

use std::collections::{BTreeMap, HashMap};

use bollard::errors::Error as Api;
use bollard::models::{EndpointSettings, NetworkConnectRequest, NetworkCreateRequest};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{CALL_LIMIT, Docker, failure, limited, raw};
use crate::engine::{ContainerId, labels};
use crate::error::{Error, ErrorKind, Result};

/// One entry of `/networks`, or the answer of `/networks/NAME`. Every field may be absent or null.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Found {
    id: Option<String>,
    name: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

impl Docker {
    /// Makes sure that a network is there. One of another app is refused: its containers would be reached.
    pub(super) async fn make_network(&self, name: &str, its: &BTreeMap<String, String>) -> Result<()> {
        let failed = |error| failure::call("engine.create_network", error).with("network", name);
        if let Some(there) = self.network(name).await.map_err(failed)? {
            return ours(name, its, &there);
        }
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            labels: Some(its.clone().into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        match limited(CALL_LIMIT, self.client.create_network(request)).await {
            Ok(_) => Ok(()),
            // Somebody was faster; Podman says it with another status.
            Err(error) => match self.network(name).await {
                Ok(Some(there)) => ours(name, its, &there),
                _ => Err(failed(error)),
            },
        }
    }

    async fn network(&self, name: &str) -> Result<Option<Found>, Api> {
        let path = format!("/networks/{}", raw::encoded(name));
        match limited(CALL_LIMIT, raw::get::<Found>(&self.address, &path)).await {
            // The beginning of an id stands for a network too.
            Ok(found) => Ok(Some(found).filter(|found| found.name.as_deref() == Some(name))),
            Err(error) if failure::status(&error) == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes an app's networks; those that are used stay.
    pub(super) async fn unmake_networks(&self, app: &str) -> Result<()> {
        let failed = |error| failure::call("engine.remove_networks", error).with("app", app);
        let filters = serde_json::json!({ "label": [format!("{}={app}", labels::APP)] }).to_string();
        let path = format!("/networks?filters={}", raw::encoded(&filters));
        let found: Vec<Found> = limited(CALL_LIMIT, raw::get(&self.address, &path)).await.map_err(failed)?;
        for Found { id, name, labels } in found {
            // The filter is the daemon's; what is removed is decided here.
            let own = labels.is_some_and(|labels| labels.get(labels::APP).is_some_and(|its| its == app));
            let Some((id, name)) = id.zip(name).filter(|_| own) else { continue };
            if self.is_wanted(&[&id, &name]).await.map_err(failed)? {
                continue;
            }
            match limited(CALL_LIMIT, self.client.remove_network(&id)).await {
                Ok(()) => {}
                Err(error) if matches!(failure::status(&error), Some(404)) || failure::is_used(&error) => {}
                Err(error) => return Err(failed(error).with("network", id)),
            }
        }
        Ok(())
    }

    /// Whether a container is in a network, running or not: Docker would remove it from under one that does not run.
    async fn is_wanted(&self, network: &[&str]) -> Result<bool, Api> {
        let filters = serde_json::json!({ "network": network }).to_string();
        let path = format!("/containers/json?all=true&filters={}", raw::encoded(&filters));
        Ok(!limited(CALL_LIMIT, raw::get::<Vec<IgnoredAny>>(&self.address, &path)).await?.is_empty())
    }

    /// Puts a container into one more network.
    pub(super) async fn join(&self, id: &ContainerId, network: &str, alias: Option<&str>) -> Result<()> {
        let request = NetworkConnectRequest { container: id.0.clone(), endpoint_config: Some(endpoint(alias)) };
        let joined = limited(CALL_LIMIT, self.client.connect_network(network, request)).await;
        joined.map_err(|error| failure::call("engine.create", error).with("network", network))
    }
}

fn ours(name: &str, its: &BTreeMap<String, String>, there: &Found) -> Result<()> {
    let app = there.labels.as_ref().and_then(|labels| labels.get(labels::APP));
    if app == its.get(labels::APP) {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Conflict, "engine.create_network", "a network of this name is there already")
        .with("network", name);
    Err(match app {
        Some(app) => error.with("app", app).hint("it belongs to another app: delete that app or rename this network"),
        None => error.hint("it is not NACP's: remove it or rename the network"),
    })
}

/// How a container is in a network: under its name, and under this one besides.
pub(super) fn endpoint(alias: Option<&str>) -> EndpointSettings {
    EndpointSettings { aliases: alias.map(|alias| vec![alias.to_owned()]), ..EndpointSettings::default() }
}

/// The networks that a container is in from the beginning.
pub(super) fn endpoints(network: &str, alias: Option<&str>) -> HashMap<String, EndpointSettings> {
    HashMap::from([(network.to_owned(), endpoint(alias))])
}
