//! Reading a whole compose file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::tree::{self, Node, Place, Value};
use super::variables::{Refusal, Variables};
use super::wrong::{Note, NoteKind, OPERATION, Wrong};
use super::{Imported, names, service};
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::service::App;

/// Fields of a whole file that are read or mean nothing for what runs.
const FIELDS: [&str; 8] = ["configs", "include", "models", "name", "networks", "secrets", "services", "volumes"];

/// Gives the text for a name.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What a compose file is read with.
#[derive(Clone, Copy)]
pub struct Import<'a> {
    text: &'a str,
    name: Option<&'a str>,
    folder: Option<&'a str>,
    environment: Option<Lookup<'a>>,
    files: Option<Lookup<'a>>,
    as_docker: bool,
}

impl fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, folder, as_docker, .. } = self;
        f.debug_struct("Import")
            .field("name", name)
            .field("folder", folder)
            .field("as_docker", as_docker)
            .finish_non_exhaustive()
    }
}

impl<'a> Import<'a> {
    /// Reads this text, without an environment and without files.
    pub fn new(text: &'a str) -> Self {
        Self { text, name: None, folder: None, environment: None, files: None, as_docker: false }
    }

    /// Names the app; otherwise it has the name in the file, or that of the folder.
    #[must_use]
    pub fn name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// Tells the folder, from the root, from which the paths in the file count.
    #[must_use]
    pub fn folder(mut self, folder: &'a str) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Tells the variables of the environment.
    #[must_use]
    pub fn environment(mut self, environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Tells what stands in the files that `env_file` names, by the path as it stands there.
    #[must_use]
    pub fn files(mut self, files: &'a dyn Fn(&str) -> Option<String>) -> Self {
        self.files = Some(files);
        self
    }

    /// Gives the containers what Docker gives where the file says nothing: a root that can be written, Docker's usual
    /// capabilities, new privileges. Otherwise they are locked up as NACP does it.
    #[must_use]
    pub fn as_docker(mut self, as_docker: bool) -> Self {
        self.as_docker = as_docker;
        self
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) with line, column and field for what is no compose file or
    /// cannot be imported at all, such as a service without an image or a variable that is needed and not set.
    pub fn run(self) -> Result<Imported> {
        let mut import = self.read()?;
        import.state.notes.sort_by_key(|note| (note.line, note.column));
        let (app, places) = (import.app, import.state.places);
        match app.validate() {
            Ok(()) => Ok(Imported { app, notes: import.state.notes }),
            Err(error) => Err(placed(error, &places)),
        }
    }

    /// The same without the check of the whole.
    pub(super) fn read(self) -> Result<Unchecked<'a>> {
        let mut file = tree::read(self.text)?;
        if !matches!(file.value, Value::Map(_)) {
            return Err(file.wrong("not a compose file").hint("it has at least `services`, each with an `image`"));
        }
        let mut state = State::new(self);
        state.fill(&mut file)?;
        state.top(&file)?;
        let services = file.get("services").map_or(Ok(&[][..]), Node::entries)?;
        if services.is_empty() {
            return Err(file.wrong("a compose file needs at least one service").hint("add `services`"));
        }
        let mut app = App::new(state.app_name(&file)?);
        for (name, node) in services {
            let plain = state.service_name(name, node)?;
            if let Some(other) = state.names.iter().find(|(_, taken)| **taken == plain) {
                let error = node.wrong("two services have the same name in nacp").with("other", other.0);
                return Err(error.hint("rename one: names are lower-case letters, digits and hyphens"));
            }
            state.names.insert(name.clone(), plain);
        }
        for (name, node) in services {
            let plain = state.names[name].clone();
            state.places.insert(format!("services.{plain}"), node.place);
            let service = service::read(&mut state, &plain, node)?;
            app.services.insert(plain, service);
        }
        Ok(Unchecked { app, state })
    }
}

/// An app that is not validated yet.
pub(super) struct Unchecked<'a> {
    pub(super) app: App,
    pub(super) state: State<'a>,
}

