//! Holds the core to its design: which module may use which, where `unsafe` may stand, how long a file may be.
//!
//! The arrows are those of docs/adr/0001-layout.md. The test reads the source text, so that it sees every feature at
//! once and names the file and the line.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the core and the modules that it may use.
const ARROWS: [(&str, &[&str]); 19] = [
    ("error", &[]),
    ("units", &["error"]),
    ("clock", &["error"]),
    ("listen", &["error"]),
    ("cdi", &[]),
    ("contexts", &[]),
    ("random", &[]),
    ("child", &["error", "clock"]),
    ("gpu", &["error", "units", "clock", "child"]),
    ("cuda", &["error", "units", "clock", "child", "gpu"]),
    ("host", &["error", "units", "clock", "cdi", "contexts", "child", "gpu", "cuda", "service"]),
    ("service", &["error", "units", "gpu"]),
    ("placement", &["error", "units", "clock", "gpu", "service"]),
    ("engine", &["error", "units", "clock", "cdi", "contexts", "gpu", "service"]),
    ("control", &["error", "units", "clock", "random", "gpu", "service", "placement", "engine"]),
    ("route", &["error", "units", "clock", "random", "gpu", "engine"]),
    ("gateway", &["error", "units", "clock", "listen", "gpu", "engine", "route"]),
    ("sim", &["error", "units", "clock", "listen", "gpu", "cuda", "service", "engine"]),
    (
        "observe",
        &[
            "error",
            "units",
            "clock",
            "gpu",
            "cuda",
            "host",
            "service",
            "placement",
            "engine",
            "control",
            "route",
            "gateway",
        ],
    ),
];

/// The files of the core that may hold `unsafe`: they call the CUDA driver library, and one the management library.
const UNSAFE: [&str; 8] = [
    "cuda/library/ask.rs",
    "cuda/library/capture.rs",
    "cuda/library/current.rs",
    "cuda/library/functions.rs",
    "cuda/library/open.rs",
    "cuda/library/pinned.rs",
    "cuda/library/run.rs",
    "gpu/source/nvml/library/call.rs",
];

/// The most lines that a file may have.
const LINES: usize = 600;

/// A source file: its path below `src`, and its text.
type Source = (String, String);

#[test]
fn modules_use_each_other_only_along_the_arrows() {
    let core = sources(&root().join("nacp-core/src"), &["rs"]);
    let violations = against_the_arrows(&core);
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn every_module_of_the_core_has_its_arrows() {
    let modules: BTreeSet<String> = sources(&root().join("nacp-core/src"), &["rs"])
        .iter()
        .filter(|(path, _)| path != "lib.rs")
        .map(|(path, _)| module_path(path)[0].clone())
        .collect();
    let strangers: Vec<_> = modules.iter().filter(|module| allowed(module).is_none()).collect();
    assert!(strangers.is_empty(), "give these modules their arrows in ARROWS: {strangers:?}");
    assert!(modules.contains("error") && modules.contains("gpu"), "the core was not found: {modules:?}");
}

#[test]
fn the_arrows_make_no_circle() {
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    while settled.len() < ARROWS.len() {
        let free = |(_, uses): &&(&str, &[&str])| uses.iter().all(|it| settled.contains(it));
        let next: BTreeSet<&str> = ARROWS.iter().filter(free).map(|(module, _)| *module).collect();
        assert!(next.len() > settled.len(), "a circle among the modules beside {settled:?}");
        settled = next;
    }
}

#[test]
fn the_decision_record_shows_the_same_arrows() {
    let record = fs::read_to_string(root().join("docs/adr/0001-layout.md")).unwrap();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<(Vec<String>, Vec<String>)> = record
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.trim_matches('|').split_once('|'))
        .map(|(module, uses)| (quoted(module), quoted(uses)))
        .collect();
    let arrows =
        ARROWS.map(|(module, uses)| (vec![module.to_owned()], uses.iter().map(|it| (*it).to_owned()).collect()));
    assert_eq!(rows, arrows);
}

