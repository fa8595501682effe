//! Reads Rust just well enough to see who imports whom: words, paths and the lines on which they
//! stand, without comments.

use std::collections::BTreeSet;

/// A piece of a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or a keyword.
    Word(String),
    /// What stands between the quotes of a string.
    Text(String),
    /// `::`, or any other character that is no blank.
    Sign(&'static str, char),
}

/// A source file as tokens, each with its line.
#[derive(Debug)]
pub(crate) struct Source {
    tokens: Vec<(usize, Token)>,
    /// The lines that are neither blank nor comments, before the tests at the end of the file.
    pub(crate) lines_of_code: usize,
}

/// A path as it is meant, from the root of its crate or from the name of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Where it stands.
    pub(crate) line: usize,
    /// `crate`, or the name of the crate.
    pub(crate) root: String,
    /// The names behind it.
    pub(crate) names: Vec<String>,
}

impl Source {
    /// Reads a file.
    pub(crate) fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let tests = test_module(&tokens).unwrap_or(usize::MAX);
        let mut lines = BTreeSet::new();
        for (line, token) in &tokens {
            match token {
                Token::Word(_) | Token::Sign(..) => drop(lines.insert(*line)),
                // A string is code on every line that it fills.
                Token::Text(text) => lines.extend(
                    text.lines()
                        .enumerate()
                        .filter(|(index, part)| *index == 0 || !part.trim().is_empty())
                        .map(|(index, _)| line + index),
                ),
            }
        }
        let lines_of_code = lines.range(..tests).count();
        Self { tokens, lines_of_code }
    }

    /// Every word of the code.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().filter_map(|(line, token)| match token {
            Token::Word(word) => Some((*line, word.as_str())),
            Token::Text(_) | Token::Sign(..) => None,
        })
    }

    /// Every string of the code.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().filter_map(|(line, token)| match token {
            Token::Text(text) => Some((*line, text.as_str())),
            Token::Word(_) | Token::Sign(..) => None,
        })
    }

    /// Every path that begins with `crate`, `super` or one of `crates`, groups taken apart, as
    /// seen from `module`.
    pub(crate) fn paths(&self, module: &[&str], crates: &[&str]) -> Vec<Path> {
        let mut paths = Vec::new();
        // The modules within the file that are open, and the depth of braces at which they close.
        let mut inner: Vec<(String, usize)> = Vec::new();
        let mut depth = 0;
        let mut at = 0;
        while at < self.tokens.len() {
            let is_root = |word: &str| matches!(word, "crate" | "super") || crates.contains(&word);
            match &self.tokens[at].1 {
                Token::Sign("", '{') => depth += 1,
                Token::Sign("", '}') => {
                    depth -= 1;
                    inner.retain(|(_, opened)| *opened <= depth);
                }
                Token::Word(word) if word == "mod" => {
                    if let Some(name) = self.word(at + 1)
                        && self.is_sign(at + 2, '{')
                    {
                        inner.push((name.to_owned(), depth + 1));
                    }
                }
                Token::Word(word) if is_root(word) && self.is_separator(at + 1) => {
                    let here = module.iter().copied().chain(inner.iter().map(|it| it.0.as_str()));
                    let here: Vec<String> = here.map(str::to_owned).collect();
                    at = self.tree(at, &[], &here, &mut paths);
                    continue;
                }
                Token::Word(_) | Token::Text(_) | Token::Sign(..) => {}
            }
            at += 1;
        }
        paths
    }

    /// Reads the path at `at`, behind `prefix`; gives where it ends.
    fn tree(
        &self,
        mut at: usize,
        prefix: &[String],
        here: &[String],
        paths: &mut Vec<Path>,
    ) -> usize {
        let line = self.tokens[at].0;
        let mut names = prefix.to_vec();
        loop {
            if let Some(word) = self.word(at) {
                names.push(word.to_owned());
                at += 1;
            } else if self.is_sign(at, '{') {
                at += 1;
                while at < self.tokens.len() && !self.is_sign(at, '}') {
                    if self.is_sign(at, ',') {
                        at += 1;
                    } else {
                        at = self.tree(at, &names, here, paths);
                    }
                }
                return at + 1;
            } else {
                // A star, or what no path can hold.
                at += 1;
            }
            if !self.is_separator(at) {
                break;
            }
            at += 1;
        }
        if self.word(at) == Some("as") {
            at += 2;
        }
        paths.push(absolute(line, &names, here));
        at
    }

    fn word(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at) {
            Some((_, Token::Word(word))) => Some(word),
            Some((_, Token::Text(_) | Token::Sign(..))) | None => None,
        }
    }

    fn is_sign(&self, at: usize, sign: char) -> bool {
        self.tokens.get(at).is_some_and(|(_, token)| *token == Token::Sign("", sign))
    }

    fn is_separator(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|(_, token)| *token == Token::Sign("::", ':'))
    }
}

