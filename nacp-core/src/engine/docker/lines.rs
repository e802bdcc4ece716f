//! Lines and streams out of pieces that are torn anywhere.

/// The most bytes of one line; the rest of it is left out.
pub(super) const LINE: usize = 64 << 10;

/// A text that arrives in pieces, as lines of bounded length.
#[derive(Debug)]
pub(super) struct Lines {
    kept: Vec<u8>,
    limit: usize,
}

impl Lines {
    pub(super) fn of(limit: usize) -> Self {
        Self { kept: Vec::new(), limit }
    }

    /// Takes one more piece, and gives the lines that are whole now.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let room = self.limit.saturating_sub(self.kept.len());
            self.kept.extend_from_slice(&text[..text.len().min(room)]);
            if whole {
                lines.push(self.flush());
            }
        }
        lines
    }

    /// The line that has no end, when nothing more comes.
    pub(super) fn rest(&mut self) -> Option<String> {
        (!self.kept.is_empty()).then(|| self.flush())
    }

    fn flush(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let line = text.strip_suffix('\r').unwrap_or(&text).to_owned();
        self.kept.clear();
        line
    }
}

/// Takes the standard output and the standard error apart, which come over one connection: before each part stand eight
/// bytes that tell whose it is and how long.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: Vec<u8>,
    error: bool,
    left: usize,
}

impl Frames {
    /// Takes one more piece, and gives its parts, each with whether it is of the standard error.
    pub(super) fn take<'a>(&mut self, mut piece: &'a [u8]) -> Vec<(bool, &'a [u8])> {
        let mut parts = Vec::new();
        while !piece.is_empty() {
            if self.left == 0 {
                let (head, rest) = piece.split_at(piece.len().min(8 - self.head.len()));
                self.head.extend_from_slice(head);
                piece = rest;
                if let [stream, _, _, _, a, b, c, d] = self.head[..] {
                    self.error = stream == 2;
                    self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                    self.head.clear();
                }
                continue;
            }
            let (part, rest) = piece.split_at(piece.len().min(self.left));
            self.left -= part.len();
            piece = rest;
            parts.push((self.error, part));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_has_an_end_however_it_arrives() {
        let mut lines = Lines::of(LINE);
        assert_eq!(lines.take(b"one\r\ntw"), ["one"]);
        assert_eq!(lines.take(b"o\n\nth\xc3"), ["two", ""]);
        assert_eq!(lines.take(b"\xa9"), <[&str; 0]>::default());
        assert_eq!((lines.rest().as_deref(), lines.rest()), (Some("thé"), None));
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory_and_the_next_is_whole() {
        let mut lines = Lines::of(8);
        for _ in 0..1000 {
            assert!(lines.take(b"0123456789").is_empty());
            assert!(lines.kept.len() <= 8);
        }
        assert_eq!(lines.take(b"x\nnext\n"), ["01234567", "next"]);
    }

    fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
        [&[stream, 0, 0, 0], &u32::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat()
    }

    proptest! {
        #[test]
        fn both_streams_come_whole_out_of_pieces_of_any_size(
            texts in proptest::collection::vec((1_u8..=2, proptest::collection::vec(any::<u8>(), 0..40)), 0..8),
            size in 1_usize..20,
        ) {
            let sent: Vec<u8> = texts.iter().flat_map(|(stream, text)| frame(*stream, text)).collect();
            let (mut frames, mut out) = (Frames::default(), [Vec::new(), Vec::new()]);
            for piece in sent.chunks(size) {
                for (error, part) in frames.take(piece) {
                    out[usize::from(error)].extend_from_slice(part);
                }
            }
            let of = |stream| texts.iter().filter(|it| it.0 == stream).flat_map(|it| it.1.clone()).collect::<Vec<u8>>();
            prop_assert_eq!(out, [of(1), of(2)]);
        }
    }
}
