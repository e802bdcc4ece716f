//! A verification as text, Markdown and JSON.

use std::fmt;

use super::{Drift, Effect, Side, Unanswered, Verification};
use crate::cuda::check::page::cell;
use crate::host::prose::wrap;

impl Verification {
    /// It as JSON, with `holds` for each effect that can be allowed.
    pub fn to_json(&self) -> String {
        let holds = Effect::ALL.map(|allowed| (allowed.name().to_owned(), self.holds(allowed).into()));
        let mut value = serde_json::json!(self);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("worst".into(), self.worst().name().into());
            fields.insert("holds".into(), serde_json::Value::Object(holds.into_iter().collect()));
        }
        value.to_string()
    }

    /// It as Markdown: the verdict, a table of what changed, and what cannot be compared.
    pub fn markdown(&self) -> String {
        let mut out = format!("**{}**\n", cell(&self.verdict()));
        if !self.drifts.is_empty() {
            out.push_str("\n| may change | fact | locked | found | why | what to do |\n|---|---|---|---|---|---|\n");
        }
        for Drift { item, locked, found, effect, why, remedy } in &self.drifts {
            let cells = [effect.name(), item, locked, found, why, remedy].map(cell);
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        if !self.unknown.is_empty() {
            out.push_str("\n| not compared | why |\n|---|---|\n");
        }
        for unknown in &self.unknown {
            out.push_str(&format!("| {} | {} |\n", cell(&unknown.item), cell(&reason(unknown))));
        }
        out
    }

    /// What it comes to, in one line.
    fn verdict(&self) -> String {
        let counted = |count: usize, what: &str| match count {
            0 => String::new(),
            1 => format!(", 1 {what}"),
            count => format!(", {count} {what}"),
        };
        let changes = match self.drifts.len() {
            0 => "nothing changed".to_owned(),
            1 => "1 change".to_owned(),
            count => format!("{count} changes"),
        };
        let verdict = match (self.worst(), self.drifts.is_empty()) {
            (Effect::Nothing, true) => "as locked",
            (Effect::Nothing, false) => "neither results nor performance change",
            (Effect::Performance, _) => "results stay, performance may change",
            (Effect::Results, _) => "results may change",
        };
        let unchanged = counted(self.unchanged.len(), "unchanged");
        format!("{verdict}: {changes}{unchanged}{}", counted(self.unknown.len(), "not compared"))
    }
}

fn reason(unknown: &Unanswered) -> String {
    let Unanswered { why, side, .. } = unknown;
    match side {
        Side::Lock => format!("not pinned: {why}"),
        Side::Now => format!("not known now: {why}"),
        Side::Both => format!("neither pinned nor known now: {why}"),
    }
}

/// The widest line, unless it is told.
const WIDTH: usize = 100;
/// Narrower than this nothing can be read.
const NARROWEST: usize = 40;
/// Where the text of a change begins: after what it can do.
const TEXT: usize = 15;

/// The verdict, then for each change what, why and what to do, and then what cannot be compared. `{verification:80}` writes
/// it in lines of 80 columns; without a width it is 100.
impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.width().unwrap_or(WIDTH).max(NARROWEST);
        let mut out = String::new();
        wrap(&mut out, &self.verdict(), width, 0, 2);
        let mut marked = |mark: &str, text: &str| {
            out.push_str(&format!("  {mark:<11}  "));
            wrap(&mut out, text, width, TEXT, TEXT + 2);
        };
        for Drift { item, locked, found, effect, why, remedy } in &self.drifts {
            marked(effect.name(), &format!("{item}: {locked} -> {found}"));
            marked("", why);
            if !remedy.is_empty() {
                marked("", &format!("-> {remedy}"));
            }
        }
        for unknown in &self.unknown {
            marked("?", &format!("{}: {}", unknown.item, reason(unknown)));
        }
        f.write_str(out.trim_end())
    }
}
