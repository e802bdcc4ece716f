//! What every command has at hand.

use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::gpu::probe::Guard;
use nacp_core::gpu::{Gpu, Node, Origin, Sample, Source};
use nacp_core::host::survey::SurveyBuilder;
use nacp_core::host::{Root, Survey};
use nacp_core::{Program, sim};
use serde::Serialize;

use crate::args::{Forms, Global};
use crate::failure::{Failure, Outcome, file};
use crate::{Exit, Interrupt, Streams};

/// What a command is run with.
pub(crate) struct Context<'a> {
    pub(crate) global: Global,
    pub(crate) streams: &'a mut Streams,
    /// The program of the children that touch a driver.
    pub(crate) children: Program,
    pub(crate) interrupt: Interrupt,
}

impl Context<'_> {
    /// Prints the result: as JSON where that is asked for, else as text.
    pub(crate) fn show(&mut self, json: &impl Serialize, text: impl FnOnce(u16) -> String) -> Outcome<()> {
        let width = self.streams.terminal().width;
        match self.global.json {
            true => self.streams.print(pretty(json)?),
            false => self.streams.print(text(width)),
        }
    }

    /// Prints the result in the form that is asked for, and writes it as a page where that is asked for, too.
    pub(crate) fn show_forms(
        &mut self,
        forms: &Forms,
        json: &str,
        text: impl FnOnce(usize) -> String,
        markdown: impl FnOnce() -> String,
        html: impl FnOnce() -> String,
    ) -> Outcome<()> {
        let width = usize::from(self.streams.terminal().width);
        if let Some(path) = &forms.html {
            write(path, &html())?;
        }
        match (self.global.json, forms.markdown) {
            (true, _) => self.streams.print(json),
            (false, true) => self.streams.print(markdown()),
            (false, false) => self.streams.print(text(width)),
        }
    }

    /// Tells how a long command goes on, beside its output.
    pub(crate) fn tell(&mut self, text: impl Display) {
        self.streams.note(text);
    }

    /// The simulated machine that is asked for.
    pub(crate) fn simulated(&self) -> Outcome<Option<sim::NodeFile>> {
        let Some(name) = &self.global.node else { return Ok(None) };
        let name = name.strip_prefix("simulated:").unwrap_or(name);
        let is_file = name.ends_with(".json") || name.contains(['/', '\\']);
        let read = if is_file { sim::NodeFile::open(name) } else { sim::NodeFile::shipped(name) };
        read.map(Some).map_err(|error| Failure::from(error).ending(Exit::NotUnderstood))
    }

    /// The GPUs: the simulated ones that are asked for, or else those that the driver tells of, after a child has
    /// asked it first.
    pub(crate) fn node(&self) -> Outcome<Node> {
        match self.simulated()? {
            Some(file) => Ok(Node::from_source(Arc::new(sim::Node::from(file)))?),
            None => {
                let guard = Guard::from(self.children.clone());
                let guard = self.global.limit.map_or(guard.clone(), |limit| guard.limit(limit));
                Ok(Node::discover_guarded(&guard)?)
            }
        }
    }

    /// The machine that is looked at: this one, or the one in the folder of `--root`.
    pub(crate) fn root(&self) -> Outcome<Root> {
        match &self.global.root {
            None => Ok(Root::system()),
            Some(folder) => Root::open(folder).map_err(|error| Failure::from(error).ending(Exit::NotUnderstood)),
        }
    }

    /// What is to be read of the machine, with the simulated GPUs that are asked for.
    pub(crate) fn survey(&self) -> Outcome<SurveyBuilder> {
        let mut builder = Survey::builder().root(self.root()?).isolated(self.children.clone());
        if let Some(limit) = self.global.limit {
            builder = builder.limit(limit);
        }
        Ok(match self.simulated()? {
            None => builder,
            Some(file) => {
                builder.source(Arc::new(sim::Node::from(file.clone()))).driver(Arc::new(sim::Cuda::from(file)))
            }
        })
    }

    /// Refuses `--root` where a command is about what runs and not about what stands in files.
    pub(crate) fn not_in_a_folder(&self, command: &str) -> Outcome<()> {
        match &self.global.root {
            None => Ok(()),
            Some(root) => Err(Failure::usage("only files can be read of a machine in a folder")
                .with("command", command)
                .with("root", root.display())
                .hint("leave out --root; --node has simulated GPUs")),
        }
    }

    /// The time that the command may take.
    pub(crate) fn limit_or(&self, otherwise: Duration) -> Duration {
        self.global.limit.unwrap_or(otherwise)
    }
}

/// As JSON that people can read, too.
pub(crate) fn pretty(value: &impl Serialize) -> Outcome<String> {
    serde_json::to_string_pretty(value).map_err(|cause| {
        let error = nacp_core::Error::new(nacp_core::ErrorKind::Internal, "cli.json", "the result is no JSON");
        error.with("reason", &cause).caused_by(cause).into()
    })
}

/// Writes a file that the command line names, whole or not at all. What is there and no file, such as `/dev/stdout`, is
/// written to and stays.
pub(crate) fn write(path: &Path, text: &str) -> Outcome<()> {
    // A link stays a link: what it leads to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_other = fs::metadata(&target).is_ok_and(|there| !there.is_file());
    let written = if is_other { fs::write(&target, text) } else { replace(&target, text) };
    written.map_err(|cause| file("the file cannot be written", path, cause))
}

/// Puts a text in place of whatever is there, in one step.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?.to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let mut made = OpenOptions::new().write(true).create_new(true).open(&beside)?;
    let moved = (|| {
        if let Ok(old) = fs::metadata(path) {
            made.set_permissions(old.permissions())?;
        }
        made.write_all(text.as_bytes())?;
        made.sync_all()?;
        fs::rename(&beside, path)
    })();
    if moved.is_err() {
        // The first error counts.
        let _ = fs::remove_file(&beside);
    }
    moved
}

/// Reads a file that the command line names.
pub(crate) fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|cause| file("the file cannot be read", path, cause))
}

/// A machine without GPUs, for what needs none.
#[derive(Debug)]
pub(crate) struct NoGpus(Origin);

impl NoGpus {
    /// A node without a GPU.
    pub(crate) fn node() -> Outcome<Node> {
        let origin = Origin { simulated: false, name: "no GPU".into(), driver: None, cuda: None };
        Ok(Node::from_source(Arc::new(Self(origin)))?)
    }
}

impl Source for NoGpus {
    fn origin(&self) -> &Origin {
        &self.0
    }

    fn inventory(&self) -> nacp_core::Result<Vec<Gpu>> {
        Ok(Vec::new())
    }

    fn sample(&self, _: nacp_core::gpu::Fields, samples: &mut Vec<Sample>) -> nacp_core::Result<()> {
        samples.clear();
        Ok(())
    }

    fn is_here(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_in_one_step_or_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        fs::write(&path, "old").unwrap();
        // Whoever has it open goes on reading the old text.
        let mut reader = fs::File::open(&path).unwrap();
        write(&path, "new and longer").unwrap();
        let mut read = String::new();
        io::Read::read_to_string(&mut reader, &mut read).unwrap();
        assert_eq!((read.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("old", "new and longer"));
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["page.html"], "nothing is left beside it");
        assert_eq!(write(&folder.path().join("none/page.html"), "x").unwrap_err().exit, Exit::NotUnderstood);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one_and_a_device_too() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("page.html"), folder.path().join("link.html"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, "new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        write(Path::new("/dev/null"), "text").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
