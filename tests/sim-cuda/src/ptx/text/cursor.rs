//! Walks over the words of a text.

use super::Number;
use super::token::{Kind, Token};
use crate::ptx::ParseError;

/// Where the reading of a text has come to.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    words: &'a [Token<'a>],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, words: &'a [Token<'a>]) -> Self {
        Self { text, words, at: 0 }
    }

    /// The next word, which stays the next.
    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.words.get(self.at).copied()
    }

    /// The word after the next.
    pub(super) fn second(&self) -> Option<Token<'a>> {
        self.words.get(self.at + 1).copied()
    }

    /// The line of the next word, or of the last one.
    pub(super) fn line(&self) -> u32 {
        self.peek().or(self.words.last().copied()).map_or(1, |word| word.line)
    }

    /// Takes the next word.
    ///
    /// # Errors
    /// The text ends here.
    pub(super) fn take(&mut self) -> Result<Token<'a>, ParseError> {
        let word = self.peek().ok_or_else(|| self.error("the text ends in the middle"))?;
        self.at += 1;
        Ok(word)
    }

    /// Takes the next word if it is this one.
    pub(super) fn eats(&mut self, text: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.text == text);
        self.at += usize::from(found);
        found
    }

    /// Takes a mark that must stand here.
    pub(super) fn mark(&mut self, text: &str) -> Result<(), ParseError> {
        self.directive(text, &format!("expected {text:?}"))
    }

    /// Takes a word that must stand here.
    pub(super) fn directive(&mut self, text: &str, otherwise: &str) -> Result<(), ParseError> {
        if self.eats(text) { Ok(()) } else { Err(self.found(otherwise)) }
    }

    /// Takes a name that is no directive.
    pub(super) fn name(&mut self, otherwise: &str) -> Result<&'a str, ParseError> {
        match self.peek() {
            Some(Token { kind: Kind::Name, text, .. }) if !text.starts_with('.') => {
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.found(otherwise)),
        }
    }

    /// Takes a number, which may have a sign.
    pub(super) fn number(&mut self) -> Result<Number, ParseError> {
        let negative = self.eats("-");
        match self.peek() {
            Some(Token { kind: Kind::Number, text, .. }) => {
                let sign = if negative { "-" } else { "" };
                let number = Number::parse(text, negative);
                let number = number.ok_or_else(|| self.error(&format!("not a number: {sign}{text}")))?;
                self.at += 1;
                Ok(number)
            }
            _ => Err(self.found("expected a number")),
        }
    }

    /// Takes a whole number that is not negative.
    pub(super) fn count(&mut self) -> Result<u64, ParseError> {
        match self.peek().map(|word| word.text) {
            Some("-") => Err(self.found("expected a number that is not negative")),
            _ => match self.number()? {
                Number::Whole(count) => Ok(count),
                _ => Err(self.wrong("expected a whole number")),
            },
        }
    }

    /// Takes the number after `.version`.
    pub(super) fn version(&mut self) -> Result<(u32, u32), ParseError> {
        let word = self.take()?;
        let parts =
            word.text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        parts.ok_or_else(|| self.wrong(&format!("not a version of PTX: {}", word.text)))
    }

    /// Takes the name after `.target`.
    pub(super) fn target(&mut self) -> Result<u32, ParseError> {
        let word = self.take()?;
        let number = word.text.strip_prefix("sm_").and_then(|number| number.parse().ok());
        number.ok_or_else(|| self.wrong(&format!("not a target that is simulated: {}", word.text)))
    }

    /// The text from here to the word before the next, in one line.
    pub(super) fn since(&self, from: &Self) -> String {
        let start = from.peek().map_or(self.text.len(), |word| word.start);
        let end = self.at.checked_sub(1).and_then(|last| self.words.get(last));
        let end = end.map_or(start, |word| word.start + word.text.len());
        self.text.get(start..end).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What is wrong with the word that was just taken.
    pub(super) fn wrong(&self, reason: &str) -> ParseError {
        let last = self.at.checked_sub(1).and_then(|last| self.words.get(last));
        ParseError { line: last.map_or(1, |word| word.line), reason: reason.into() }
    }

    /// What is wrong at the next word.
    pub(super) fn error(&self, reason: &str) -> ParseError {
        ParseError { line: self.line(), reason: reason.into() }
    }

    /// What is wrong at the next word, with that word.
    pub(super) fn found(&self, reason: &str) -> ParseError {
        let next = self.peek().map_or("the end".into(), |word| format!("{:?}", word.text));
        self.error(&format!("{reason}, found {next}"))
    }
}
