//! Library sources as the checkers read them: without comments, texts and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// One file: where it is, its module path, its code.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) module: Vec<String>,
    pub(crate) code: String,
}

impl Source {
    /// A file of a crate whose `src` folder is given.
    pub(crate) fn new(src: &Path, path: &Path, text: &str) -> Self {
        let inside = path.strip_prefix(src).unwrap().with_extension("");
        let mut module: Vec<_> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            module.pop();
        }
        Self { path: path.to_owned(), module, code: without_tests(&code_only(text)) }
    }

    pub(crate) fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// A violation in this file.
    pub(crate) fn violation(&self, at: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path.display(), self.line(at))
    }
}

/// The library sources of a crate; files that are compiled for tests only are left out.
pub(crate) fn library(src: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    collect(src, &mut files);
    let texts: Vec<_> = files.into_iter().map(|path| (fs::read_to_string(&path).unwrap(), path)).collect();
    let sources: Vec<_> = texts.iter().map(|(text, path)| (Source::new(src, path, text), code_only(text))).collect();
    let mut test_modules = Vec::new();
    for (source, code) in &sources {
        for name in test_files(code) {
            test_modules.push([source.module.as_slice(), &[name]].concat());
        }
    }
    let is_test = |module: &[String]| test_modules.iter().any(|test| module.starts_with(test));
    sources.into_iter().map(|(source, _)| source).filter(|source| !is_test(&source.module)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Blanks comments and the insides of texts; everything else keeps its place.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let blank = |code: &mut String, char: char| code.push(if char == '\n' { '\n' } else { ' ' });
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len()),
            '/' if chars.get(at + 1) == Some(&'*') => block_comment(&chars, at),
            '"' => quoted(&chars, at, '"'),
            'r' if !at.checked_sub(1).is_some_and(|before| is_word(chars[before]) && chars[before] != 'b') => raw(&chars, at).unwrap_or(at),
            // `'a` is a lifetime, `'a'` a character.
            '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => quoted(&chars, at, '\''),
            _ => at,
        };
        if end == at {
            code.push(chars[at]);
            at += 1;
        }
        while at < end {
            blank(&mut code, chars[at]);
            at += 1;
        }
    }
    code
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(chars.len())
}

fn quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of the raw text that begins here, if one does.
fn raw(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|&&char| char == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|&&char| char == '#').count() == hashes;
    let end = (open + 1..chars.len()).find(|&at| closes(at)).unwrap_or(chars.len());
    Some((end + 1 + hashes).min(chars.len()))
}

pub(crate) fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Where a word stands alone in the code.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let runs_on = |inside: bool, beside: Option<char>| inside && beside.is_some_and(is_word);
        !runs_on(word.starts_with(is_word), before) && !runs_on(word.ends_with(is_word), after)
    })
}

/// The end of the item that begins here: its `;`, or the brace that closes it.
pub(crate) fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_i32;
    for (at, char) in code[start..].char_indices() {
        match char {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(char, ';' | '}') {
            return start + at + 1;
        }
    }
    code.len()
}

/// `#[cfg(...)]` attributes that mean tests, as pairs of where they begin and where their item begins.
fn test_attributes(code: &str) -> Vec<(usize, usize)> {
    let attributes = code.match_indices("#[cfg(").filter_map(|(at, _)| {
        let close = at + code[at..].find(")]")? + 2;
        let condition = &code[at..close];
        let test = words(condition, "test").next().is_some() && words(condition, "not").next().is_none();
        test.then_some((at, close))
    });
    attributes.collect()
}

fn without_tests(code: &str) -> String {
    let mut bytes = code.as_bytes().to_vec();
    for (start, item) in test_attributes(code) {
        for byte in &mut bytes[start..item_end(code, item)] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Modules in files of their own that are compiled for tests only.
fn test_files(code: &str) -> Vec<String> {
    let names = test_attributes(code).into_iter().filter_map(|(_, item)| {
        let item = &code[item..item_end(code, item)];
        let name = item.strip_suffix(';')?.split_whitespace().skip_while(|word| *word != "mod").nth(1)?;
        Some(name.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_texts_and_tests_are_not_code() {
        let text = r##"
            use a::b; // use c::d;
            /* use /* e::f */; */ fn x<'a>() -> &'a str { let _ = '"'; "use g::h" }
            const T: &str = r#"use "i::j" "#;
            #[cfg(test)]
            mod tests { use k::l; fn y() { z! { } } }
            #[cfg(any(test, feature = "suite"))]
            #[macro_use]
            pub mod suite;
            #[cfg(not(test))] use m::n;
        "##;
        let code = Source::new(Path::new("s"), Path::new("s/a/mod.rs"), text).code;
        for kept in ["a::b", "fn x<'a>() -> &'a str", "m::n"] {
            assert!(code.contains(kept), "{kept}: {code}");
        }
        for gone in ["c::d", "e::f", "g::h", "i::j", "k::l", "suite"] {
            assert!(!code.contains(gone), "{gone}: {code}");
        }
        assert_eq!(code.matches('\n').count(), text.matches('\n').count());
        assert_eq!(test_files(&code_only(text)), ["suite"]);
    }
}
