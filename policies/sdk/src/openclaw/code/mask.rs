//! What a hit shows of the code: one line, or a piece of it, without what looks like a secret. In doubt it hides too
//! much: the place is there for whoever wants to read the code.

use crate::js;

/// Most characters of an evidence.
const SHOWN: usize = 120;
/// Characters of a long line that are shown before the match.
const LEAD: usize = 40;
/// Bytes before a match that are read for what began there: a key in PEM form has a line end in every 64.
const BEFORE: usize = 1024;
/// Bytes from a match on that are read: more than are shown, since masking shortens a text.
const AFTER: usize = 512;

/// In place of a secret.
const MASK: &str = "***";
/// A run from this length on, with letters and digits, may be a secret whatever it is called.
const LONG_RUN: usize = 20;
/// Beginnings of well-known tokens. `xox?-` is looked for apart.
const TOKENS: [&str; 13] = [
    "sk-",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xapp-",
    "gsk_",
    "AIza",
    "AKIA",
    "pplx-",
    "npm_",
];
/// Names that hold one of these hold a secret.
const NAMES: [&str; 7] = ["key", "token", "secret", "password", "passwd", "credential", "authorization"];
/// Digits that the first part of a Telegram token has at least, and characters that the second has.
const TELEGRAM: (usize, usize) = (6, 30);

/// The line that starts at an offset, trimmed and masked; of a long line what is around the match.
pub(super) fn evidence(text: &[u8], line: usize, at: usize) -> String {
    let from = line.max(boundary(text, at.saturating_sub(BEFORE)));
    let tail = text.get(at..).unwrap_or_default();
    let near = tail.get(..boundary(tail, AFTER)).unwrap_or(tail);
    let to = near.iter().position(|byte| *byte == b'\n').unwrap_or(near.len());
    let cut = Cut { before: from > line, after: to == near.len() && near.len() < tail.len() };
    let mut piece = String::from_utf8_lossy(text.get(from..at).unwrap_or_default()).into_owned();
    let mark = piece.len();
    piece.push_str(&String::from_utf8_lossy(near.get(..to).unwrap_or_default()));
    let (masked, mark) = Masker::run(&piece, mark, cut);
    window(&masked, mark, cut)
}

/// The next offset at which a character may start.
fn boundary(text: &[u8], at: usize) -> usize {
    let inside = text.iter().skip(at).take(3).take_while(|byte| (0x80..0xc0).contains(*byte));
    at + inside.count()
}

/// At which ends a piece is not the line's.
#[derive(Clone, Copy)]
struct Cut {
    before: bool,
    after: bool,
}

/// The characters around the mark, an offset.
fn window(text: &str, mark: usize, cut: Cut) -> String {
    let mark = text.get(..mark).unwrap_or(text).trim_start_matches(js::is_space).chars().count();
    let text = js::trim(text);
    let length = text.chars().count();
    let wanted = if mark + LEAD > SHOWN { mark - LEAD } else { 0 };
    let start = wanted.min(length.saturating_sub(SHOWN));
    let shown: String = text.chars().skip(start).take(SHOWN).collect();
    let before = if start > 0 || cut.before { "…" } else { "" };
    let after = if start + SHOWN < length || cut.after { "…" } else { "" };
    format!("{before}{shown}{after}")
}

/// How much of `name = value` was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Nothing,
    /// The name of a secret.
    Name,
    /// And something after which a string is its value.
    Argument,
    /// And a sign after which everything is its value.
    Assigned,
}

struct Masker<'t> {
    text: &'t str,
    rest: &'t str,
    mark: usize,
    cut: Cut,
    shown: String,
    shown_mark: Option<usize>,
    named: Named,
    /// The quote of the string literal that is open.
    quote: Option<char>,
}