#[test]
fn unsafe_stands_in_few_files_of_the_core() {
    let found: Vec<_> = sources(&root().join("nacp-core/src"), &["rs"])
        .iter()
        .filter(|(path, _)| !UNSAFE.contains(&path.as_str()))
        .flat_map(|(path, source)| unsafe_lines(source).into_iter().map(move |line| format!("{path}:{line}")))
        .collect();
    assert!(found.is_empty(), "only {UNSAFE:?} may hold `unsafe`: {found:?}");
}

#[test]
fn the_files_with_unsafe_are_those_that_contributors_are_told() {
    let text = std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let (_, rule) = text.split_once("- `unsafe` stands only in").unwrap();
    let (rule, _) = rule.split_once("the doors").unwrap();
    let told: BTreeSet<&str> = rule.split('`').skip(1).step_by(2).filter(|word| !word.ends_with('/')).collect();
    let named = |path: &&'static str| match path.strip_prefix("cuda/library/") {
        Some(name) => name.trim_end_matches(".rs").to_owned(),
        None => format!("nacp-core/src/{path}"),
    };
    let wanted: BTreeSet<String> = UNSAFE.iter().map(named).collect();
    assert_eq!(told.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), wanted);
    let (all, library) = (sources(&root().join("nacp-core/src"), &["rs"]), "cuda/library/");
    let holds = |path: &str| all.iter().any(|(name, source)| name == path && !unsafe_lines(source).is_empty());
    assert!(UNSAFE.iter().all(|path| holds(path)), "a file is listed that holds none");
    assert_eq!(UNSAFE.iter().filter(|path| path.starts_with(library)).count(), 7, "the sentence says seven");
}

#[test]
fn no_file_is_longer_than_one_idea() {
    let mut long = Vec::new();
    for directory in ["nacp-cli", "nacp-core/src", "nacp-ffi", "nacp-py", "examples", "tests"] {
        for (path, source) in sources(&root().join(directory), &["rs", "py", "hpp", "cpp", "c"]) {
            let lines = source.lines().count();
            if lines > LINES {
                long.push(format!("{directory}/{path}: {lines} lines, at most {LINES}"));
            }
        }
    }
    assert!(long.is_empty(), "\n{}\n", long.join("\n"));
}

/// The checker itself, on small sources: it finds what is wrong, names the line, and lets pass what is right.
mod checker {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let library = "pub mod error;\npub use error::{Error, ErrorKind};\npub use units::Bytes;\n";
        against_the_arrows(&[("lib.rs".into(), library.into()), (path.into(), text.into())])
    }

    #[test]
    fn finds_a_path_against_the_arrows() {
        assert_eq!(
            check("gpu/node.rs", "use crate::error::Error;\n\nfn f() { crate::engine::run() }\n"),
            ["nacp-core/src/gpu/node.rs:3: gpu uses engine; gpu may use: error, units, clock, child"]
        );
    }

    #[test]
    fn finds_each_member_of_a_group() {
        let text = "use crate::{\n    error::{Error, route},\n    units::Bytes,\n    control::Plane,\n    sim,\n};\n";
        let found = check("gpu/mod.rs", text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("nacp-core/src/gpu/mod.rs:4: gpu uses control;"), "{found:?}");
        assert!(found[1].starts_with("nacp-core/src/gpu/mod.rs:5: gpu uses sim;"), "{found:?}");
    }

    #[test]
    fn follows_what_the_library_exports_again() {
        assert_eq!(check("service/mod.rs", "use crate::{Bytes, Error};"), [""; 0]);
        assert_eq!(
            check("error.rs", "use crate::Bytes;"),
            ["nacp-core/src/error.rs:1: error uses units; error may use: nothing"]
        );
    }

    #[test]
    fn finds_a_way_around_through_super() {
        assert_eq!(check("gpu/source/nvml.rs", "use super::super::Gpu;"), [""; 0]);
        let found = check("gpu/source/nvml.rs", "use super::super::super::{engine, host};");
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(check("error.rs", "use super::{gpu::Gpu};").len(), 1);
    }

    #[test]
    fn refuses_a_name_that_it_cannot_place() {
        assert_eq!(
            check("gpu/mod.rs", "use crate::wizardry::spell;"),
            [
                "nacp-core/src/gpu/mod.rs:1: gpu uses `crate::wizardry`, which is neither a module in ARROWS nor exported by lib.rs"
            ]
        );
    }

    #[test]
    fn passes_comments_strings_tests_and_the_module_itself() {
        let text = r##"
            //! See [`crate::engine`].
            /* crate::engine /* crate::route */ */
            use crate::gpu::Gpu;
            const A: &str = "crate::engine";
            const B: &str = r#"crate::"engine"#;
            const C: char = '"';
            fn f<'a>(crate_name: &'a str) -> &'a str { crate_name }
            pub(crate) fn g() {}
            #[cfg(test)]
            mod tests { use crate::sim::Node; fn f() { if true { crate::engine::run() } } }
            #[cfg(all(test, feature = "sim"))]
            mod more_tests { use crate::sim::Node; }
        "##;
        assert_eq!(check("gpu/mod.rs", text), [""; 0]);
        assert_eq!(check("gpu/mod.rs", &format!("{text}\nuse crate::engine;")).len(), 1);
        assert_eq!(check("gpu/tests.rs", "use crate::sim::Node;"), [""; 0]);
        assert_eq!(check("gpu/mod.rs", "#[cfg(not(test))]\nuse crate::engine;").len(), 1);
    }

    #[test]
    fn finds_unsafe_but_not_its_name() {
        assert_eq!(unsafe_lines("#![deny(unsafe_code)]\n// unsafe\nfn f() {\n    unsafe { g() }\n}\n"), [4]);
    }
}

