//! Made-up text that depends on the prompt alone.

const WORDS: [&str; 32] = [
    "the",
    "model",
    "says",
    "that",
    "a",
    "simulated",
    "token",
    "costs",
    "no",
    "memory",
    "and",
    "every",
    "answer",
    "is",
    "made",
    "of",
    "words",
    "from",
    "one",
    "short",
    "list",
    "so",
    "it",
    "reads",
    "like",
    "text",
    "but",
    "means",
    "nothing",
    "at",
    "all",
    "here",
];
/// The length of an embedding.
const DIMENSIONS: usize = 32;

/// The words that answer a prompt: the same ones for the same model and prompt.
///
/// There are 16 to 47 of them, or `limit` if that is fewer.
pub(super) fn answer(model: &str, prompt: &str, limit: Option<usize>) -> Answer {
    let seed = hash(prompt, hash(model, 0));
    let natural = 16 + index(seed, 32);
    let count = limit.map_or(natural, |limit| limit.min(natural));
    let words = (0..count as u64).map(|position| WORDS[index(mix(seed.wrapping_add(position)), WORDS.len())]);
    Answer { words: words.collect(), cut: count < natural }
}

pub(super) struct Answer {
    pub(super) words: Vec<&'static str>,
    /// Whether the limit ended it.
    pub(super) cut: bool,
}

/// The number of tokens of a prompt: its words.
pub(super) fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The word at a position as it stands in the text: with a space before it, unless it is the first.
pub(super) fn piece(position: usize, word: &str) -> String {
    if position == 0 { word.to_owned() } else { format!(" {word}") }
}

/// A made-up embedding of length one: the same one for the same model and text.
pub(super) fn embedding(model: &str, text: &str) -> Vec<f64> {
    let seed = hash(text, hash(model, 1));
    let values: Vec<f64> = (0..DIMENSIONS as u64)
        .map(|position| {
            let bits = u32::try_from(mix(seed ^ mix(position)) >> 32).unwrap_or(0);
            f64::from(bits) / f64::from(u32::MAX) * 2.0 - 1.0
        })
        .collect();
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.iter().map(|value| value / length).collect()
}

/// FNV-1a from a start value.
pub(super) fn hash(text: &str, start: u64) -> u64 {
    let step = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(text.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325 ^ start, step))
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

fn index(bits: u64, below: usize) -> usize {
    usize::try_from(bits % below as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_prompt_gets_the_same_answer_and_another_gets_another() {
        let words = |model, prompt| answer(model, prompt, None).words;
        assert_eq!(words("m", "hello"), words("m", "hello"));
        assert_ne!(words("m", "hello"), words("m", "hallo"));
        assert_ne!(words("m", "hello"), words("n", "hello"));
    }

    #[test]
    fn a_limit_cuts_and_says_so() {
        let whole = answer("m", "hello", Some(1000));
        assert!((16..48).contains(&whole.words.len()) && !whole.cut);
        let cut = answer("m", "hello", Some(3));
        assert_eq!(cut.words, whole.words[..3]);
        assert!(cut.cut);
    }

    #[test]
    fn embeddings_have_length_one() {
        let one = embedding("m", "hello");
        assert_eq!(one.len(), DIMENSIONS);
        assert!((one.iter().map(|value| value * value).sum::<f64>() - 1.0).abs() < 1e-9);
        assert_ne!(one, embedding("m", "hallo"));
    }
}
