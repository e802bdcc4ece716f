//! The published schema of the service file is the one that the code describes, and has the fields that the parser knows.
//! `UPDATE_SCHEMA=1` writes it anew.

use std::collections::BTreeSet;
use std::path::Path;

use nacp_core::service::{App, schema};
use serde_json::Value;

/// Where an object with fields of its own stands: in the schema, and in an app whose unknown field it gets.
const OBJECTS: [(&str, &str); 12] = [
    ("", "{ FIELD: 1 }"),
    (SERVICE, "{ name: a, services: { s: { FIELD: 1 } } }"),
    ("gpu", "gpu: { FIELD: 1 }"),
    ("publish", "publish: { FIELD: 1 }"),
    ("ready", "ready: { FIELD: 1 }"),
    ("live", "live: { FIELD: 1 }"),
    ("resources", "resources: { FIELD: 1 }"),
    ("security", "security: { FIELD: 1 }"),
    ("secrets/additionalProperties", "secrets: { t: { FIELD: 1 } }"),
    ("volumes/additionalProperties/oneOf/1", "volumes: { v: { FIELD: 1 } }"),
    ("ulimits/additionalProperties/oneOf/1", "ulimits: { nofile: { FIELD: 1 } }"),
    ("strategy/oneOf/1/properties/rolling", "strategy: { rolling: { FIELD: 1 } }"),
];
const SERVICE: &str = "/properties/services/additionalProperties";
const UNKNOWN: &str = "qqqqqqqqqqqqqqqqqqqq";

#[test]
fn the_published_schema_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/nacp.schema.json");
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap();
    assert_eq!(published, text, "UPDATE_SCHEMA=1 cargo test -p nacp-core --test schema writes it");
}

#[test]
fn the_schema_has_the_fields_that_the_parser_knows_and_no_others() {
    let schema = schema();
    for (at, text) in OBJECTS {
        let (pointer, text) = match at {
            "" | SERVICE => (at.to_owned(), text.to_owned()),
            inner => (
                format!("{SERVICE}/properties/{inner}"),
                format!("{{ name: a, services: {{ s: {{ image: i, {text} }} }} }}"),
            ),
        };
        let message = App::parse(&text.replace("FIELD", UNKNOWN)).unwrap_err().to_string();
        let (_, known) = message.split_once("the fields here are ").unwrap_or_else(|| panic!("{at}: {message}"));
        let known: BTreeSet<_> = known.split(", ").collect();
        let object = schema.pointer(&pointer).unwrap_or_else(|| panic!("{pointer} is not in the schema"));
        let described: BTreeSet<_> = object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(described, known, "{pointer}");
        assert_eq!(object["additionalProperties"], false, "{pointer}");
    }
}

#[test]
fn each_field_says_what_it_means() {
    let mut objects = 0;
    walk("", &schema(), &mut |at, form| {
        let Some(fields) = form.get("properties").and_then(Value::as_object) else { return };
        objects += 1;
        for (name, field) in fields {
            let meaning = field["description"].as_str().unwrap_or_default();
            assert!(meaning.ends_with(['.', '…']) && meaning.len() > 15, "{at}/{name}: {meaning:?}");
        }
    });
    assert_eq!(
        objects,
        OBJECTS.len() + 1,
        "each object with fields is compared with the parser; `strategy` is one more"
    );
}

/// Each default stands for what the parser takes where nothing is said.
#[test]
fn a_default_is_what_holds_where_nothing_is_said() {
    let schema = schema();
    let fields = schema.pointer(SERVICE).unwrap()["properties"].as_object().unwrap();
    let plain = App::parse("{ name: a, services: { s: { image: i } } }").unwrap();
    let mut compared = 0;
    for (name, field) in fields {
        let Some(default) = field.get("default") else { continue };
        let said = format!("{{ name: a, services: {{ s: {{ image: i, {name}: {default} }} }} }}");
        assert_eq!(App::parse(&said).unwrap(), plain, "{name}: {default}");
        compared += 1;
    }
    for (field, needed) in [("gpu", "memory: 1GiB, "), ("publish", ""), ("ready", "tcp: true, "), ("security", "")] {
        let inner = schema.pointer(&format!("{SERVICE}/properties/{field}/properties")).unwrap();
        for (name, default) in
            inner.as_object().unwrap().iter().filter_map(|(name, it)| Some((name, it.get("default")?)))
        {
            let app = |more: &str| {
                App::parse(&format!(
                    "{{ name: a, services: {{ s: {{ image: i, port: 80, {field}: {{ {needed}{more} }} }} }} }}"
                ))
            };
            assert_eq!(app(&format!("{name}: {default}")).unwrap(), app("").unwrap(), "{field}.{name}: {default}");
            compared += 1;
        }
    }
    assert!(compared >= 18, "{compared} defaults");
}

fn walk(at: &str, value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(at, value);
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| walk(&format!("{at}/{name}"), inner, visit)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, inner)| walk(&format!("{at}/{index}"), inner, visit));
        }
        _ => {}
    }
}

#[test]
fn the_book_has_a_row_for_each_field() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/services.md")).unwrap();
    let schema = schema();
    for inner in ["", "/properties/gpu", "/properties/ready"] {
        let object = schema.pointer(&format!("{SERVICE}{inner}")).unwrap();
        for (name, field) in object["properties"].as_object().unwrap() {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")) || name == "tcp");
            let row = row.unwrap_or_else(|| panic!("{inner}/{name} has no row in docs/services.md"));
            if let Some(default) = field["default"].as_str().filter(|_| name != "tcp") {
                assert!(row.contains(&format!("`{default}`")), "{row}: the default is {default}");
            }
        }
    }
}
