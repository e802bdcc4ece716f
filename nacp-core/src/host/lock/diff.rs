//! Two locks line by line.

use std::collections::BTreeMap;

use super::Lock;
use super::facts;

impl Lock {
    /// The lines of text that differ, each with the full name of its fact: `- ` what this lock has, `+ ` what the other
    /// has. Empty where both pin the same. When they were made does not count.
    ///
    /// ```
    /// use nacp_core::host::lock::{Lock, Pin};
    /// use nacp_core::host::{self, Survey};
    ///
    /// let before = Lock::of(&Survey::of_host(host::detect()), jiff::Timestamp::UNIX_EPOCH);
    /// let mut after = before.clone();
    /// after.toolkit = Pin::Known("1.18.0".into());
    /// assert_eq!(before.diff(&after), "- toolkit: unknown (nobody looked)\n+ toolkit: 1.18.0\n");
    /// ```
    pub fn diff(&self, other: &Self) -> String {
        let (ours, theirs) = (lines(self), lines(other));
        let mut out = String::new();
        // In the order of this lock; what only the other has comes where its name stands there.
        let only_theirs = order(other).into_iter().filter(|item| !ours.contains_key(item));
        for item in order(self).into_iter().chain(only_theirs) {
            let (old, new) = (ours.get(&item), theirs.get(&item));
            if old == new {
                continue;
            }
            for (sign, values) in [('-', old), ('+', new)] {
                for value in values.into_iter().flatten() {
                    out.push_str(&format!("{sign} {item}: {value}\n"));
                }
            }
        }
        out
    }
}

/// The values of each fact; certificates of one model can be several.
fn lines(lock: &Lock) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for fact in facts::all(lock) {
        lines.entry(fact.item).or_default().push(fact.pin.to_string().replace(char::is_control, " "));
    }
    lines
}

fn order(lock: &Lock) -> Vec<String> {
    let mut items: Vec<String> = facts::all(lock).into_iter().map(|fact| fact.item).collect();
    items.dedup();
    items
}
