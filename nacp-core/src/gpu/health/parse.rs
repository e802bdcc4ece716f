//! Reading thresholds from text. JSON is read by the same parser, since JSON is also YAML here.

use serde_saphyr::Error as YamlError;

use super::Thresholds;
use super::thresholds::OPERATION;
use crate::error::{Error, ErrorKind, Result, nearest};

pub(super) fn thresholds(text: &str) -> Result<Thresholds> {
    // A file of which nothing is left but comments is the defaults.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Thresholds::default());
    }
    serde_saphyr::from_str(text).map_err(|error| explain(&error))
}

fn explain(error: &YamlError) -> Error {
    let invalid = |message: &str| {
        let described = Error::new(ErrorKind::InvalidArgument, OPERATION, message);
        match error.location() {
            Some(at) => described.with("line", at.line()).with("column", at.column()),
            None => described,
        }
    };
    match error.without_snippet() {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            let described = invalid("unknown threshold").with("field", field);
            match nearest(field, expected.iter().copied()) {
                Some(near) => described.hint(format!("did you mean {near}?")),
                None => described.hint(format!("there are: {}", expected.join(", "))),
            }
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            let described = invalid("unknown value").with("value", variant);
            match nearest(variant, expected.iter().copied()) {
                Some(near) => described.hint(format!("did you mean {near}?")),
                None => described.hint(format!("choose one of {}", expected.join(", "))),
            }
        }
        YamlError::SerdeMissingField { field, .. } => invalid("a field is missing").with("field", field),
        YamlError::DuplicateMappingKey { key, .. } => {
            let described = invalid("a field is there twice");
            match key {
                Some(key) => described.with("field", key),
                None => described,
            }
        }
        YamlError::InvalidScalar { ty, .. } if ty.starts_with('u') => {
            invalid("not valid thresholds").with("reason", "a whole number from 0 on is needed")
        }
        other => {
            let text = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let first = text.lines().next().unwrap_or_default();
            let reason = first.split(" at line ").next().unwrap_or(first).to_owned();
            invalid("not valid thresholds").with("reason", reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::health::{ConditionKind, Level};

    #[test]
    fn mistakes_name_line_column_and_what_was_meant() {
        for (text, message) in [
            (
                "expected_gpus: 8\ngpu_max_celcius: 80\n",
                "unknown threshold: line=2 column=1 field=gpu_max_celcius; did you mean gpu_max_celsius?",
            ),
            (
                "severity: { persistance_off: ignore }",
                "unknown value: line=1 column=13 value=persistance_off; did you mean persistence_off?",
            ),
            ("severity: { hot: ignored }", "unknown value: line=1 column=18 value=ignored; did you mean ignore?"),
            ("timing: { link: { raise_after: 1 } }", "a field is missing: line=1 column=19 field=clear_after"),
            ("pcie_load: many", "not valid thresholds: line=1 column=12 reason=a whole number from 0 on is needed"),
        ] {
            let error = Thresholds::parse(text).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let json = r#"{"thermal_margin": 5, "xid": {"31": "ignore"}, "severity": {"hot": "drain"}}"#;
        let yaml = "thermal_margin: 5\nxid: { 31: ignore }\nseverity: { hot: drain }\n";
        let parsed = Thresholds::parse(json).unwrap();
        assert_eq!(parsed, Thresholds::parse(yaml).unwrap());
        assert_eq!((parsed.xid[&31], parsed.severity[&ConditionKind::Hot]), (Level::Ignore, Level::Drain));
        assert_eq!(Thresholds::parse(&serde_json::to_string(&parsed).unwrap()).unwrap(), parsed);
    }

    #[test]
    fn nothing_but_comments_is_the_default_and_no_thresholds_at_all_is_an_error() {
        assert_eq!(Thresholds::parse("# nothing\n\n").unwrap(), Thresholds::default());
        for text in ["[]", "3", "thermal_margin: [", "thermal_margin: 1\nthermal_margin: 2"] {
            assert_eq!(Thresholds::parse(text).unwrap_err().kind(), ErrorKind::InvalidArgument, "{text}");
        }
    }
}
