//! What is to be checked, from the command line.

use std::path::PathBuf;
use std::time::Duration;

use nacp_core::cuda::{CheckId, Level, Version};
use nacp_core::gpu::GpuId;
use nacp_core::{Error, ErrorKind};

pub(crate) const HELP: &str = "\
check: CUDA on this machine, does it work, how fast, and does it repeat bit for bit

  check [quick | standard | full]   how much; quick if not given

  --only CHECK,CHECK    these checks, such as drv.init, and what they build on
  --device UUID         this device; again for another one
  --cuda VERSION        the CUDA version that your programs were built with, such as 12.8
  --library FILE        this driver library in place of the one that the loader finds
  --limit SECONDS       how long all may take together
  --thread              in this process; without it in children, so that a driver that hangs is stopped
  --json FILE           where the report goes as JSON
  --html FILE           where it goes as a page
  --help                this text

It ends with 0 when CUDA works, 1 when it does not, 2 when it was asked wrongly, 3 when nothing could be said.
";

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) level: Level,
    pub(crate) only: Vec<CheckId>,
    pub(crate) devices: Vec<GpuId>,
    pub(crate) cuda: Option<Version>,
    pub(crate) library: Option<PathBuf>,
    pub(crate) limit: Option<Duration>,
    pub(crate) thread: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) html: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; nothing when help is asked for.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, Error> {
        let mut options = Self {
            level: Level::Quick,
            only: Vec::new(),
            devices: Vec::new(),
            cuda: None,
            library: None,
            limit: None,
            thread: false,
            json: None,
            html: None,
        };
        while let Some(argument) = arguments.next() {
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
                _ => (argument, None),
            };
            match name.as_str() {
                "--help" | "-h" => return Ok(None),
                "--thread" => options.thread = true,
                level if !level.starts_with('-') => options.level = level.parse()?,
                "--only" | "--device" | "--cuda" | "--library" | "--limit" | "--json" | "--html" => {
                    let value = given.or_else(|| arguments.next());
                    let value = value.ok_or_else(|| wrong("an option without its value").with("option", &name))?;
                    options.set(&name, &value)?;
                }
                other => return Err(wrong("no such option").with("option", other).hint("see --help")),
            }
        }
        Ok(Some(options))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "--only" => {
                for check in value.split(',') {
                    self.only.push(check.parse()?);
                }
            }
            "--device" => self.devices.push(value.parse()?),
            "--cuda" => self.cuda = Some(value.parse()?),
            "--library" => self.library = Some(value.into()),
            "--limit" => {
                let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                self.limit = Some(seconds.ok_or_else(|| wrong("not a number of seconds").with("limit", value))?);
            }
            "--html" => self.html = Some(value.into()),
            _ => self.json = Some(value.into()),
        }
        Ok(())
    }
}

fn wrong(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "check.options", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Options>, String> {
        Options::parse(arguments.iter().map(|it| (*it).to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn level_checks_and_places_are_read() {
        let options =
            parse(&["standard", "--only=drv.init,ctx.create", "--json", "a.json", "--limit", "2.5", "--thread"]);
        let options = options.unwrap().unwrap();
        assert_eq!((options.level, options.thread), (Level::Standard, true));
        assert_eq!(options.only, [CheckId::DrvInit, CheckId::CtxCreate]);
        assert_eq!((options.json, options.limit), (Some("a.json".into()), Some(Duration::from_millis(2500))));
        assert_eq!(parse(&["--help"]).unwrap(), None);
        assert_eq!(parse(&[]).unwrap().unwrap().level, Level::Quick);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, expected) in [
            (&["--jsn", "x"][..], "no such option: option=--jsn; see --help"),
            (&["--json"], "an option without its value: option=--json"),
            (&["--limit", "-1"], "not a number of seconds: limit=-1"),
            (&["--only", "drv.inti"], "no such check: check=\"drv.inti\"; did you mean drv.init?"),
            (
                &["stndard"],
                "not a level of checks: level=\"stndard\" known=quick,standard,full; did you mean standard?",
            ),
        ] {
            assert_eq!(parse(arguments).unwrap_err(), expected);
        }
    }
}
