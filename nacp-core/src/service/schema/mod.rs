//! The JSON Schema of `nacp.yaml`, for editors and for whoever checks a file without NACP.
//!
//! It says less than the parser: what one field asks of another, such as a probe over HTTP of a port, only
//! [`App::parse`](super::App::parse) tells.

mod forms;
mod parts;
mod service;

use serde_json::{Value, json};

use forms::{NAME, described, mapping, object, text};

/// What the schema is called; it lies in no place of the network.
const ID: &str = "urn:nacp:schema:nacp.yaml";

/// The JSON Schema (draft 7) of an app as `nacp.yaml` describes it: each field with its meaning, its default and its
/// forms.
///
/// ```
/// let schema = nacp_core::service::schema();
/// assert_eq!(schema["required"], serde_json::json!(["name", "services"]));
/// ```
pub fn schema() -> Value {
    let services = json!({ "minProperties": 1, "propertyNames": { "pattern": NAME } });
    let mut app = object(
        &["name", "services"],
        [
            (
                "name",
                described("The app's name: lower-case letters, digits and inner hyphens, 40 at most.", text(NAME)),
            ),
            (
                "services",
                described(
                    "The services by name; names follow the same rule as the app's.",
                    forms::with(mapping(service::service()), services),
                ),
            ),
        ],
    );
    app["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    app["$id"] = json!(ID);
    app["title"] = json!("nacp.yaml");
    app["description"] =
        json!("An app of NACP: services that belong together, in containers, with what they need of the GPUs.");
    app
}
