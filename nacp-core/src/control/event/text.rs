//! Events as lines for a terminal.

use std::fmt::{self, Write as _};

use super::{Event, EventKind, Step};

/// The most characters of one text of others that a line repeats.
const SHOWN: usize = 300;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at.strftime("%H:%M:%S"), Line(&self.app))?;
        if let Some(service) = &self.service {
            write!(f, "/{}", Line(service))?;
        }
        if let Some(replica) = self.replica {
            write!(f, "/{replica}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = |f: &mut fmt::Formatter<'_>, again: &Option<std::time::Duration>, never: &str| match again {
            Some(pause) => write!(f, "; again in {pause:.1?}"),
            None => f.write_str(never),
        };
        match self {
            Self::Pulling(progress) => {
                write!(f, "image {}: {}", Line(&progress.image), Line(&progress.phase))?;
                match (progress.done, progress.total) {
                    (_, total) if total == crate::units::Bytes::ZERO => Ok(()),
                    (done, total) => write!(f, ", {done} of {total}"),
                }
            }
            Self::Doing { step, reason } => write!(f, "{}: {}", Word(step), Line(reason)),
            Self::Done { step } => write!(f, "{} done", Word(step)),
            Self::Failed { step, message, kind, again: pause } => {
                write!(f, "{} failed: {} ({})", Word(step), Line(message), Line(kind))?;
                again(f, pause, "; given up")
            }
            Self::Waiting { last } => write!(f, "not ready yet: {}", Line(last)),
            Self::Ready { after } => write!(f, "ready after {after:.1?}"),
            Self::NotReady { last } => write!(f, "no longer ready: {}", Line(last)),
            Self::Ended { code, log, again: pause } => {
                f.write_str("ended")?;
                if let Some(code) = code {
                    write!(f, " with {code}")?;
                }
                if let Some(last) = log.iter().rev().find(|line| !line.trim().is_empty()) {
                    write!(f, ", last line: {}", Line(last))?;
                }
                again(f, pause, "; stays ended")
            }
            Self::RolledBack { reason } => write!(f, "rolled back: {}", Line(reason)),
            Self::Cordoned { gpu, reason: Some(reason) } => {
                write!(f, "GPU {} gets no replica: {}", gpu.short(), Line(reason))
            }
            Self::Cordoned { gpu, reason: None } => write!(f, "GPU {} gets replicas again", gpu.short()),
            Self::Weaker { what } => write!(f, "weaker than asked for: {}", Line(what)),
            Self::EngineLost { message } => write!(f, "the engine does not answer: {}", Line(message)),
            Self::EngineBack { after } => write!(f, "the engine answers again after {after:.1?}"),
            Self::Standby { holder } => write!(f, "only watched here: {} keeps it", Line(holder)),
            Self::Keeping => f.write_str("kept by this program"),
            Self::Converged => f.write_str("as it is wanted"),
            Self::Lost { count } => write!(f, "{count} events were lost, because they were read too slowly"),
        }
    }
}

/// A text of somebody else's on one line: what would move the cursor is escaped, and a long one is cut.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = self.0.chars();
        for letter in letters.by_ref().take(SHOWN) {
            match letter {
                letter if letter.is_control() => write!(f, "{}", letter.escape_default())?,
                letter => f.write_char(letter)?,
            }
        }
        if letters.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// A step as a plan words it, with what it names: `start 0123456789ab`, `pull ollama/ollama:0.16.1`.
struct Word<'a>(&'a Step);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())?;
        match self.0 {
            Step::Create => Ok(()),
            Step::Pull(name) | Step::Network(name) => write!(f, " {}", Line(name)),
            Step::Remove(id)
            | Step::Start(id)
            | Step::Keep(id)
            | Step::Stop(id)
            | Step::Rename(id)
            | Step::Withdraw(id) => write!(f, " {}", Line(&id.to_string())),
        }
    }
}
