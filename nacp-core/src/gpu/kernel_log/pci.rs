//! PCI addresses as NVML spells them.

/// `[PCI:][domain:]bus:device[.function]` in hexadecimal digits as `00000000:3B:00.0`; nothing for anything else.
pub(super) fn normalised(text: &str) -> Option<String> {
    let text = text.strip_prefix("PCI:").unwrap_or(text);
    let (place, function) = text.split_once('.').unwrap_or((text, "0"));
    let (rest, device) = place.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
    let (domain, bus) = (hex(domain, 8)?, hex(bus, 2)?);
    let (device, function) = (hex(device, 2)?, hex(function, 1)?);
    Some(format!("{domain:08X}:{bus:02X}:{device:02X}.{function:X}"))
}

/// The first address in a text, with a bus and a device at least.
pub(super) fn first(text: &str) -> Option<String> {
    let words = text.split([' ', '\n', '(', ')', ',']);
    words.map(|word| word.trim_end_matches([':', '.'])).filter(|word| word.contains(':')).find_map(normalised)
}

fn hex(text: &str, digits: usize) -> Option<u32> {
    let right = (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    right.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_becomes_that_of_nvml() {
        for (text, address) in [
            ("PCI:0000:3b:00", "00000000:3B:00.0"),
            ("0000:03:00", "00000000:03:00.0"),
            ("0009:01:00.0", "00000009:01:00.0"),
            ("18:00.0", "00000000:18:00.0"),
            ("PCI:10000:01:1f.7", "00010000:01:1F.7"),
            ("00000000:3B:00.0", "00000000:3B:00.0"),
        ] {
            assert_eq!(normalised(text).as_deref(), Some(address), "{text}");
        }
        for text in ["", "PCI:", "3b", "0000:3b:", "x:3b:00", "0000:3b:00.", "0:0:0:0", "0000:3b:00.10", "+1:00"] {
            assert_eq!(normalised(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_found_in_a_sentence() {
        assert_eq!(first("GPU 0000:29:00.0: GPU has fallen off the bus.").as_deref(), Some("00000000:29:00.0"));
        assert_eq!(
            first("The NVIDIA GPU 0000:18:00.0\n(PCI ID: 10de:2901) installed").as_deref(),
            Some("00000000:18:00.0")
        );
        assert_eq!(first("(PCI ID: 10de:2901) installed in this system has"), None);
    }
}
