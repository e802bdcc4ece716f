//! Reading `nacp.yaml`. JSON is read by the same parser, since every JSON text is also YAML.

use super::App;
use crate::error::{Error, ErrorKind, Result, nearest};

pub(super) fn app(text: &str) -> Result<App> {
    let app: App = serde_saphyr::from_str(text).map_err(|error| explain(&error))?;
    app.validate()?;
    Ok(app)
}

fn explain(error: &serde_saphyr::Error) -> Error {
    let invalid = |message: &str| {
        let described = Error::new(ErrorKind::InvalidArgument, "service.parse", message);
        match error.location() {
            Some(at) => described.with("line", at.line()).with("column", at.column()),
            None => described,
        }
    };
    match error.without_snippet() {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            let described = invalid("unknown field").with("field", field);
            match nearest(field, expected.iter().copied()) {
                Some(near) => described.hint(format!("did you mean {near}?")),
                None => described.hint(format!("the fields here are {}", expected.join(", "))),
            }
        }
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
            invalid("unknown value").with("value", variant).hint(format!("choose one of {}", expected.join(", ")))
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => invalid("a field is missing").with("field", field),
        other => invalid("not a valid app").with("reason", plain(other)),
    }
}

/// The parser's message on one line, without its own note of the place.
fn plain(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    first.split(" at line ").next().unwrap_or(first).to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::service::{ComputeNeed, GpuNeed, Probe, Service};
    use crate::units::Bytes;

    const ASSISTANT: &str = "\
name: assistant
services:
  llm:
    image: ollama/ollama:0.16.1
    model: phi3:mini
    gpu: { memory: 3.5GiB, sharing: shared, compute: \">=7.5\" }
    port: 11434
    ready: { http: /api/tags, within: 60m }
    volumes: { models: /var/lib/ollama }
    priority: 10
  embed:
    image: example/embedder:2
    gpu: { memory: 900MiB }
    replicas: 2
    depends_on: [llm]
";

    #[test]
    fn a_file_and_the_builders_say_the_same() {
        let need: ComputeNeed = ">=7.5".parse().unwrap();
        let built = App::new("assistant")
            .service(
                "llm",
                Service::new("ollama/ollama:0.16.1")
                    .model("phi3:mini")
                    .gpu(GpuNeed::memory(Bytes::mib(3584)).compute(need))
                    .port(11434)
                    .ready(Probe::http("/api/tags").within(Duration::from_secs(3600)))
                    .volume("models", "/var/lib/ollama")
                    .priority(10),
            )
            .service(
                "embed",
                Service::new("example/embedder:2").gpu(GpuNeed::memory(Bytes::mib(900))).replicas(2).depends_on("llm"),
            );
        let parsed = App::parse(ASSISTANT).unwrap();
        assert_eq!(parsed, built);
        let json = serde_json::to_string(&parsed).unwrap();
        assert_eq!(App::parse(&json).unwrap(), built);
    }

    #[test]
    fn mistakes_name_line_column_and_what_was_meant() {
        for (from, to, message) in [
            ("image: ollama", "imgae: ollama", "unknown field: line=4 column=5 field=imgae; did you mean image?"),
            (
                "{ memory: 900MiB }",
                "{ memory: 900MiB, colour: red }",
                "unknown field: line=13 column=28 field=colour; the fields here are memory, count, sharing, compute",
            ),
            (
                "sharing: shared",
                "sharing: some",
                "unknown value: line=6 column=37 value=some; choose one of shared, exclusive",
            ),
            (
                "900MiB",
                "900Mib/s",
                "not a valid app: line=13 column=20 reason=unknown unit of memory: value=\"900Mib/s\"; write a number and a unit, for example 900MiB or 3.3GiB",
            ),
            (
                "within: 60m",
                "within: soon",
                "not a valid app: line=8 column=39 reason=not a duration: value=\"soon\"; write for example 90s or 10m",
            ),
            ("    image: example/embedder:2\n", "", "a field is missing: line=14 column=5 field=image"),
        ] {
            let error = App::parse(&ASSISTANT.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
    }

    #[test]
    fn text_that_is_no_app_at_all_is_refused() {
        for text in ["", "[]", "name: [", "name: a\nservices: 3", "\0", "name: a\nname: b\nservices: {}"] {
            assert_eq!(App::parse(text).unwrap_err().kind(), ErrorKind::InvalidArgument, "{text:?}");
        }
    }
}