/// Every use of one module by another that the arrows do not allow, as `file:line: what`.
fn against_the_arrows(sources: &[Source]) -> Vec<String> {
    let exported = sources.iter().find(|(path, _)| path == "lib.rs").map_or_else(BTreeMap::new, |(_, it)| exports(it));
    let mut violations = Vec::new();
    for (path, source) in sources.iter().filter(|(path, _)| path != "lib.rs" && !is_test(path)) {
        let own = module_path(path);
        let code = text::without_tests(&text::code_only(source));
        for used in text::used_at_root(&code, own.len()) {
            let module = exported.get(&used.name).unwrap_or(&used.name);
            let Some(uses) = allowed(&own[0]) else { continue };
            let place = format!("nacp-core/src/{path}:{}", used.line);
            if allowed(module).is_none() {
                if used.certain {
                    violations.push(format!(
                        "{place}: {} uses `crate::{module}`, which is neither a module in ARROWS nor exported by lib.rs",
                        own[0]
                    ));
                }
            } else if *module != own[0] && !uses.contains(&module.as_str()) {
                let uses = if uses.is_empty() { "nothing".to_owned() } else { uses.join(", ") };
                violations.push(format!("{place}: {} uses {module}; {} may use: {uses}", own[0], own[0]));
            }
        }
    }
    violations
}

/// The names that lib.rs exports again, each with the module that it comes from.
fn exports(library: &str) -> BTreeMap<String, String> {
    let code = text::code_only(library);
    let mut found = BTreeMap::new();
    for statement in code.split(';').filter_map(|it| it.split_once("pub use ")).map(|(_, it)| it) {
        if let Some((module, names)) = statement.split_once("::") {
            for name in
                names.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|it| !it.is_empty())
            {
                found.insert(name.to_owned(), module.trim().to_owned());
            }
        }
    }
    found
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(name, _)| *name == module).map(|(_, uses)| *uses)
}

fn unsafe_lines(source: &str) -> Vec<usize> {
    let code = text::code_only(source);
    text::words(&code).filter(|(_, word)| *word == "unsafe").map(|(at, _)| text::line(&code, at)).collect()
}

/// A file that holds nothing but tests.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests.rs" || part == "tests")
}

/// `gpu/source/mod.rs` is the module `gpu`, `source`.
fn module_path(path: &str) -> Vec<String> {
    let path = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path);
    path.split('/').map(str::to_owned).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `directory` with one of these extensions, in order; build outputs and virtual environments are left
/// out.
fn sources(directory: &Path, extensions: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|it| extensions.contains(&it.to_string_lossy().as_ref())) {
                let below = path.strip_prefix(directory).unwrap().to_string_lossy().replace('\\', "/");
                found.push((below, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
