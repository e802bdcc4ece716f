//! What a user of the service file meets: every mistake is named with its place and its remedy, what is right is read, in
//! the files of the examples, too.

use std::fmt::Write as _;
use std::path::Path;

use nacp_core::ErrorKind;
use nacp_core::service::App;

/// One file that is refused: its name, its text, and what is said of it.
struct Bad {
    name: String,
    text: String,
    message: String,
}

fn bad(content: &str) -> (String, Vec<Bad>) {
    let mut parts = content.split("\n=== ");
    let head = parts.next().unwrap_or_default().to_owned() + "\n";
    let cases = parts.map(|part| {
        let (name, rest) = part.split_once('\n').expect("a name stands on a line of its own");
        let (text, message) = rest.split_once("--> ").expect("each case has a message");
        Bad { name: name.to_owned(), text: text.to_owned(), message: message.trim_end().to_owned() }
    });
    (head, cases.collect())
}

#[test]
fn every_mistake_is_named_with_its_place_and_its_remedy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/service/bad.txt");
    let (head, cases) = bad(&std::fs::read_to_string(&path).unwrap());
    let mut wrong = String::new();
    let mut written = head;
    for Bad { name, text, message } in &cases {
        let Err(said) = App::parse(text) else {
            let _ = writeln!(wrong, "{name}: it is accepted");
            continue;
        };
        let whole = said.to_string();
        for key in ["line", "column"] {
            if said.get(key).is_none() || said.kind() != ErrorKind::InvalidArgument {
                let _ = writeln!(wrong, "{name}: no {key}, or not an invalid argument: {whole}");
            }
        }
        if whole != *message {
            let _ = writeln!(wrong, "{name}:\n  kept: {message}\n  said: {whole}");
        }
        let _ = write!(written, "=== {name}\n{text}--> {whole}\n\n");
    }
    println!("{} files are refused, each with its place", cases.len());
    if std::env::var_os("UPDATE_BAD").is_some() {
        std::fs::write(&path, written.trim_end().to_owned() + "\n").unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases.len() >= 90, "{} cases", cases.len());
}
