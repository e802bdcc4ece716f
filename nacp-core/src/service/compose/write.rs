//! Writing an app as `nacp.yaml`.

use super::emit::Yaml;
use crate::error::{Error, ErrorKind, Result};
use crate::service::App;
use crate::units::Bytes;

/// The app as people write it in `nacp.yaml`: in the order of the fields, sizes with their unit, defaults left out.
/// [`App::parse`] reads the same app from it.
///
/// # Errors
/// [`Internal`](crate::ErrorKind::Internal) for what cannot be written, such as a number of CPUs that is none.
pub fn to_yaml(app: &App) -> Result<String> {
    let mut yaml = ordered(app)?;
    if let Some(Yaml::Map(services)) = entry(&mut yaml, "services") {
        services.iter_mut().for_each(|(_, service)| sized_service(service));
    }
    Ok(yaml.to_string())
}

/// Gives the sizes of a service their unit.
pub(super) fn sized_service(service: &mut Yaml) {
    for path in [&["gpu", "memory"][..], &["resources", "memory"], &["shm"]] {
        sized(path.iter().try_fold(&mut *service, |node, key| entry(node, key)));
    }
    if let Some(Yaml::Map(mounts)) = entry(service, "volumes") {
        mounts.iter_mut().for_each(|(_, mount)| sized(entry(mount, "memory")));
    }
}

/// A value with its fields in the order in which they are defined.
pub(super) fn ordered(value: &impl serde::Serialize) -> Result<Yaml> {
    // A map of JSON values would sort the fields; the text keeps their order.
    let text = serde_json::to_string(value).and_then(|text| serde_json::from_str(&text));
    text.map_err(|cause| {
        Error::new(ErrorKind::Internal, "compose.write", "the app cannot be written")
            .with("reason", &cause)
            .caused_by(cause)
    })
}

fn entry<'a>(node: &'a mut Yaml, key: &str) -> Option<&'a mut Yaml> {
    let Yaml::Map(entries) = node else { return None };
    entries.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn sized(node: Option<&mut Yaml>) {
    let Some(node) = node else { return };
    if let Yaml::Int(bytes) = node
        && let Ok(bytes) = u64::try_from(*bytes)
    {
        *node = Yaml::Text(size(Bytes(bytes)));
    }
}

/// A size with the largest unit that gives a whole number.
fn size(bytes: Bytes) -> String {
    for (unit, each) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes.0 != 0 && bytes.0.is_multiple_of(each) {
            return format!("{}{unit}", bytes.0 / each);
        }
    }
    format!("{}B", bytes.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_written_as_people_write_it() {
        let text = "\
name: a
services:
  llm:
    image: ollama/ollama:0.16.1
    model: phi3:mini
    gpu:
      memory: 3584MiB
    port: 11434
    ready:
      http: /api/tags
      within: 10m
    volumes:
      models: /var/lib/ollama
      scratch:
        path: /scratch
        memory: 64MiB
    shm: 1GiB
";
        assert_eq!(to_yaml(&App::parse(text).unwrap()).unwrap(), text);
    }
}
