//! What the command line asks for.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use nacp_core::cuda::{CheckId, Level, Version};
use nacp_core::gpu::GpuId;
use nacp_core::{Error, ErrorKind};

pub(crate) const USAGE: &str = "\
usage: check [quick | standard | full] [OPTION…]

  --json [FILE]     print the report as JSON, or write it to a file beside the table
  --html FILE       write the report as a page, too
  --isolated        let a child touch the driver, which is killed when it hangs: so it is unless it is said
  --thread          touch the driver in this process
  --simulated NODE  check the simulated driver of this node, such as h100x8, in this process
  --library FILE    check this libcuda.so.1
  --device UUID     check this device only; may be given again
  --only CHECK      run this check and what it builds on; may be given again
  --limit SECONDS   the most time that all may take
  --cuda VERSION    the CUDA version that your programs were built with
  --even-if-busy    do the checks of `full` although others use the device
  --list            list the checks

Ends with 0 where CUDA works, 1 where it does not, 2 where the command was not understood, 3 where it is not known.";

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Wish {
    Run(Box<Arguments>),
    Help,
    List,
}

/// Where the report goes as JSON.
#[derive(Debug, PartialEq)]
pub(crate) enum Json {
    No,
    Printed,
    File(PathBuf),
}

/// What is to be checked, and how it is shown.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) level: Level,
    pub(crate) json: Json,
    pub(crate) html: Option<PathBuf>,
    pub(crate) thread: bool,
    pub(crate) simulated: Option<String>,
    pub(crate) library: Option<PathBuf>,
    pub(crate) devices: Vec<GpuId>,
    pub(crate) only: Vec<CheckId>,
    pub(crate) limit: Option<Duration>,
    pub(crate) cuda: Option<Version>,
    pub(crate) even_if_busy: bool,
}

impl Arguments {
    pub(crate) fn read(words: impl IntoIterator<Item = String>) -> Result<Wish, Error> {
        let mut arguments = Self {
            level: Level::Quick,
            json: Json::No,
            html: None,
            thread: false,
            simulated: None,
            library: None,
            devices: Vec::new(),
            only: Vec::new(),
            limit: None,
            cuda: None,
            even_if_busy: false,
        };
        let mut words = words.into_iter().peekable();
        let mut isolated = false;
        while let Some(word) = words.next() {
            match word.as_str() {
                "-h" | "--help" => return Ok(Wish::Help),
                "--list" => return Ok(Wish::List),
                "--json" => {
                    let is_file = |word: &String| !word.starts_with('-') && word.parse::<Level>().is_err();
                    arguments.json = words.next_if(is_file).map_or(Json::Printed, |file| Json::File(file.into()));
                }
                "--isolated" => isolated = true,
                "--thread" => arguments.thread = true,
                "--even-if-busy" => arguments.even_if_busy = true,
                "--html" => arguments.html = Some(value(&word, words.next())?.into()),
                "--simulated" => arguments.simulated = Some(value(&word, words.next())?),
                "--library" => arguments.library = Some(value(&word, words.next())?.into()),
                "--device" => arguments.devices.push(parsed(&word, words.next())?),
                "--only" => arguments.only.push(parsed(&word, words.next())?),
                "--cuda" => arguments.cuda = Some(parsed(&word, words.next())?),
                "--limit" => arguments.limit = Some(seconds(&word, words.next())?),
                option if option.starts_with('-') => {
                    return Err(wrong("no such option").with("option", option).hint("see --help"));
                }
                level => arguments.level = level.parse()?,
            }
        }
        if arguments.simulated.is_some() && (arguments.library.is_some() || isolated) {
            return Err(wrong("--simulated runs in this process").hint("leave out --library and --isolated"));
        }
        if arguments.thread && isolated {
            return Err(wrong("--thread and --isolated exclude each other").hint("leave out one"));
        }
        arguments.thread |= arguments.simulated.is_some();
        Ok(Wish::Run(Box::new(arguments)))
    }
}

fn value(option: &str, value: Option<String>) -> Result<String, Error> {
    value.ok_or_else(|| wrong("a value is missing").with("option", option).hint("see --help"))
}

fn parsed<T: FromStr<Err = Error>>(option: &str, text: Option<String>) -> Result<T, Error> {
    value(option, text)?.parse()
}

fn seconds(option: &str, text: Option<String>) -> Result<Duration, Error> {
    let text = value(option, text)?;
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| wrong("not a number of seconds").with("option", option).with("value", text))
}

fn wrong(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "check.arguments", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Wish, Error> {
        Arguments::read(line.split_whitespace().map(str::to_owned))
    }

    fn run(line: &str) -> Arguments {
        match read(line) {
            Ok(Wish::Run(arguments)) => *arguments,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn without_words_it_is_the_quick_level() {
        assert_eq!(run("").level, Level::Quick);
        let all = run("full --json --html a.html --isolated --only det.bits --only drv.init --limit 2.5 --cuda 13.0");
        assert_eq!((all.level, all.json, all.thread), (Level::Full, Json::Printed, false));
        assert_eq!(run("--json a.json quick").json, Json::File("a.json".into()));
        assert_eq!((run("--json standard").json, run("--json standard").level), (Json::Printed, Level::Standard));
        assert!(run("--thread").thread && run("--simulated h100x8").thread);
        assert_eq!((all.html, all.limit), (Some("a.html".into()), Some(Duration::from_millis(2500))));
        assert_eq!(all.only, [CheckId::DetBits, CheckId::DrvInit]);
        assert_eq!(all.cuda, Some(Version { major: 13, minor: 0 }));
        assert_eq!((read("--help").unwrap(), read("quick --list").unwrap()), (Wish::Help, Wish::List));
    }

    #[test]
    fn what_is_not_understood_says_what_and_how_it_is_right() {
        for (line, expected) in [
            ("quik", "not a level of checks: level=\"quik\" known=quick,standard,full; did you mean quick?"),
            ("--only det.bit", "no such check: check=\"det.bit\"; did you mean det.bits?"),
            ("--fast", "no such option: option=--fast; see --help"),
            ("--html", "a value is missing: option=--html; see --help"),
            ("--limit soon", "not a number of seconds: option=--limit value=soon"),
            ("--limit -1", "not a number of seconds: option=--limit value=-1"),
            ("--cuda thirteen", "not a version of CUDA: value=\"thirteen\"; write major and minor, for example 13.0"),
            ("--simulated h100x8 --isolated", "--simulated runs in this process; leave out --library and --isolated"),
            ("--thread --isolated", "--thread and --isolated exclude each other; leave out one"),
        ] {
            assert_eq!(read(line).unwrap_err().to_string(), expected, "{line}");
        }
        assert!(read("--device 0").unwrap_err().to_string().contains("not a GPU's UUID"));
    }
}
