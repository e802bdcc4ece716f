//! The words by which a failure is recognised in a text.

/// Pieces of text that stand in an error in this order, and pieces that must not stand in it. Case does not count, and
/// any blank is as good as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// All of these, in order.
    pub all: &'static [&'static str],
    /// None of these.
    pub none: &'static [&'static str],
}

impl Symptom {
    /// A text that has all of these pieces, in this order.
    pub const fn of(all: &'static [&'static str]) -> Self {
        Self { all, none: &[] }
    }

    /// The same, in a text that has none of these.
    #[must_use]
    pub const fn without(self, none: &'static [&'static str]) -> Self {
        Self { none, ..self }
    }

    /// The part of the text that the pieces span; none where it is not this symptom.
    pub fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        let folded = Folded::of(text);
        if self.none.iter().any(|piece| folded.find(piece, 0).is_some()) {
            return None;
        }
        let (mut first, mut end) = (None, 0);
        for piece in self.all {
            let (start, stop) = folded.find(piece, end)?;
            first.get_or_insert(start);
            end = stop;
        }
        text.get(folded.places[first?]..folded.places[end])
    }
}

/// A text in lower case with single blanks, and where each of its bytes came from.
struct Folded {
    text: String,
    /// For each byte of `text`, and its end, the place in the original.
    places: Vec<usize>,
}

impl Folded {
    fn of(original: &str) -> Self {
        let mut folded = Self { text: String::with_capacity(original.len()), places: Vec::new() };
        for (place, character) in original.char_indices() {
            if character.is_whitespace() {
                if !folded.text.ends_with(' ') {
                    folded.push(' ', place);
                }
            } else {
                folded.push(character.to_ascii_lowercase(), place);
            }
        }
        folded.places.push(original.len());
        folded
    }

    fn push(&mut self, character: char, place: usize) {
        self.text.push(character);
        self.places.resize(self.text.len(), place);
    }

    /// The first place of the piece from `from` on, as places in the folded text.
    fn find(&self, piece: &str, from: usize) -> Option<(usize, usize)> {
        let start = from + self.text.get(from..)?.find(&piece.to_ascii_lowercase())?;
        Some((start, start + piece.len()))
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
    fn the_part_that_is_shown_is_the_original_text() {
        assert_eq!(Symptom::of(&["é b"]).find("aé \t B c"), Some("é \t B"));
    }
}
