//! The loader's cache: which libraries are where.

/// How the newer form begins, which may stand behind an older one.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// The lengths of its head and of each entry, in bytes.
const HEAD: usize = 48;
const ENTRY: usize = 24;

/// The libraries whose names begin with one of `wanted`, with their paths; why not, where it is no such cache.
pub(super) fn libraries(cache: &[u8], wanted: &[&str]) -> Result<Vec<(String, String)>, String> {
    let other = || "it has another form than glibc's".to_owned();
    let start = cache.windows(MAGIC.len()).position(|window| window == MAGIC).ok_or_else(other)?;
    // Places of texts count from the head of the newer form.
    let cache = &cache[start..];
    let number =
        |at: usize| cache.get(at..at.checked_add(4)?).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    let count = usize::try_from(number(MAGIC.len()).ok_or_else(other)?).map_err(|_| other())?;
    let mut found = Vec::new();
    for index in 0..count {
        let entry = index.checked_mul(ENTRY).and_then(|at| at.checked_add(HEAD)).ok_or_else(other)?;
        let text = |field: usize| {
            let from = usize::try_from(number(entry + field)?).ok()?;
            let rest = cache.get(from..)?;
            let end = rest.iter().position(|byte| *byte == 0)?;
            std::str::from_utf8(&rest[..end]).ok()
        };
        let (Some(name), Some(path)) = (text(4), text(8)) else { return Err("it ends in the middle".into()) };
        if wanted.iter().any(|start| name.starts_with(start)) {
            found.push((name.to_owned(), path.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cache(libraries: &[(&str, &str)]) -> Vec<u8> {
        let (mut entries, mut texts) = (Vec::new(), Vec::new());
        let base = HEAD + ENTRY * libraries.len();
        let mut put = |text: &str| {
            let at = u32::try_from(base + texts.len()).unwrap();
            texts.extend(text.bytes().chain([0]));
            at.to_ne_bytes()
        };
        for (name, path) in libraries {
            entries.extend([3, 3, 0, 0]);
            entries.extend(put(name));
            entries.extend(put(path));
            entries.extend([0; 12]);
        }
        let mut cache = MAGIC.to_vec();
        cache.extend(u32::try_from(libraries.len()).unwrap().to_ne_bytes());
        cache.extend([0; 24]);
        cache.extend(entries);
        cache.extend(texts);
        cache
    }

    #[test]
    fn names_and_places_are_found_also_behind_an_older_form() {
        let new = cache(&[("libc.so.6", "/lib/libc.so.6"), ("libcuda.so.1", "/usr/lib/libcuda.so.1")]);
        let found = vec![("libcuda.so.1".to_owned(), "/usr/lib/libcuda.so.1".to_owned())];
        assert_eq!(libraries(&new, &["libcuda"]), Ok(found.clone()));
        let old = [b"ld.so-1.7.0\0garbage".as_slice(), &new].concat();
        assert_eq!(libraries(&old, &["libcuda"]), Ok(found));
        assert_eq!(libraries(&new, &["libnvidia-ml"]), Ok(vec![]));
    }

    #[test]
    fn what_is_no_cache_or_half_of_one_says_so() {
        let whole = cache(&[("libcuda.so.1", "/usr/lib/libcuda.so.1")]);
        for broken in [&b""[..], b"text", MAGIC, &whole[..HEAD + 4], &whole[..whole.len() - 1]] {
            assert!(libraries(broken, &["lib"]).is_err(), "{broken:?}");
        }
        let mut many = whole;
        many[MAGIC.len()..MAGIC.len() + 4].fill(0xff);
        assert!(libraries(&many, &["lib"]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(rest: Vec<u8>) {
            let _ = libraries(&rest, &["lib"]);
            let _ = libraries(&[MAGIC, &rest].concat(), &["lib"]);
        }
    }
}
