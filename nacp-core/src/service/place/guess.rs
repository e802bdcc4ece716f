//! Which field stands at a place of a text that cannot be read as a whole.

/// The path of the field at this line and column (both from 1), such as `services.llm.port`; for the first key of a
/// mapping, the path of that mapping. Nothing where the text is written in a way that does not tell.
pub(in super::super) fn path(text: &str, line: u64, column: u64) -> Option<String> {
    let index = usize::try_from(line.checked_sub(1)?).ok()?;
    let width = usize::try_from(column.checked_sub(1)?).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let here = lines.get(index)?;
    let before = here.char_indices().nth(width).map_or(*here, |(end, _)| &here[..end]);
    let keys = if text.trim_start().starts_with('{') {
        flow(&[&lines[..index].join("\n"), "\n", before].concat())
    } else {
        block(&lines[..index], here, before)?
    };
    (!keys.is_empty()).then(|| keys.join("."))
}

/// In block style the lines above that are indented less name what is around.
fn block(above: &[&str], here: &str, before: &str) -> Option<Vec<String>> {
    let indent = indentation(here);
    let own = before.trim_start().trim_start_matches("- ");
    let item = here.trim_start().starts_with('-');
    let mut keys = around(above, indent, item)?;
    if !own.is_empty() {
        let (key, rest) = key(own)?;
        keys.push(key);
        keys.extend(flow(rest));
    }
    Some(keys)
}

fn around(above: &[&str], indent: usize, item: bool) -> Option<Vec<String>> {
    // The items of a list may stand right under their key.
    let mut limit = indent + usize::from(item);
    let mut keys = Vec::new();
    for line in above.iter().rev() {
        let content = line.trim();
        if content.starts_with("---") {
            break;
        }
        let silent = content.is_empty() || content.starts_with('#');
        let sibling = item && keys.is_empty() && content.starts_with('-');
        if silent || sibling || indentation(line) >= limit {
            continue;
        }
        let (key, rest) = key(content)?;
        let rest = rest.trim_start();
        if !(rest.is_empty() || rest.starts_with('#')) {
            return None;
        }
        keys.push(key);
        limit = indentation(line);
    }
    keys.reverse();
    Some(keys)
}

/// The keys of the mappings in braces that are open at the end of the text.
fn flow(text: &str) -> Vec<String> {
    let mut open: Vec<(bool, Option<String>)> = Vec::new();
    let mut token = String::new();
    let mut quote = None;
    for letter in text.chars() {
        match letter {
            _ if quote == Some(letter) => quote = None,
            _ if quote.is_some() => token.push(letter),
            '"' | '\'' if token.trim().is_empty() => quote = Some(letter),
            '{' | '[' => open.push((letter == '{', None)),
            '}' | ']' => {
                open.pop();
            }
            ',' => {
                if let Some((_, key)) = open.last_mut() {
                    *key = None;
                }
            }
            ':' => {
                if let Some((true, key @ None)) = open.last_mut() {
                    *key = Some(token.trim().to_owned());
                }
            }
            _ => token.push(letter),
        }
        if quote.is_none() && matches!(letter, '{' | '[' | '}' | ']' | ',' | ':') {
            token.clear();
        }
    }
    open.into_iter().filter_map(|(_, key)| key).collect()
}

/// A line's key, and what follows it.
fn key(content: &str) -> Option<(String, &str)> {
    let (key, rest) = content.split_once(": ").or_else(|| Some((content.trim_end().strip_suffix(':')?, "")))?;
    let key = key.trim().trim_matches(['"', '\'']);
    (!key.is_empty() && !key.contains(['{', '[', ' '])).then(|| (key.to_owned(), rest))
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path at the mark `@`, which is not part of the text.
    fn at_mark(marked: &str) -> Option<String> {
        let before = marked.split('@').next().unwrap();
        let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        path(&marked.replacen('@', "", 1), line as u64, column as u64)
    }

    #[test]
    fn block_flow_and_json_name_the_same_field() {
        for (marked, expected) in [
            ("name: @", Some("name")),
            ("services:\n  llm:\n    # ports\n    image: x\n\n    port: @70000", Some("services.llm.port")),
            ("services:\n  llm: # big\n    @gpu: {}", Some("services.llm")),
            ("services:\n  llm:\n    gpu: { @count: 1 }", Some("services.llm.gpu")),
            ("services:\n  llm:\n    gpu: { memory: 1GiB, count: @x }", Some("services.llm.gpu.count")),
            ("services:\n  llm:\n    env: { URL: http://x, B: @~ }", Some("services.llm.env.B")),
            ("services:\n  llm:\n    command: [a:b, @~]", Some("services.llm.command")),
            ("services:\n  llm:\n    command:\n    - a\n    - @~", Some("services.llm.command")),
            ("services:\n  llm:\n    command:\n      - a\n      - @~", Some("services.llm.command")),
            ("services:\n  a:\n    image: x\n  llm:\n    port: @x", Some("services.llm.port")),
            (r#"{"name": "a,{", "services": {"llm": {"port": @x"#, Some("services.llm.port")),
            ("{\n  \"services\": {\n    \"a\": {},\n    \"llm\": {\n      \"port\": @x", Some("services.llm.port")),
            (r#"{"services": {"a": {"port": 1}, "llm": {@"port": 7}"#, Some("services.llm")),
            ("@name: a", None),
            ("services:\n  llm:\n    gpu: { memory: 1GiB,\n      count: @x }", None),
            ("", None),
        ] {
            assert_eq!(at_mark(marked).as_deref(), expected, "{marked}");
        }
        assert_eq!(path("name: a", 9, 9), None);
        assert_eq!(path("name: a", 0, 0), None);
    }
}
