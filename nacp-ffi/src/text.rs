//! Text on its way to C.

use std::ffi::{CString, c_char};

/// Copies text into a fixed array, with the closing NUL; what does not fit is cut off between two characters.
#[expect(clippy::cast_possible_wrap, reason = "a byte is a byte, whatever sign C's char has")]
#[allow(clippy::unnecessary_cast, reason = "C's char has no sign on some machines")]
pub(crate) fn copy(text: &str, to: &mut [c_char]) {
    let Some(room) = to.len().checked_sub(1) else { return };
    let text = text.split('\0').next().unwrap_or_default();
    let cut = text.floor_char_boundary(room);
    for (to, from) in to.iter_mut().zip(text.as_bytes()[..cut].iter().chain([&0])) {
        *to = *from as c_char;
    }
}

/// Text that lives as long as the handle that lends it.
#[derive(Debug, Default)]
pub(crate) struct Texts(Vec<CString>);

impl Texts {
    /// Keeps a text and lends it.
    pub(crate) fn lend(&mut self, text: impl Into<String>) -> *const c_char {
        let text = owned(text);
        let lent = text.as_ptr();
        self.0.push(text);
        lent
    }

    /// Keeps a text and lends it; nothing is NULL.
    pub(crate) fn lend_some(&mut self, text: Option<impl Into<String>>) -> *const c_char {
        text.map_or(std::ptr::null(), |text| self.lend(text))
    }
}

/// The text with a closing NUL; a NUL within it, which C could not see past, becomes U+FFFD.
pub(crate) fn owned(text: impl Into<String>) -> CString {
    CString::new(text.into()).unwrap_or_else(|error| {
        let text = String::from_utf8_lossy(&error.into_vec()).replace('\0', "\u{fffd}");
        CString::new(text).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn copied<const N: usize>(text: &str) -> String {
        let mut to = [0x55; N];
        copy(text, &mut to);
        let bytes: Vec<u8> = to.iter().map(|byte| byte.cast_unsigned()).collect();
        CStr::from_bytes_until_nul(&bytes).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn text_is_cut_between_characters_of_one_to_four_bytes() {
        assert_eq!(copied::<5>("abcdef"), "abcd");
        assert_eq!(copied::<6>("äöü"), "äö");
        assert_eq!(copied::<6>("€€"), "€");
        assert_eq!(copied::<8>("😀😀"), "😀");
        assert_eq!(copied::<1>("a"), "");
        assert_eq!(copied::<5>("abcd"), "abcd");
        assert_eq!(copied::<9>("ab\0cd"), "ab");
    }

    #[test]
    fn a_nul_within_text_does_not_end_it() {
        assert_eq!(owned("a\0b").to_str().unwrap(), "a\u{fffd}b");
    }
}
