//! The words by which a failure is recognised in a text.

/// As many bytes as may lie between two pieces of one error: the wrapping of a daemon around the words of a hook.
const NEAR: usize = 300;

/// Pieces of text that stand in an error in this order and near each other, and pieces that must not stand near them.
/// Case does not count, and any blank is as good as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// All of these, in order, with 300 bytes at most between one and the next.
    pub all: &'static [&'static str],
    /// None of these, within 300 bytes before or after: a text may be a log that has other errors too.
    pub none: &'static [&'static str],
}

impl Symptom {
    /// A text that has all of these pieces, in this order.
    pub const fn of(all: &'static [&'static str]) -> Self {
        Self { all, none: &[] }
    }

    /// The same, where none of these is near.
    #[must_use]
    pub const fn without(self, none: &'static [&'static str]) -> Self {
        Self { none, ..self }
    }

    /// The first part of the text that the pieces span; none where it is not this symptom.
    pub fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.find_in(&Folded::of(text))
    }

    /// The same in a text that was folded before.
    pub(super) fn find_in<'t>(&self, folded: &Folded<'t>) -> Option<&'t str> {
        let (first, rest) = self.all.split_first()?;
        let mut from = 0;
        while let Some((start, stop)) = folded.find(first, from, usize::MAX) {
            let end = rest.iter().try_fold(stop, |end, piece| folded.find(piece, end, NEAR).map(|(_, stop)| stop));
            if let Some(end) = end.filter(|end| !self.ruled_out(folded, start, *end)) {
                return folded.original.get(*folded.places.get(start)?..*folded.places.get(end)?);
            }
            from = stop.max(start + 1);
        }
        None
    }

    fn ruled_out(&self, folded: &Folded<'_>, start: usize, end: usize) -> bool {
        let from = start.saturating_sub(NEAR);
        self.none.iter().any(|piece| folded.find(piece, from, end + NEAR - from).is_some())
    }
}

/// A text in lower case with single blanks, and where each of its bytes came from.
pub(super) struct Folded<'t> {
    original: &'t str,
    text: Vec<u8>,
    /// For each byte of `text`, and its end, the place in the original.
    places: Vec<usize>,
}

impl<'t> Folded<'t> {
    pub(super) fn of(original: &'t str) -> Self {
        let capacity = original.len();
        let (mut text, mut places) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity + 1));
        for (place, character) in original.char_indices() {
            if character.is_whitespace() {
                if text.last() != Some(&b' ') {
                    text.push(b' ');
                }
            } else {
                let mut bytes = [0; 4];
                text.extend(character.to_ascii_lowercase().encode_utf8(&mut bytes).bytes());
            }
            places.resize(text.len(), place);
        }
        places.push(original.len());
        Self { original, text, places }
    }

    /// The first place of the piece that starts at `from` or at most `within` bytes after it, as places in this text.
    fn find(&self, piece: &str, from: usize, within: usize) -> Option<(usize, usize)> {
        let piece = piece.as_bytes();
        let end = from.saturating_add(within).saturating_add(piece.len()).min(self.text.len());
        let window = self.text.get(from..end)?;
        let first = piece.first()?.to_ascii_lowercase();
        let begins = window.iter().enumerate().filter(|(_, byte)| **byte == first).map(|(at, _)| at);
        let fits =
            |at: &usize| window.get(*at..at + piece.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(piece));
        begins.into_iter().find(fits).map(|at| (from + at, from + at + piece.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_count_in_their_order_whatever_their_case_and_blanks() {
        let symptom = Symptom::of(&["could not select device driver", "[[gpu]]"]);
        let text =
            "docker: Error response from daemon: Could not  select\ndevice driver \"\" with capabilities: [[gpu]].";
        assert_eq!(symptom.find(text), Some("Could not  select\ndevice driver \"\" with capabilities: [[gpu]]"));
        assert_eq!(symptom.find("[[gpu]] could not select device driver"), None);
        assert_eq!(symptom.find(""), None);
    }

    #[test]
    fn a_piece_that_must_not_be_there_rules_it_out() {
        let symptom = Symptom::of(&["unknown error"]).without(&["running container"]);
        assert!(symptom.find("Unknown Error").is_some());
        assert_eq!(symptom.find("unknown error in a Running Container"), None);
    }

    #[test]
    fn pieces_that_lie_far_apart_are_of_two_errors() {
        let symptom = Symptom::of(&["NVRM: Xid", ": 79"]);
        let far = format!("NVRM: Xid (PCI:0000:3b:00): 31\n{}\nat 10:11: 79 requests", "x".repeat(400));
        assert_eq!(symptom.find(&far), None);
        let later = format!("{far}\nNVRM: Xid (PCI:0000:3b:00): 79, gone");
        assert_eq!(symptom.find(&later), Some("NVRM: Xid (PCI:0000:3b:00): 79"));
    }

    #[test]
    fn another_error_far_away_rules_nothing_out() {
        let symptom = Symptom::of(&["unknown error"]).without(&["nvidia-container-cli"]);
        let near = "nvidia-container-cli: initialization error: unknown error";
        assert_eq!(symptom.find(near), None);
        let log = format!("{near}\n{}\nFailed to initialize NVML: Unknown Error\n", "-".repeat(400));
        assert_eq!(symptom.find(&log), Some("Unknown Error"));
    }

    #[test]
    fn the_part_that_is_shown_is_the_original_text() {
        assert_eq!(Symptom::of(&["é b"]).find("aé \t B c"), Some("é \t B"));
        assert_eq!(Symptom::of(&[]).find("anything"), None);
    }
}
