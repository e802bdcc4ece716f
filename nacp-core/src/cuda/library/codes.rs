//! What the driver's answer to a call says about what the call did.

/// Whether a call that gives something back did nothing at all, so that the object is still there: the driver is not
/// started (3, 4), there is no context to work in (201, 709), or work is being recorded (900 to 908). Of any other
/// refusal the driver does not say what is left; then an object is not used again.
pub(super) fn untouched(code: i32) -> bool {
    matches!(code, 3 | 4 | 201 | 709 | 900..=908)
}

/// Whether a call that waits has waited. After a failure that stays (of the device's memory and links, or of a kernel)
/// the device does nothing more for the context either. With any other refusal the work may still go on.
pub(super) fn waited(code: i32) -> bool {
    matches!(code, 0 | 214 | 220 | 226 | 700 | 702 | 710 | 714..=719)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_to_wait_is_not_the_end_of_the_work() {
        for code in [3, 4, 201, 709, 900, 901, 906, 908] {
            assert!(untouched(code) && !waited(code), "{code}");
        }
        for code in [0, 700, 714, 719] {
            assert!(!untouched(code) && waited(code), "{code}");
        }
        for code in [1, 2, 400, 600, 899, 909, 999, 5000, -1] {
            assert!(!untouched(code) && !waited(code), "{code}");
        }
    }
}
