//! A look at a driver library before the loader maps it.
//!
//! The loader refuses an empty file, but maps one that was cut off later, and the program dies of `SIGBUS` at the first
//! touch of what is missing. No error handling can catch that, so it is looked for first.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How many bytes hold the header and the table of segments of any driver library.
const HEAD: u64 = 4096;
/// The type of a segment that the loader maps.
const LOAD: u64 = 1;

/// Whether the file ends before the last byte that the loader would map. A file that cannot be read, or is no 64-bit
/// little-endian ELF image, is left to the loader to judge.
pub(super) fn is_cut_short(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut head = Vec::new();
    let read = file.by_ref().take(HEAD).read_to_end(&mut head).and_then(|_| file.metadata());
    read.is_ok_and(|metadata| mapped_end(&head).is_some_and(|end| end > metadata.len()))
}

/// Where the last mapped byte of an ELF image ends; nothing for other files.
fn mapped_end(head: &[u8]) -> Option<u64> {
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, entry, count) = (number(head, 32, 8)?, number(head, 54, 2)?, number(head, 56, 2)?);
    let segment_end = |segment| {
        let at = usize::try_from(table.checked_add(segment * entry)?).ok()?;
        let field = |offset: usize, width| number(head, at.checked_add(offset)?, width);
        if field(0, 4)? == LOAD { Some(field(8, 8)?.saturating_add(field(32, 8)?)) } else { None }
    };
    let table_end = table.checked_add(entry * count)?;
    Some((0..count).filter_map(segment_end).fold(table_end, u64::max))
}

/// The little-endian number of `width` bytes at `at`.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let digits = bytes.get(at..at.checked_add(width)?)?;
    Some(digits.iter().rev().fold(0, |number, digit| number << 8 | u64::from(*digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with a table of one segment that ends at `end`.
    fn image(end: u64) -> Vec<u8> {
        let mut image = vec![0; 120];
        image[..6].copy_from_slice(b"\x7fELF\x02\x01");
        image[32] = 64;
        image[54] = 56;
        image[56] = 1;
        image[64] = 1;
        image[64 + 8..64 + 16].copy_from_slice(&100u64.to_le_bytes());
        image[64 + 32..64 + 40].copy_from_slice(&(end - 100).to_le_bytes());
        image
    }

    #[test]
    fn a_file_is_cut_short_when_a_mapped_segment_ends_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library");
        let write = |content: &[u8]| std::fs::write(&path, content).unwrap();
        for (end, cut) in [(120, false), (121, true), (u64::MAX, true)] {
            write(&image(end));
            assert_eq!(is_cut_short(&path), cut, "{end}");
        }
        write(&image(120)[..100]);
        assert!(is_cut_short(&path), "the table itself is cut");
    }

    #[test]
    fn what_is_no_image_is_left_to_the_loader() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library");
        assert!(!is_cut_short(&path), "absent");
        assert!(!is_cut_short(folder.path()), "a folder");
        for content in [&b""[..], b"text", b"\x7fELF\x02\x01"] {
            std::fs::write(&path, content).unwrap();
            assert!(!is_cut_short(&path));
        }
    }

    #[test]
    fn no_header_whatsoever_panics() {
        let mut head = image(200);
        for at in 6..head.len() {
            for byte in [0, 1, 0x80, 0xFF] {
                let old = std::mem::replace(&mut head[at], byte);
                mapped_end(&head);
                head[at] = old;
            }
        }
        head[32..40].fill(0xFF);
        assert_eq!(mapped_end(&head), None);
    }
}
