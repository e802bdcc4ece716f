//! Reading `nacp.yaml`. JSON is read by the same parser, since nearly every JSON text is also YAML.

use super::yaml::{self, Kind};
use super::{App, place};
use crate::error::{Error, Result};

/// Whether a character may stand as it is in JSON and not in YAML.
const JSON_ONLY: fn(char) -> bool = |letter| matches!(letter, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
const APP: Kind = Kind { operation: "service.parse", name: "app" };

pub(super) fn app(text: &str) -> Result<App> {
    let explain = |error| -> Error { yaml::explain(APP, text, &error) };
    let app: App = match serde_saphyr::from_str(text) {
        Ok(app) => app,
        Err(error) if text.contains(JSON_ONLY) => serde_json::from_str(text).map_err(|_| explain(error))?,
        Err(error) => return Err(explain(error)),
    };
    app.validate().map_err(|error| placed(text, error))?;
    Ok(app)
}

/// Adds to what the validation says where in the text it is.
fn placed(text: &str, error: Error) -> Error {
    // Each such character becomes one that YAML takes as it is, so that columns stay what they are.
    let readable = text.replace(JSON_ONLY, "x");
    let place = error.get("field").and_then(|field| place::of(&readable, field, error.get("value")));
    match place {
        Some((line, column)) => error.with_first("column", column).with_first("line", line),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;
    use crate::service::{Determinism, GpuNeed, Probe, Service, VersionRange};
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
    determinism: strict
";

    #[test]
    fn a_file_and_the_builders_say_the_same() {
        let need: VersionRange = ">=7.5".parse().unwrap();
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
                Service::new("example/embedder:2")
                    .gpu(GpuNeed::memory(Bytes::mib(900)))
                    .replicas(2)
                    .depends_on("llm")
                    .determinism(Determinism::Strict),
            );
        let parsed = App::parse(ASSISTANT).unwrap();
        assert_eq!(parsed, built);
        let json = serde_json::to_string(&parsed).unwrap();
        assert_eq!(App::parse(&json).unwrap(), built);
    }

    #[test]
    fn mistakes_name_line_column_and_what_was_meant() {
        for (from, to, message) in [
            (
                "image: ollama",
                "imgae: ollama",
                "unknown field: line=4 column=5 field=services.llm.imgae; did you mean image?",
            ),
            (
                "{ memory: 900MiB }",
                "{ memory: 900MiB, colour: red }",
                "unknown field: line=13 column=28 field=services.embed.gpu.colour; the fields here are memory, count, sharing, compute, cuda, mig, topology",
            ),
            (
                "sharing: shared",
                "sharing: some",
                "unknown value: line=6 column=37 field=services.llm.gpu.sharing value=some; choose one of shared, exclusive",
            ),
            (
                "determinism: strict",
                "determinism: stirct",
                "unknown value: line=16 column=18 field=services.embed.determinism value=stirct; did you mean strict?",
            ),
            (
                "determinism: strict",
                "determinsm: strict",
                "unknown field: line=16 column=5 field=services.embed.determinsm; did you mean determinism?",
            ),
            (
                "900MiB",
                "900Mib/s",
                "not a valid app: line=13 column=20 field=services.embed.gpu.memory reason=unknown unit of memory: value=\"900Mib/s\"; write a number and a unit, for example 900MiB or 3.3GiB",
            ),
            (
                "within: 60m",
                "within: soon",
                "not a valid app: line=8 column=39 field=services.llm.ready.within reason=not a duration: value=\"soon\"; write for example 90s or 10m",
            ),
            (
                "    image: example/embedder:2\n",
                "",
                "a field is missing: line=15 column=5 field=services.embed.image; add `image`",
            ),
            (
                "port: 11434",
                "port: 70000",
                "not a valid app: line=7 column=11 field=services.llm.port reason=a whole number from 0 to 65535 is needed",
            ),
            (
                "model: phi3:mini",
                "command: [serve, ~]",
                "not a valid app: line=5 column=22 field=services.llm.command reason=text is needed, and nothing is there",
            ),
            (
                "volumes: { models: /var/lib/ollama }",
                "command: serve",
                "not a valid app: line=9 column=14 field=services.llm.command reason=a list is needed, for example [one, two]",
            ),
            (
                "replicas: 2",
                "image: again",
                "a field is there twice: line=14 column=5 field=services.embed.image; remove one of them",
            ),
            (
                "{ memory: 900MiB }",
                "{ memory: [] }",
                "not a valid app: line=13 column=20 field=services.embed.gpu.memory reason=a size such as 3.3GiB, or auto is needed, not a list",
            ),
            (
                "\">=7.5\"",
                "8.0",
                "not a valid app: line=6 column=54 field=services.llm.gpu.compute reason=not a range of versions: value=8.0; write \">=8.0\" for 8.0 or newer",
            ),
            (
                "  embed:\n",
                "---\n  embed:\n",
                "a second document begins here: line=12 column=3; write one app in a file",
            ),
        ] {
            let error = App::parse(&ASSISTANT.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
    }

    #[test]
    fn json_keeps_characters_that_yaml_wants_escaped() {
        for letter in ['\u{7f}', '\u{80}', '\u{9f}', '\u{fffe}', '\u{ffff}', '\u{85}', 'é', '🦀'] {
            let app = App::new("a").service("s", Service::new("image").env("A", format!("x{letter}y")));
            let json = serde_json::to_string(&app).unwrap();
            assert_eq!(App::parse(&json).unwrap(), app, "{letter:?}");
        }
        let twice = r#"{"name":"a","services":{"s":{"image":"i"},"s":{"image":"j"}}}"#;
        assert_eq!(App::parse(twice).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn text_that_is_no_app_at_all_is_refused() {
        for text in ["", "[]", "name: [", "name: a\nservices: 3", "\0", "name: a\nname: b\nservices: {}"] {
            assert_eq!(App::parse(text).unwrap_err().kind(), ErrorKind::InvalidArgument, "{text:?}");
        }
    }

    #[test]
    fn no_message_speaks_of_the_parser() {
        let values = ["~", "", "[]", "{}", "{ a: 1 }", "-1", "1.5", "many", "true", "!tag x", "*no", "&a [*a]"];
        for field in [
            "image",
            "command",
            "model",
            "env",
            "gpu",
            "port",
            "ready",
            "volumes",
            "replicas",
            "depends_on",
            "determinism",
        ] {
            for value in values {
                let text = format!("name: a\nservices:\n  s:\n    image: i\n    {field}: {value}\n");
                let Err(error) = App::parse(&text) else { continue };
                let message = error.to_string();
                for jargon in
                    ["Option<", "Options", "u16", "u32", "i32", "scalar", "mapping", "sequence", "unit", "Policy"]
                {
                    assert!(!message.contains(jargon), "{field}: {value}: {message}");
                }
            }
        }
    }

    #[test]
    fn nesting_and_repetition_beyond_reason_are_refused() {
        let deep = |open: &str, close: &str| {
            let (open, close) = (open.repeat(5000), close.repeat(5000));
            format!("name: a\nservices:\n  s:\n    image: i\n    env: {{ A: {open}{close} }}\n")
        };
        let mut bomb =
            String::from("name: a\nservices:\n  s:\n    image: i\n    command:\n      - &x0 [lol, lol, lol]\n");
        for level in 1..40 {
            let below = level - 1;
            bomb += &format!("      - &x{level} [*x{below}, *x{below}, *x{below}, *x{below}]\n");
        }
        for text in [deep("[", "]"), deep("{ a: ", "}"), bomb] {
            assert_eq!(App::parse(&text).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    }
}
