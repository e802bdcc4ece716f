//! What a simulated machine answers to each question that NACP asks: the ordinary reading, written down.

use std::cell::RefCell;
use std::fmt;

use super::ask::Answer;
use super::sample::Reader;
use super::{Node, silence};
use crate::error::Result;
use crate::gpu::{Call, Fields, GpuId, Reading, Sample, Support, Unknown};

/// Writes every answer down once.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<Vec<Call>>);

impl Notes {
    /// A function answered; `gpu` is nobody while the machine is asked.
    pub(super) fn heard<T: fmt::Debug>(
        &self,
        function: &str,
        argument: fmt::Arguments<'_>,
        gpu: Option<&GpuId>,
        answer: &Answer<T>,
    ) {
        let argument = argument.to_string();
        let mut calls = self.0.borrow_mut();
        // Each GPU is asked everything before the next.
        let mut own = calls.iter().rev().take_while(|call| call.gpu.as_ref() == gpu);
        if !own.any(|call| call.function == function && call.argument == argument) {
            let answer = match answer {
                Ok(value) => Reading::Known(format!("{value:?}").trim_matches('"').to_owned()),
                Err(reason) => Reading::Unknown(*reason),
            };
            calls.push(Call { function: function.to_owned(), argument, gpu: gpu.cloned(), answer });
        }
    }
}

impl Node {
    /// Asks the machine and every GPU everything once.
    pub(super) fn probe(&self) -> Result<Support> {
        let notes = Notes::default();
        let machine = |function: &str, value: &dyn fmt::Debug| {
            notes.heard(function, format_args!(""), None, &self.file.ask(function, Some(value)));
        };
        machine("nvmlSystemGetDriverVersion", &self.file.driver);
        machine("nvmlSystemGetNVMLVersion", &self.file.nvml);
        machine("nvmlSystemGetCudaDriverVersion_v2", &self.file.cuda);
        machine("nvmlDeviceGetCount_v2", &self.file.gpus.len());
        let present = self.present()?;
        for (index, state) in &present {
            let gpu = &state.file;
            if let Some(reason) = silence(state) {
                let silent: Answer<()> = Err(reason);
                notes.heard("nvmlDeviceGetHandleByIndex_v2", format_args!(""), Some(&gpu.uuid), &silent);
                continue;
            }
            let reader = Reader { node: self, index: *index, gpu, notes: Some(&notes) };
            // One other GPU shows which questions about two are answered.
            let mut others = present.iter().filter(|(other, state)| other != index && silence(state).is_none());
            if let Some((other, state)) = others.next() {
                reader.pair(Reader { index: *other, gpu: &state.file, ..reader });
            }
            reader.describe();
            reader.read(Fields::ALL, &mut Sample::unknown(gpu.uuid.clone(), Unknown::NotRead));
            // Only the notes are interested in this.
            let _ = reader.supported_events();
        }
        Ok(Support { calls: notes.0.into_inner() })
    }
}
