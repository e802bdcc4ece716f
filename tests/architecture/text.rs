//! Just enough of Rust's grammar to see which modules a file names: comments, strings, paths, groups.

/// A name used at the root of the crate: `engine` in `crate::engine::run`.
pub(crate) struct Used {
    /// The first name behind the root.
    pub(crate) name: String,
    /// The line that it stands on, from 1.
    pub(crate) line: usize,
    /// Whether it surely stands at the root; a chain of `super` inside an inline module may not.
    pub(crate) certain: bool,
}

/// The source with comments and the insides of strings and character literals blanked; lines stay where they are.
pub(crate) fn code_only(source: &str) -> String {
    let letters: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while at < letters.len() {
        let skipped = match letters[at] {
            '/' if letters.get(at + 1) == Some(&'/') => until(&letters, at, '\n'),
            '/' if letters.get(at + 1) == Some(&'*') => block_comment(&letters, at),
            '"' => string(&letters, at),
            '\'' => character(&letters, at),
            'r' if at == 0 || !is_word(letters[at - 1]) || matches!(letters[at - 1], 'b' | 'c') => {
                raw_string(&letters, at)
            }
            _ => 0,
        };
        if skipped == 0 {
            code.push(letters[at]);
            at += 1;
        } else {
            let end = (at + skipped).min(letters.len());
            code.extend(letters[at..end].iter().map(|letter| if *letter == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// The code with every item blanked that is compiled for tests alone: `#[cfg(test)]`, `#[cfg(all(test, …))]`.
pub(crate) fn without_tests(code: &str) -> String {
    const MARKS: [&str; 2] = ["#[cfg(test)", "#[cfg(all(test,"];
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = MARKS.iter().filter_map(|mark| rest.find(mark)).min() {
        let attribute = rest[start..].find(']').map_or(rest.len(), |end| start + end + 1);
        let body = &rest[attribute..];
        let mut depth = 0;
        let end = body.char_indices().find_map(|(index, letter)| {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (depth == 0 && matches!(letter, '}' | ';')).then_some(index + 1)
        });
        let end = attribute + end.unwrap_or(body.len());
        kept.push_str(&rest[..start]);
        kept.extend(rest[start..end].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        rest = &rest[end..];
    }
    kept + rest
}

/// Every name that code in a module `depth` levels below the root uses at the root, through `crate::` or enough
/// `super::`s, one by one or in a group.
pub(crate) fn used_at_root(code: &str, depth: usize) -> Vec<Used> {
    let mut found = Vec::new();
    for (at, word) in words(code) {
        let (certain, behind) = match word {
            "crate" => (true, path_behind(code, at + word.len())),
            "super" if !code[..at].trim_end().ends_with("::") => (false, behind_supers(code, at, depth)),
            _ => continue,
        };
        let Some(behind) = behind else { continue };
        for (place, name) in first_names(code, behind) {
            if name != "self" {
                found.push(Used { name: name.to_owned(), line: line(code, place), certain });
            }
        }
    }
    found
}

/// Every word of the code and where it starts.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    code.split(|letter| !is_word(letter)).filter_map(move |word| {
        let start = at;
        at += word.len() + code[at + word.len()..].chars().next().map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((start, word))
    })
}

/// The line, from 1, of a place in the code.
pub(crate) fn line(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Where the path goes on behind a `::`.
fn path_behind(code: &str, at: usize) -> Option<usize> {
    let rest = code[at..].trim_start().strip_prefix("::")?;
    Some(code.len() - rest.trim_start().len())
}

/// Where the path goes on behind as many `super::`s as lead to the root; nothing when they lead to another module.
fn behind_supers(code: &str, at: usize, depth: usize) -> Option<usize> {
    let mut place = at;
    for _ in 0..depth {
        if !code[place..].starts_with("super") {
            return None;
        }
        place = path_behind(code, place + "super".len())?;
    }
    Some(place)
}

/// The first name of the path at `at`, or of each member of the group there.
fn first_names(code: &str, at: usize) -> Vec<(usize, &str)> {
    if !code[at..].starts_with('{') {
        return words(&code[at..])
            .next()
            .filter(|(start, _)| *start == 0)
            .map(|(_, name)| (at, name))
            .into_iter()
            .collect();
    }
    let mut names = Vec::new();
    let (mut depth, mut fresh) = (0, false);
    for (index, letter) in code[at..].char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' => {}
            letter if depth == 1 && fresh && is_word(letter) => {
                names.extend(words(&code[at + index..]).next().map(|(_, name)| (at + index, name)));
                fresh = false;
            }
            _ => continue,
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(letter, '{' | ',') {
            fresh = true;
        }
    }
    names
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn until(letters: &[char], at: usize, end: char) -> usize {
    letters[at..].iter().position(|letter| *letter == end).unwrap_or(letters.len() - at)
}

fn block_comment(letters: &[char], at: usize) -> usize {
    let (mut depth, mut index) = (0, at);
    while index < letters.len() {
        match (letters[index], letters.get(index + 1)) {
            ('/', Some('*')) => (depth, index) = (depth + 1, index + 1),
            ('*', Some('/')) => (depth, index) = (depth - 1, index + 1),
            _ => {}
        }
        index += 1;
        if depth == 0 {
            break;
        }
    }
    index - at
}

fn string(letters: &[char], at: usize) -> usize {
    let mut index = at + 1;
    while index < letters.len() && letters[index] != '"' {
        index += if letters[index] == '\\' { 2 } else { 1 };
    }
    index + 1 - at
}

/// The length of a raw string that starts at an `r`, or 0 when none does.
fn raw_string(letters: &[char], at: usize) -> usize {
    let hashes = letters[at + 1..].iter().take_while(|letter| **letter == '#').count();
    let start = at + 1 + hashes;
    if letters.get(start) != Some(&'"') {
        return 0;
    }
    let is_end = |index: &usize| {
        letters[*index] == '"' && letters[index + 1..].iter().take_while(|it| **it == '#').count() >= hashes
    };
    let end = (start + 1..letters.len()).find(is_end).unwrap_or(letters.len());
    end + 1 + hashes - at
}

/// The length of a character literal, or 0 when the quote starts a lifetime.
fn character(letters: &[char], at: usize) -> usize {
    match letters.get(at + 1) {
        Some('\\') => 2 + until(letters, at + 3, '\'') + 2,
        Some(_) if letters.get(at + 2) == Some(&'\'') => 3,
        _ => 0,
    }
}