impl<'t> Masker<'t> {
    /// The text without its secrets, and where the mark is now.
    fn run(text: &'t str, mark: usize, cut: Cut) -> (String, usize) {
        let mut masker = Self {
            text,
            rest: text,
            mark,
            cut,
            shown: String::new(),
            shown_mark: None,
            named: Named::Nothing,
            quote: None,
        };
        while let Some(c) = masker.rest.chars().next() {
            match c {
                c if is_run(c) => masker.word(),
                '"' | '\'' | '`' => masker.string(c),
                '\\' => masker.escape(),
                ':' | '=' => masker.sign(c, Named::Assigned),
                ',' | '(' | '|' | '?' => masker.sign(c, Named::Argument),
                ']' | ')' | '!' | '>' => masker.copy(c.len_utf8()),
                c if js::is_space(c) => masker.copy(c.len_utf8()),
                c => {
                    masker.named = Named::Nothing;
                    masker.copy(c.len_utf8());
                }
            }
        }
        let mark = masker.shown_mark.unwrap_or(masker.shown.len());
        (masker.shown, mark)
    }

    fn offset(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn copy(&mut self, length: usize) {
        let (piece, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        let at = self.offset();
        if self.shown_mark.is_none() && self.mark < at + piece.len() {
            self.shown_mark = Some(self.shown.len() + self.mark.saturating_sub(at));
        }
        self.shown.push_str(piece);
        self.rest = rest;
    }

    fn mask(&mut self, length: usize) {
        if length == 0 {
            return;
        }
        if self.shown_mark.is_none() && self.mark < self.offset() + length {
            self.shown_mark = Some(self.shown.len());
        }
        self.shown.push_str(MASK);
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    fn until(&self, ends: impl Fn(char) -> bool) -> usize {
        self.rest.find(ends).unwrap_or(self.rest.len())
    }

    fn sign(&mut self, c: char, next: Named) {
        match self.named {
            Named::Nothing | Named::Assigned => {}
            Named::Name | Named::Argument => self.named = next,
        }
        self.copy(c.len_utf8());
    }

    /// A quote, which is copied, and its string where that is a secret's value.
    fn string(&mut self, quote: char) {
        let value = matches!(self.named, Named::Argument | Named::Assigned);
        // Where the text before is not known, what looks like an end may be a beginning.
        let closes = self.quote == Some(quote) && !self.cut.before;
        self.copy(quote.len_utf8());
        if value && !closes {
            self.named = Named::Nothing;
            self.mask(string_end(self.rest, quote));
            if self.rest.starts_with(quote) {
                self.copy(quote.len_utf8());
            }
        } else if self.quote == Some(quote) {
            self.quote = None;
        } else if self.quote.is_none() {
            self.quote = Some(quote);
        }
    }

    /// A backslash and what it escapes, such as a quote inside a string.
    fn escape(&mut self) {
        let escaped = self.rest.chars().nth(1);
        self.copy(1 + escaped.map_or(0, char::len_utf8));
        let value = matches!(self.named, Named::Argument | Named::Assigned);
        if value && matches!(escaped, Some('"' | '\'' | '`')) {
            self.named = Named::Nothing;
            self.mask(self.until(|c| matches!(c, '\\' | '"' | '\'' | '`')));
        }
    }

    /// A run of the characters that tokens and names are made of.
    fn word(&mut self) {
        let length = self.until(|c| !is_run(c));
        let (run, after) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        let named = std::mem::replace(&mut self.named, Named::Nothing);
        if run.contains("-----BEGIN") {
            let end = self.rest.find("-----END").map_or(self.rest.len(), |at| at + "-----END".len());
            return self.mask(end);
        }
        if run.contains("-----END") && self.cut.before {
            // The key began before what was read.
            self.shown.clear();
            self.shown_mark = self.shown_mark.map(|_| 0);
            return self.mask(length);
        }
        let torn = self.cut.before && self.offset() == 0 || self.cut.after && after.is_empty();
        if torn || is_token(run) {
            return self.mask(length);
        }
        if let Some(second) = telegram(run, after) {
            return self.mask(length + second);
        }
        if let Some(rest) = after.strip_prefix("://") {
            self.copy(length + "://".len());
            let authority = rest.find(ends_authority).unwrap_or(rest.len());
            if let Some(user) = rest.get(..authority).and_then(|authority| authority.rfind('@')) {
                self.mask(user);
            }
            return;
        }
        if named == Named::Assigned && self.is_value(run, after) {
            return self.mask(self.until(ends_value).max(length));
        }
        self.copy(length);
        if run.eq_ignore_ascii_case("bearer") && after.starts_with(' ') {
            self.copy(after.len() - after.trim_start_matches(' ').len());
            return self.mask(self.until(ends_value));
        }
        let operator = run.chars().all(|c| !c.is_ascii_alphanumeric());
        // A type between a name and its value.
        self.named = if operator || run == "string" {
            named
        } else if names_secret(run) {
            Named::Name
        } else {
            Named::Nothing
        };
    }

    /// A secret without quotes: inside a string, or at least no name in code.
    fn is_value(&self, run: &str, after: &str) -> bool {
        let code = after.starts_with(['.', '(', '[']);
        let digits = run.chars().any(|c| c.is_ascii_digit());
        let letters = run.chars().any(|c| c.is_ascii_alphanumeric());
        letters && (self.quote.is_some() || digits && !code)
    }
}

fn is_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/')
}

fn ends_value(c: char) -> bool {
    js::is_space(c) || matches!(c, '"' | '\'' | '`' | '\\' | ',' | ';' | '&' | ')' | '}' | '<')
}

fn ends_authority(c: char) -> bool {
    js::is_space(c) || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | '\\' | '<' | '>')
}

fn names_secret(run: &str) -> bool {
    let run = run.to_ascii_lowercase();
    NAMES.iter().any(|name| run.contains(name))
}

fn is_token(run: &str) -> bool {
    let digits = run.bytes().any(|byte| byte.is_ascii_digit());
    let letters = run.bytes().any(|byte| byte.is_ascii_alphabetic());
    let slack = |part: &str| part.starts_with("xox") && part.chars().nth(4) == Some('-');
    run.len() >= LONG_RUN && digits && letters
        || run.split(['/', '+']).any(|part| {
            TOKENS.iter().any(|start| part.len() > start.len() && part.starts_with(start)) || slack(part)
        })
}

/// The length of the second part of a Telegram token, with its colon.
fn telegram(run: &str, after: &str) -> Option<usize> {
    let digits = run.bytes().rev().take_while(u8::is_ascii_digit).count();
    let second = after.strip_prefix(':')?;
    let length = second.find(|c| !is_run(c)).unwrap_or(second.len());
    (digits >= TELEGRAM.0 && length >= TELEGRAM.1).then_some(length + 1)
}

/// Where a string literal ends.
fn string_end(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Cut = Cut { before: false, after: false };

    fn masked(text: &str) -> String {
        Masker::run(text, 0, WHOLE).0
    }

    #[test]
    fn secrets_are_masked() {
        for (text, shown) in [
            ("f('sk-abc')", "f('***')"),
            ("a = `ghp_x` + 'gho_y'", "a = `***` + '***'"),
            ("'github_pat_1' 'xoxb-1' 'xoxz-1' 'xapp-1'", "'***' '***' '***' '***'"),
            ("'gsk_1' 'AIza1' 'pplx-1' 'npm_1'", "'***' '***' '***' '***'"),
            ("https://hooks.example/x/xoxb-1-a", "https://hooks.***"),
            ("bot123456:ABCDEFGHIJ-KLMNOPQRST_UVWXYZabcd", "***"),
            ("{ A: 'Bearer abc.def' }", "{ A: 'Bearer ***' }"),
            ("bearer  a,b", "bearer  ***,b"),
            (
                "k = '-----BEGIN RSA PRIVATE KEY-----\\nMIIab\\n-----END RSA PRIVATE KEY-----'",
                "k = '*** RSA PRIVATE KEY-----'",
            ),
            ("x('-----BEGIN PRIVATE KEY-----\\nMIIab", "x('***"),
            ("const password = 'pass word'", "const password = '***'"),
            ("const password: string = \"a\\\"b\", c", "const password: string = \"***\", c"),
            ("{\"apiKey\":\"abc\",\"b\":\"c\"}", "{\"apiKey\":\"***\",\"b\":\"c\"}"),
            ("'{\\\"token\\\":\\\"abc\\\"}'", "'{\\\"token\\\":\\\"***\\\"}'"),
            ("process.env['PASSWD'] ||= `abc`", "process.env['PASSWD'] ||= `***`"),
            ("h.set('x-api-key', 'abc')", "h.set('x-api-key', '***')"),
            ("setSecret('abc')", "setSecret('***')"),
            ("exec('curl -d token=abc&b=c x')", "exec('curl -d token=***&b=c x')"),
            ("exec('--password=' + 'abc')", "exec('--password=' + '***')"),
            ("SECRET=abc123", "SECRET=***"),
            ("process.env.TOKEN || 'abc'", "process.env.TOKEN || '***'"),
            ("new WebSocket('wss://u:p@a.b:9')", "new WebSocket('wss://***@a.b:9')"),
            ("x = 'https://a@b@c/d@e'", "x = 'https://***@c/d@e'"),
            ("y('ABCDEFGHIJKLMNOPQRS1')", "y('***')"),
            ("atob('QUJD/0+1QUJDQUJDQUJDQUJD==')", "atob('***==')"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }

    #[test]
    fn code_is_not_masked() {
        for text in [
            "const apiKey = process.env.API_KEY;",
            "let token = await fetch(url);",
            "const { execSync } = require('node:child_process'); execSync('id')",
            "aVeryLongNameWithoutAnyNumbersInIt('b')",
            "task-runner('risk-x') disk-1",
            "new WebSocket('wss://a.b:9/c@d')",
            "eval(key); new Function('a', 'b')",
            "12345678901234567890123",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn the_mark_stays_with_its_text() {
        for (text, at, shown) in [
            ("t = 'sk-abcdef'; eval(x)", "eval", "eval(x)"),
            ("abc", "bc", "bc"),
            ("a token = 'x eval(1)'", "eval", "***'"),
        ] {
            let (masked, mark) = Masker::run(text, text.find(at).unwrap(), WHOLE);
            assert_eq!(masked.get(mark..), Some(shown));
        }
    }

    #[test]
    fn a_short_line_is_trimmed_and_whole() {
        let text = b"a\n \t eval(x) \r\nb";
        assert_eq!(evidence(text, 2, 5), "eval(x)");
        let long = format!("eval({})", "x".repeat(114));
        assert_eq!(evidence(long.as_bytes(), 0, 0), long);
        assert_eq!(evidence(format!("{long}!").as_bytes(), 0, 0), format!("{long}…"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_match() {
        let line = format!("{}eval(x){}", "é ".repeat(5000), " ü".repeat(5000));
        let shown = evidence(line.as_bytes(), 0, line.find("eval").unwrap());
        assert_eq!(shown.chars().count(), 122);
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.contains("é eval(x) ü"), "{shown}");
    }

    #[test]
    fn a_secret_at_an_edge_is_masked_before_the_cut() {
        let key = "sk-live-abcdefghijklmnop";
        for gap in 0..200 {
            for text in [
                format!("{}'{key}'{}eval(x)", ".".repeat(3000), ".".repeat(gap)),
                format!("eval(x){}'{key}'{}", ".".repeat(gap), ".".repeat(3000)),
            ] {
                let shown = evidence(text.as_bytes(), 0, text.find("eval").unwrap());
                assert!(
                    shown.contains("eval(x)") && !shown.contains("ab") && !shown.contains("op"),
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn a_secret_that_is_read_in_part_is_masked() {
        // Masking shortens what is read so much that its ends are shown.
        let run = "abcdefghijklmnopq1".repeat(300);
        let text = format!("secretword{run}.eval(x).{run}");
        assert_eq!(evidence(text.as_bytes(), 0, text.find("eval").unwrap()), "…***.eval(x).***…");
        let text = format!("{}\\nQUI=\\n-----END KEY-----'; eval(x)", "QUJD\\n".repeat(300));
        assert_eq!(evidence(text.as_bytes(), 0, text.find("eval").unwrap()), "…*** KEY-----'; eval(x)");
    }

    #[test]
    fn broken_text_is_shown_as_such() {
        assert_eq!(evidence(b"\xff\0eval(x)\x80", 0, 2), "\u{fffd}\0eval(x)\u{fffd}");
        assert_eq!(evidence(b"", 0, 0), "");
    }
}
