//! Which functions there are. That they are exported is tested with the built library, in `tests/python`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The names of all functions that this crate exports, from its source text.
fn own() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/calls");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    files.flat_map(|text| names(&text)).collect()
}

/// The words of a text that are names of functions of the library.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let function = |word: &&str| {
        word.strip_prefix("nvml").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
    };
    words.filter(function).filter(|word| !word.ends_with("_t")).map(str::to_owned).collect()
}

/// The bindings of nvml-wrapper-sys, wherever Cargo keeps them.
fn bindings() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let sources = std::fs::read_dir(home.join("registry/src")).ok()?;
    let file = "nvml-wrapper-sys-0.10.0/src/bindings.rs";
    sources.flatten().map(|entry| entry.path().join(file)).find(|path| path.is_file())
}

#[test]
fn every_function_that_nvml_wrapper_knows_is_there() {
    let Some(bindings) = bindings() else {
        println!("SKIP: the bindings of nvml-wrapper-sys are not in this machine's registry of Cargo");
        return;
    };
    let text = std::fs::read_to_string(bindings).unwrap();
    let methods = text.split("pub unsafe fn ").skip(1).filter_map(|rest| rest.split('(').next());
    let known: BTreeSet<String> = methods.filter(|name| name.starts_with("nvml")).map(str::to_owned).collect();
    assert_eq!(known.len(), 396);
    let own = own();
    assert_eq!(known.difference(&own).collect::<Vec<_>>(), Vec::<&String>::new());
}
