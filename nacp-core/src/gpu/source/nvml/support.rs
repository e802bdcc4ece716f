//! What the driver answers to each question that NACP asks: the ordinary reading, with somebody who listens.

use std::cell::RefCell;
use std::fmt;

use super::library::{Answer, Ear};
use crate::gpu::{Call, GpuId, Reading, Support, Unknown};

/// Hears every answer and writes it down once.
#[derive(Debug, Default)]
pub(super) struct Notes {
    calls: RefCell<Vec<Call>>,
    /// Who is asked; nobody while the machine is.
    gpu: RefCell<Option<GpuId>>,
}

impl Notes {
    /// From now on this GPU is asked.
    pub(super) fn about(&self, gpu: &GpuId) {
        self.gpu.replace(Some(gpu.clone()));
    }

    /// Writes down that a GPU is not there to be asked.
    pub(super) fn silent(&self, gpu: &GpuId, reason: Unknown) {
        self.about(gpu);
        self.write("nvmlDeviceGetHandleByIndex_v2", String::new(), Reading::Unknown(reason));
    }

    pub(super) fn into_support(self) -> Support {
        Support { calls: self.calls.into_inner() }
    }

    fn write(&self, function: &str, argument: String, answer: Reading<String>) {
        let gpu = self.gpu.borrow().clone();
        let mut calls = self.calls.borrow_mut();
        let known = |call: &Call| call.gpu == gpu && call.function == function && call.argument == argument;
        if !calls.iter().any(known) {
            calls.push(Call { function: function.to_owned(), argument, gpu, answer });
        }
    }
}

impl Ear for &Notes {
    fn heard<T: fmt::Debug>(&self, function: &'static str, argument: impl FnOnce() -> String, answer: &Answer<T>) {
        let answer = match answer {
            Ok(value) => Reading::Known(readable(&format!("{value:?}"))),
            Err(code) => Reading::Unknown((*code).into()),
        };
        self.write(function, argument(), answer);
    }
}

/// A value as text: without the names of C's types and the versions of its structures, and texts of C as texts.
fn readable(value: &str) -> String {
    let value = match value.split_once(" { ") {
        Some((name, rest)) if name.starts_with("nvml") => format!("{{ {rest}"),
        _ => value.trim_matches('"').to_owned(),
    };
    let mut text = String::new();
    let mut rest = value.as_str();
    while let Some((before, list)) = rest.split_once('[') {
        let Some((list, after)) = list.split_once(']') else { break };
        text.push_str(before);
        match letters(list) {
            Some(letters) => text.push_str(&format!("{letters:?}")),
            None => text.push_str(&format!("[{list}]")),
        }
        rest = after;
    }
    text.push_str(rest);
    match text.split_once("{ version: ").and_then(|(_, rest)| rest.split_once(", ")) {
        Some((_, rest)) => format!("{{ {rest}"),
        None => text,
    }
}

/// The text that a list of bytes is, if it begins with a letter and ends with zeros.
fn letters(list: &str) -> Option<String> {
    let bytes: Vec<u8> = list.split(", ").map(|byte| byte.parse().ok()).collect::<Option<_>>()?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (text, zeros) = bytes.split_at(end);
    let is_text = !text.is_empty() && text.iter().all(u8::is_ascii_graphic) && zeros.iter().all(|byte| *byte == 0);
    is_text.then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_one_reads_them() {
        for (value, text) in [
            ("12500", "12500"),
            ("\"580.95.05\"", "580.95.05"),
            ("(8, 6)", "(8, 6)"),
            ("nvmlUtilization_st { gpu: 7, memory: 2 }", "{ gpu: 7, memory: 2 }"),
            ("nvmlMemory_v2_st { version: 33554472, total: 9 }", "{ total: 9 }"),
            ("nvmlPciInfo_st { bus: 1, busId: [48, 58, 49, 0, 0] }", "{ bus: 1, busId: \"0:1\" }"),
            ("[3, 255]", "[3, 255]"),
            ("nvmlX { id: [0, 0] }", "{ id: [0, 0] }"),
            ("[", "["),
        ] {
            assert_eq!(readable(value), text, "{value}");
        }
    }

    #[test]
    fn a_question_is_written_down_once_for_each_gpu() {
        let notes = Notes::default();
        let ids = ["GPU-00000000-0000-4000-8000-000000000001", "GPU-00000000-0000-4000-8000-000000000002"]
            .map(|id| id.parse::<GpuId>().unwrap());
        for id in &ids {
            notes.about(id);
            for argument in ["sm", "sm", "memory"] {
                (&notes).heard("nvmlDeviceGetClockInfo", || argument.to_owned(), &Ok(1980u32));
            }
        }
        let support = notes.into_support();
        assert_eq!((support.calls.len(), support.answered()), (4, 4));
        assert_eq!(support.of(&ids[1], "nvmlDeviceGetClockInfo").unwrap().answer, Reading::Known("1980".into()));
    }
}
