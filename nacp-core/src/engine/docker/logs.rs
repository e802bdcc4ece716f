//! The end of what a container wrote, in bounded memory.

/// The most bytes of a log that are kept.
const LIMIT: usize = 1 << 20;

/// The end of a text that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    /// With one more piece.
    pub(super) fn with(mut self, piece: &[u8]) -> Self {
        self.bytes.extend_from_slice(piece);
        // Cut at twice the limit, so that a long log in small pieces is not moved for each of them.
        if self.bytes.len() > 2 * LIMIT {
            self.shorten();
        }
        self
    }

    fn shorten(&mut self) {
        let excess = self.bytes.len().saturating_sub(LIMIT);
        self.cut |= excess > 0;
        self.bytes.drain(..excess);
    }

    /// All that is kept.
    pub(super) fn text(mut self) -> String {
        self.shorten();
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The last `count` lines, without the line that was cut in two.
    pub(super) fn lines(mut self, count: usize) -> Vec<String> {
        self.shorten();
        let text = String::from_utf8_lossy(&self.bytes);
        let whole = match text.split_once('\n') {
            Some((_, whole)) if self.cut => whole,
            _ => &text,
        };
        let all: Vec<_> = whole.lines().map(str::to_owned).collect();
        all[all.len().saturating_sub(count)..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_letters_may_be_torn_between_pieces() {
        let tail =
            [&b"one\ntw"[..], b"o\nth\xc3", b"\xa9\n"].iter().fold(Tail::default(), |tail, piece| tail.with(piece));
        assert_eq!(tail.lines(2), ["two", "thé"]);
    }

    #[test]
    fn a_long_log_keeps_its_end() {
        let line = format!("{}\n", "x".repeat(99));
        let tail = (0..50_000).fold(Tail::default(), |tail, number| {
            assert!(tail.bytes.len() <= 2 * LIMIT + line.len());
            tail.with(if number == 49_999 { b"last\n" } else { line.as_bytes() })
        });
        let lines = tail.lines(usize::MAX);
        assert_eq!(lines.last().unwrap(), "last");
        assert!(lines.len() > 10_000 && lines.iter().map(|line| line.len() + 1).sum::<usize>() <= LIMIT);
        assert!(lines[..lines.len() - 1].iter().all(|line| line.len() == 99), "no line is torn");
    }

    #[test]
    fn one_line_that_is_too_long_keeps_its_end() {
        let lines = Tail::default().with(&vec![b'x'; 3 * LIMIT]).lines(1);
        assert_eq!(lines[0].len(), LIMIT);
    }
}
