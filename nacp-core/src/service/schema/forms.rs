//! The forms that values take.

use serde_json::{Map, Value, json};

/// Names of apps, services, networks and mounts.
pub(super) const NAME: &str = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$";
/// An absolute path in a container.
pub(super) const ABSOLUTE: &str = "^/";
/// Text that is not blank.
pub(super) const SOMETHING: &str = "\\S";

const SIZE: &str = "^\\s*([0-9]{7,}|([0-9]+(\\.[0-9]{0,12})?|\\.[0-9]{1,12})\\s*([KkMmGgTt][Ii]?)?[Bb])\\s*$";
const AUTO: &str = "^\\s*auto\\s*$";
const DURATION: &str = "^[+]?([Pp][0-9Tt].*|[0-9]+([.,][0-9]+)?\\s*[a-zA-Zµμ]+.*|[0-9]+:[0-9]{2}:[0-9]{2}.*)$";
const RANGE: &str = "^[ ,]*(>=|<)[0-9]+(\\.[0-9]+)?([ ,]+(>=|<)[0-9]+(\\.[0-9]+)?)?[ ,]*$";

/// An object of exactly these fields.
pub(super) fn object<const N: usize>(required: &[&str], fields: [(&str, Value); N]) -> Value {
    let fields: Map<_, _> = fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect();
    let mut object = json!({ "type": "object", "additionalProperties": false, "properties": fields });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// An object whose fields have any names and are all of this form.
pub(super) fn mapping(values: Value) -> Value {
    let mut mapping = json!({ "type": "object" });
    mapping["additionalProperties"] = values;
    mapping
}

/// The same with more said of it.
pub(super) fn with(mut form: Value, more: Value) -> Value {
    if let (Value::Object(form), Value::Object(more)) = (&mut form, more) {
        form.extend(more);
    }
    form
}

/// The same with its meaning.
pub(super) fn described(meaning: &str, form: Value) -> Value {
    with(form, json!({ "description": meaning }))
}

/// The same with its meaning and what holds where it is not set.
pub(super) fn defaulting(meaning: &str, default: Value, form: Value) -> Value {
    let mut form = described(meaning, form);
    form["default"] = default;
    form
}

/// One of several forms.
pub(super) fn either<const N: usize>(forms: [Value; N]) -> Value {
    let mut either = json!({});
    either["oneOf"] = Value::Array(forms.into());
    either
}

/// Text of this pattern.
pub(super) fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// One of these words.
pub(super) fn words<T: serde::Serialize>(words: &[T]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// A whole number within limits.
pub(super) fn whole(least: i64, most: i64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

pub(super) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

/// What stands for text in YAML: a number or a truth without quotes is taken as it is written.
pub(super) fn any_text() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

/// The program and its arguments.
pub(super) fn arguments() -> Value {
    json!({ "type": "array", "items": any_text() })
}

/// A size with its unit, or a number of bytes.
pub(super) fn size(least: u64) -> Value {
    either([text(SIZE), json!({ "type": "integer", "minimum": least })])
}

/// A size, or `auto`.
pub(super) fn size_or_auto(least: u64) -> Value {
    either([text(SIZE), text(AUTO), json!({ "type": "integer", "minimum": least })])
}

/// A time such as `90s`, `10m` or `1h 30m`.
pub(super) fn duration() -> Value {
    text(DURATION)
}

/// A range of versions such as `>=8.0 <10.0`.
pub(super) fn range() -> Value {
    with(text(RANGE), json!({ "examples": [">=8.0", ">=8.0 <10.0"] }))
}