/// The path from its root, each `super` taken back.
fn absolute(line: usize, names: &[String], here: &[String]) -> Path {
    if names[0] != "super" {
        return Path { line, root: names[0].clone(), names: names[1..].to_vec() };
    }
    let mut whole = here.to_vec();
    for name in names {
        match name.as_str() {
            "super" => drop(whole.pop()),
            "self" => {}
            name => whole.push(name.to_owned()),
        }
    }
    Path { line, root: "crate".to_owned(), names: whole }
}

/// The line of the `#[cfg(test)] mod` behind which nothing else comes.
fn test_module(tokens: &[(usize, Token)]) -> Option<usize> {
    let words: Vec<(usize, &str)> = tokens
        .iter()
        .filter_map(|(line, token)| match token {
            Token::Word(word) => Some((*line, word.as_str())),
            Token::Text(_) | Token::Sign(..) => None,
        })
        .collect();
    let found =
        words.windows(3).rfind(|it| it[0].1 == "cfg" && it[1].1 == "test" && it[2].1 == "mod");
    let start = found?[0].0;
    let mut depth = 0;
    let mut is_open = false;
    for (line, token) in tokens.iter().filter(|(line, _)| *line >= start) {
        match token {
            // Something stands behind the tests, so they are not the end.
            _ if is_open && depth == 0 && *line > start => return None,
            Token::Sign("", '{') => {
                depth += 1;
                is_open = true;
            }
            Token::Sign("", '}') => depth -= 1,
            Token::Word(_) | Token::Text(_) | Token::Sign(..) => {}
        }
    }
    is_open.then_some(start)
}

fn tokens(text: &str) -> Vec<(usize, Token)> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < characters.len() {
        let rest = &characters[at..];
        let (length, token) = next(rest);
        if let Some(token) = token {
            tokens.push((line, token));
        }
        line += rest[..length].iter().filter(|character| **character == '\n').count();
        at += length;
    }
    tokens
}

/// How many characters the next piece has, and which token it is, if any.
fn next(rest: &[char]) -> (usize, Option<Token>) {
    let second = rest.get(1).copied();
    match rest[0] {
        '/' if second == Some('/') => (until(rest, |it| it[0] == '\n'), None),
        '/' if second == Some('*') => (until(rest, |it| it.starts_with(&['*', '/'])) + 2, None),
        '"' => text_token(rest, 1),
        'b' | 'c' if second == Some('"') => text_token(rest, 2),
        'r' | 'b' if raw_start(rest).is_some() => raw(rest),
        '\'' => (quoted_character(rest), None),
        ':' if second == Some(':') => (2, Some(Token::Sign("::", ':'))),
        it if it.is_whitespace() => (1, None),
        it if it.is_alphanumeric() || it == '_' => {
            let end = until(rest, |it| !it[0].is_alphanumeric() && it[0] != '_');
            (end, Some(Token::Word(rest[..end].iter().collect())))
        }
        it => (1, Some(Token::Sign("", it))),
    }
}

fn until(rest: &[char], is_end: impl Fn(&[char]) -> bool) -> usize {
    (0..rest.len()).find(|at| is_end(&rest[*at..])).unwrap_or(rest.len())
}

fn text_token(rest: &[char], start: usize) -> (usize, Option<Token>) {
    let mut at = start;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    let end = at.min(rest.len());
    ((end + 1).min(rest.len()), Some(Token::Text(rest[start..end].iter().collect())))
}

/// Where the first quote of a raw string stands, and how many number signs come before it.
fn raw_start(rest: &[char]) -> Option<(usize, usize)> {
    let prefix = if rest.starts_with(&['b', 'r']) { 2 } else { usize::from(rest[0] == 'r') };
    let signs = rest[prefix..].iter().take_while(|it| **it == '#').count();
    (prefix > 0 && rest.get(prefix + signs) == Some(&'"')).then_some((prefix + signs, signs))
}

fn raw(rest: &[char]) -> (usize, Option<Token>) {
    let (start, signs) = raw_start(rest).unwrap_or_default();
    let mut close = vec!['"'];
    close.extend(vec!['#'; signs]);
    let length = until(&rest[start + 1..], |it| it.starts_with(&close));
    let text = rest[start + 1..start + 1 + length].iter().collect();
    ((start + 1 + length + close.len()).min(rest.len()), Some(Token::Text(text)))
}

/// How long a character literal is, or a lifetime's tick.
fn quoted_character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', _, tail @ ..] => 3 + until(tail, |it| it[0] == '\'') + 1,
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}