/// What the parts of an import share.
pub(super) struct State<'a> {
    options: Import<'a>,
    pub(super) notes: Vec<Note>,
    /// The services' names in the file, and in NACP.
    pub(super) names: BTreeMap<String, String>,
    /// The file's own declarations by name.
    pub(super) volumes: BTreeMap<String, Node>,
    pub(super) networks: BTreeMap<String, Node>,
    pub(super) secrets: BTreeMap<String, Node>,
    /// Where in the file a field of the app comes from.
    pub(super) places: BTreeMap<String, Place>,
    told: BTreeSet<String>,
}

impl<'a> State<'a> {
    fn new(options: Import<'a>) -> Self {
        Self {
            options,
            notes: Vec::new(),
            names: BTreeMap::new(),
            volumes: BTreeMap::new(),
            networks: BTreeMap::new(),
            secrets: BTreeMap::new(),
            places: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    pub(super) fn as_docker(&self) -> bool {
        self.options.as_docker
    }

    pub(super) fn folder(&self) -> Option<&'a str> {
        self.options.folder
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.options.environment.and_then(|environment| environment(name))
    }

    pub(super) fn file(&self, path: &str) -> Option<String> {
        self.options.files.and_then(|files| files(path))
    }

    pub(super) fn note(&mut self, kind: NoteKind, node: &Node, message: impl Into<String>) {
        self.notes.push(Note::of(kind, node, message));
    }

    /// Tells something once for the whole file.
    pub(super) fn note_once(&mut self, what: &str, kind: NoteKind, node: &Node, message: impl Into<String>) {
        if self.told.insert(what.to_owned()) {
            self.note(kind, node, message);
        }
    }

    /// Tells which fields of a mapping are left out, and refuses those that Compose does not have.
    pub(super) fn rest(&mut self, node: &Node, read: &[&str], without: &[(&str, &str)]) -> Result<()> {
        for (key, value) in node.entries()? {
            if key.starts_with("x-") || read.contains(&key.as_str()) {
                continue;
            }
            let Some((_, meaning)) = without.iter().find(|(name, _)| name == key) else {
                let known = read.iter().copied().chain(without.iter().map(|(name, _)| *name));
                return Err(value.unknown(known));
            };
            if value.present().is_some() && value.value != Value::Bool(false) {
                self.note(NoteKind::Dropped, value, *meaning);
            }
        }
        Ok(())
    }

    /// Fills in the variables of all texts.
    fn fill(&mut self, file: &mut Node) -> Result<()> {
        let options = self.options;
        let environment = |name: &str| options.environment.and_then(|environment| environment(name));
        let mut variables = Variables::new(&environment);
        let mut used: BTreeMap<String, (bool, Node)> = BTreeMap::new();
        file.each_text(&mut |text, node| {
            if !text.contains('$') {
                return Ok(None);
            }
            let filled = variables.fill(text).map_err(|refusal| match refusal {
                Refusal::Malformed(part) => {
                    let error = node.wrong("not a variable").with("value", format_args!("{part:?}"));
                    error.hint("write ${NAME}, or $$ for a dollar sign")
                }
                Refusal::Needed(name, words) => {
                    let error = node.wrong("a variable is needed and not set").with("variable", &name);
                    let error = if words.is_empty() { error } else { error.with("reason", words) };
                    error.hint(format!("set {name} in the environment or in the file .env"))
                }
            })?;
            for (name, set) in std::mem::take(&mut variables.asked) {
                let at = Node { value: Value::Null, ..node.clone() };
                used.entry(name).or_insert((set, at));
            }
            Ok(Some(filled))
        })?;
        for (name, (set, node)) in used {
            match set {
                true => self.note(
                    NoteKind::Changed,
                    &node,
                    format!("the value that {name} has now stands in the app; if it is a secret, use `secrets`"),
                ),
                false => self.note(NoteKind::Assumed, &node, format!("{name} is not set: it is taken as empty")),
            }
        }
        Ok(())
    }

    /// Reads the declarations beside the services.
    fn top(&mut self, file: &Node) -> Result<()> {
        for (key, node) in file.entries()? {
            if key.starts_with("x-") || key == "version" {
                continue;
            }
            match key.as_str() {
                "include" if node.present().is_some() => {
                    let error = node.wrong("other files are not read");
                    return Err(error.hint("write one file first: docker compose config > whole.yaml"));
                }
                "volumes" | "networks" | "secrets" => {
                    for (name, declared) in node.entries()? {
                        let into = match key.as_str() {
                            "volumes" => &mut self.volumes,
                            "networks" => &mut self.networks,
                            _ => &mut self.secrets,
                        };
                        into.insert(name.clone(), declared.clone());
                    }
                }
                known if FIELDS.contains(&known) => {}
                _ => return Err(node.unknown(FIELDS)),
            }
        }
        self.networks_without_counterpart()
    }

    fn networks_without_counterpart(&mut self) -> Result<()> {
        for (name, node) in self.networks.clone() {
            let outside = node.get("external").map(Node::flag).transpose()?.unwrap_or_default();
            if outside || node.get("name").is_some() {
                let message = "nacp makes a network of the app's own; containers outside the app do not reach it";
                self.note(NoteKind::Changed, &node, message);
            }
            for (key, value) in node.entries()? {
                let meaning = match key.as_str() {
                    "external" | "name" | "labels" | "enable_ipv4" => continue,
                    other if other.starts_with("x-") => continue,
                    "driver" if value.text()? == "bridge" => continue,
                    "driver" => "the network is one of the engine's bridges",
                    "internal" => "the network leads to other machines, too",
                    "attachable" | "driver_opts" | "enable_ipv6" | "ipam" => {
                        "the engine chooses how the network is made"
                    }
                    _ => {
                        let known = ["driver", "driver_opts", "external", "internal", "ipam", "labels", "name"];
                        return Err(value.unknown(known).with("network", name));
                    }
                };
                if value.present().is_some() && value.value != Value::Bool(false) {
                    self.note(NoteKind::Dropped, value, meaning);
                }
            }
        }
        Ok(())
    }

    fn app_name(&mut self, file: &Node) -> Result<String> {
        if let Some(name) = self.options.name {
            return Ok(name.to_owned());
        }
        if let Some(node) = file.get("name") {
            let name = node.text()?;
            let plain = names::plain(&name).ok_or_else(|| node.wrong("not a name for an app").with("value", &name))?;
            if plain != name {
                self.note(NoteKind::Changed, node, format!("the app is named {plain}"));
            }
            return Ok(plain);
        }
        let folder = self.options.folder.and_then(|folder| folder.rsplit(['/', '\\']).find(|part| !part.is_empty()));
        folder.and_then(names::plain).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidArgument, OPERATION, "the app needs a name").with("field", "name");
            error.hint("give one, or write `name` at the top of the file")
        })
    }

    fn service_name(&mut self, name: &str, node: &Node) -> Result<String> {
        let plain = names::plain(name).ok_or_else(|| node.wrong("not a name for a service").with("value", name))?;
        if plain != name {
            let message =
                format!("the service is named {plain}; change addresses such as http://{name}:80 that others use");
            self.note(NoteKind::Changed, node, message);
        }
        Ok(plain)
    }

    /// The name in NACP of a service of the file.
    pub(super) fn named(&self, node: &Node, name: &str) -> Result<String> {
        self.names.get(name).cloned().ok_or_else(|| {
            let error = node.wrong("no such service in this file").with("value", name);
            match nearest(name, self.names.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            }
        })
    }
}

/// The error of the validation, with the line that the field comes from.
fn placed(error: Error, places: &BTreeMap<String, Place>) -> Error {
    let mut field = error.get("field").unwrap_or_default();
    let place = loop {
        if let Some(place) = places.get(field) {
            break Some(*place);
        }
        match field.rsplit_once('.') {
            Some((outer, _)) => field = outer,
            None => break None,
        }
    };
    match place {
        Some(place) => error.with_first("column", place.column).with_first("line", place.line),
        None => error,
    }
}
