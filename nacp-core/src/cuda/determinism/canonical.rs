//! One text for one value: JSON as RFC 8785 writes it, without the numbers on which programs disagree.

use std::fmt::Write as _;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// The greatest whole number that every reader of JSON holds exactly: 2^53 - 1.
const EXACT: u64 = (1 << 53) - 1;

/// The text of a value: fields in the order of their names, no blanks, whole numbers only.
///
/// # Errors
/// [`InvalidArgument`](ErrorKind::InvalidArgument) for a number with a fraction or beyond 2^53 - 1.
pub(super) fn canonical(value: &Value) -> Result<String> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

fn write(value: &Value, text: &mut String) -> Result<()> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => text.push_str(&value.to_string()),
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if magnitude.is_none_or(|magnitude| magnitude > EXACT) {
                let error = Error::new(ErrorKind::InvalidArgument, "cuda.canonical", "not an exact whole number");
                return Err(error.with("value", number));
            }
            // Writing to a string never fails.
            let _ = write!(text, "{number}");
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                text.push(if index == 0 { '[' } else { ',' });
                write(item, text)?;
            }
            text.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            for (index, (name, field)) in fields.iter().enumerate() {
                text.push(if index == 0 { '{' } else { ',' });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(field, text)?;
            }
            text.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        canonical(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn the_order_and_the_blanks_of_the_input_do_not_count() {
        let expected = r#"{"a":[1,{"x":null,"y":true}],"b":"two","c":{}}"#;
        for shuffled in [
            r#"{"c": {}, "b": "two", "a": [1, {"y": true, "x": null}]}"#,
            "{\"a\":[1,{\"x\":null,\n\"y\":true}],\t\"c\":{},\"b\":\"\\u0074wo\"}",
            expected,
        ] {
            assert_eq!(of(shuffled), expected);
        }
        assert_eq!(of("[ ]"), "[]");
    }

    #[test]
    fn names_are_ordered_and_texts_are_written_as_rfc_8785_does() {
        // The example of section 3.2.3, whose order is by UTF-16 and not by code points.
        let names = r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
        assert_eq!(of(names), "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}");
        assert_eq!(of(r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/""#), r#""€$\u000f\nA'B\"\\\\\"/""#);
    }

    #[test]
    fn a_number_that_readers_do_not_agree_on_is_refused() {
        assert_eq!(of("[9007199254740991,-9007199254740991,0]"), "[9007199254740991,-9007199254740991,0]");
        for bad in ["1.5", "1.0", "9007199254740992", "-9007199254740992", "1e400"] {
            let Ok(value) = serde_json::from_str::<Value>(bad) else { continue };
            assert!(canonical(&value).is_err(), "{bad}");
        }
    }
}
