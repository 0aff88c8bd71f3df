//! Credentials inside a text: in URLs with and without `://`, behind flags, in assignments and headers, and tokens of a
//! well-known shape. All of it takes time in proportion to the text, whatever that holds.

use std::collections::HashSet;
use std::ops::Range;

use crate::config::sensitive::{Sensitivity, is_secret_parameter, is_secret_word, token_shape, wide_key};

/// How far behind the host's place the `@` of a login is looked for where the login itself holds `/`, `?` or a space: far
/// longer than any password, and short enough for a text that is made of such beginnings.
const LOGIN_WINDOW: usize = 1024;
/// A random text without a digit is taken for a token behind `Bearer` from this length on: no word of a sentence is so long.
const LONG_TOKEN: usize = 16;
/// The least length of a token with a digit behind `Bearer`.
const SHORT_TOKEN: usize = 6;

/// Schemes that may stand before a login without `//`.
const SCHEMES: [&str; 36] = [
    "http",
    "https",
    "ws",
    "wss",
    "ftp",
    "ftps",
    "sftp",
    "ssh",
    "socks",
    "socks4",
    "socks4a",
    "socks5",
    "socks5h",
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "redis",
    "rediss",
    "amqp",
    "amqps",
    "mongodb",
    "mongodb+srv",
    "mqtt",
    "mqtts",
    "smtp",
    "smtps",
    "imap",
    "imaps",
    "ldap",
    "ldaps",
    "nats",
    "tcp",
    "tls",
    "sqlserver",
    "clickhouse",
];
/// What stands before a colon where `a:b@c` is an address or a package, and no login.
const NO_LOGIN: [&str; 16] = [
    "mailto",
    "sip",
    "sips",
    "xmpp",
    "acct",
    "tel",
    "npm",
    "jsr",
    "github",
    "gitlab",
    "bitbucket",
    "workspace",
    "file",
    "link",
    "portal",
    "patch",
];
/// Hosts of services whose addresses are themselves the secret, and what stands in the path before it.
const SECRET_PATHS: [(&str, &str); 12] = [
    ("hooks.slack.com", "/services/"),
    ("hooks.slack.com", "/workflows/"),
    ("hooks.slack.com", "/triggers/"),
    ("discord.com", "/webhooks/"),
    ("discordapp.com", "/webhooks/"),
    ("api.telegram.org", "/bot"),
    ("outlook.office.com", "/webhook/"),
    ("webhook.office.com", "/webhookb2/"),
    ("open.feishu.cn", "/hook/"),
    ("open.larksuite.com", "/hook/"),
    ("hooks.zapier.com", "/hooks/catch/"),
    ("maker.ifttt.com", "/with/key/"),
];

/// What kind of text it is.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::config) struct Manner {
    /// An address: a login may stand in it without `://`.
    pub address: bool,
    /// A command line, a part of one, or a comment: flags and headers have values.
    pub command: bool,
    /// A pattern that others are matched by: `token=` in it is what is looked for.
    pub pattern: bool,
}

/// A place in a text that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Piece {
    /// What is not shown.
    pub range: Range<usize>,
    /// The secrets in it.
    pub values: Vec<Range<usize>>,
}

impl Piece {
    fn whole(range: Range<usize>) -> Self {
        Self { values: vec![range.clone()], range }
    }
}

/// The places in a text that hold secrets, in order and apart from each other.
pub(in crate::config) fn in_text(text: &str, manner: Manner) -> Vec<Piece> {
    let mut pieces = urls(text);
    pieces.extend(private_keys(text));
    if !manner.pattern {
        words(text, manner, &mut pieces);
    }
    pieces.retain(|piece| !piece.range.is_empty() && !is_placeholder(slice(text, &piece.range)));
    pieces.sort_by_key(|piece| (piece.range.start, piece.range.end));
    let mut apart: Vec<Piece> = Vec::new();
    for piece in pieces {
        match apart.last_mut() {
            Some(last) if piece.range.start < last.range.end => {
                last.range.end = last.range.end.max(piece.range.end);
                last.values.extend(piece.values);
            }
            _ => apart.push(piece),
        }
    }
    for piece in &mut apart {
        let mut seen = HashSet::new();
        piece.values.retain(|value| seen.insert(value.clone()));
    }
    apart
}

/// False for a text that holds nothing of the kind for certain: most texts, and looking closer would cost time.
pub(in crate::config) fn may_be_in(text: &str) -> bool {
    text.contains(['=', ':', '@', '-', '_', '.'])
        || text.contains("earer")
        || text.contains("asic")
        || text.contains("EARER")
        || text.contains("ASIC")
        || text.split_ascii_whitespace().any(|word| word.len() >= LONG_TOKEN)
}

/// The text with a mark in each of the places.
pub(in crate::config) fn marked(text: &str, pieces: &[Piece], mark: &str) -> String {
    let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
    for piece in pieces {
        shown.push_str(slice(text, &(at..piece.range.start)));
        shown.push_str(mark);
        at = piece.range.end;
    }
    shown.push_str(slice(text, &(at..text.len())));
    shown
}

/// True where the item of a list of arguments is the value of the flag before it.
pub(in crate::config) fn is_value_of(flag: &str, value: &str) -> bool {
    if value.is_empty() || value.starts_with("--") || is_placeholder(value) {
        return false;
    }
    match flag {
        // A port, or a flag that has no value here.
        "-p" => !value.starts_with('-') && !value.bytes().all(|byte| byte.is_ascii_digit()),
        "-u" | "--user" | "--proxy-user" | "-U" => value.contains(':'),
        _ => {
            let name = flag.trim_start_matches(['-', '/']);
            name.len() < flag.len() && !name.contains('=') && is_secret_parameter(name, value)
        }
    }
}

/// True for a flag whose value is a variable for another program: `-e NAME=value`.
pub(in crate::config) fn passes_variable(flag: &str) -> bool {
    matches!(flag, "-e" | "--env" | "--environment" | "--env-var" | "--set-env")
}

fn slice<'t>(text: &'t str, range: &Range<usize>) -> &'t str {
    text.get(range.clone()).unwrap_or_default()
}

/// `${NAME}`, `{{name}}`, `<name>`, `$NAME` and `%NAME%` stand for a value that is elsewhere.
fn is_placeholder(text: &str) -> bool {
    let text = text.trim_matches(['"', '\'']);
    let name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.: ".contains(&byte))
    };
    [("${", "}"), ("{{", "}}"), ("<", ">"), ("%", "%"), ("$", "")].iter().any(|(start, end)| {
        text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)).is_some_and(name)
    })
}

// ---- URLs ----

fn urls(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("://")) {
        let start = from + at + 3;
        let rest = text.get(start..).unwrap_or_default();
        let end = start + rest.find(is_url_end).unwrap_or(rest.len());
        let end = url(text, start, end, &mut pieces);
        from = end.max(start);
    }
    pieces
}

fn is_url_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

/// One URL, from behind `://`; gives where it ends.
fn url(text: &str, start: usize, end: usize, pieces: &mut Vec<Piece>) -> usize {
    let (login, host) = match login_end(text, start, end) {
        Some(at) => (start..at, at + 1),
        None => (start..start, start),
    };
    let end = if host > end {
        let rest = text.get(host..).unwrap_or_default();
        host + rest.find(is_url_end).unwrap_or(rest.len())
    } else {
        end
    };
    if !login.is_empty() {
        pieces.push(login_piece(text, login));
    }
    let tail = slice(text, &(host..end));
    let host_end = host + tail.find(['/', '?', '#', '\\']).unwrap_or(tail.len());
    let tail = slice(text, &(host_end..end));
    let query = host_end + tail.find(['?', '#']).unwrap_or(tail.len());
    pieces.extend(secret_path(text, host..host_end, host_end..query));
    let mut at = query;
    for part in slice(text, &(query..end)).split_inclusive(['?', '&', '#', ';']) {
        let bare = part.trim_end_matches(['?', '&', '#', ';']);
        if let Some((name, value)) = bare.split_once('=')
            && !value.is_empty()
            && is_secret_parameter(&unescaped(name), value)
        {
            let value = at + name.len() + 1;
            pieces.push(Piece::whole(value..at + bare.len()));
        }
        at += part.len();
    }
    end
}

/// The place of the `@` behind a login.
fn login_end(text: &str, start: usize, end: usize) -> Option<usize> {
    let rest = slice(text, &(start..end));
    let authority = rest.get(..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())).unwrap_or_default();
    if let Some(at) = authority.rfind('@') {
        return Some(start + at);
    }
    // A password that should have been escaped.
    let (_, port) = authority.rsplit_once(':')?;
    if authority.starts_with('[') || port.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Some(at) = rest.rfind('@') {
        return Some(start + at);
    }
    let mut window = (end + LOGIN_WINDOW).min(text.len());
    while !text.is_char_boundary(window) {
        window -= 1;
    }
    let more = slice(text, &(end..window));
    let more = more.get(..more.find("://").unwrap_or(more.len())).unwrap_or_default();
    more.find('@').map(|at| end + at)
}

/// A user name beside a password is not secret, but it is often the token itself.
fn login_piece(text: &str, range: Range<usize>) -> Piece {
    let login = slice(text, &range);
    let values = match login.find(':') {
        Some(colon) => {
            let (name, password) = (range.start..range.start + colon, range.start + colon + 1..range.end);
            [password, name].into_iter().filter(|value| !value.is_empty()).collect()
        }
        None => vec![range.clone()],
    };
    Piece { range, values }
}

/// What is secret in the path of a service's address.
fn secret_path(text: &str, host: Range<usize>, path: Range<usize>) -> Option<Piece> {
    let host = slice(text, &host);
    let host = host.split_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
    let found = SECRET_PATHS.iter().find_map(|(service, before)| {
        let same = host.strip_suffix(service).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let at = slice(text, &path).find(before).filter(|_| same)?;
        Some(path.start + at + before.len()..path.end)
    })?;
    (!found.is_empty()).then(|| Piece::whole(found))
}

/// Percent-encoded letters of a parameter's name as they are meant.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pair = tail.first().and_then(hex).zip(tail.get(1).and_then(hex)).filter(|_| *first == b'%');
        if let Some((high, low)) = pair {
            bytes.push(high * 16 + low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `user:password@host` and `http:user:password@host`, as the range of the login in a word.
fn bare_login(word: &str, address: bool) -> Option<Range<usize>> {
    if word.contains("://") {
        return None;
    }
    let mut start = word.len() - word.trim_start_matches(['"', '\'', '(', '[']).len();
    // The value of `--proxy=` or `PROXY=`.
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(equals) = word.find('=')
        && word.get(start..equals)?.chars().all(is_name)
    {
        start = equals + 1;
    }
    let body = word.get(start..)?;
    let slashes = body.len() - body.trim_start_matches('/').len();
    let (start, body) = (start + slashes, body.get(slashes..)?);
    let head = body.get(..body.find(['/', '?', '#']).unwrap_or(body.len()))?;
    let at = head.rfind('@').or_else(|| {
        let (_, port) = head.rsplit_once(':')?;
        (!port.bytes().all(|byte| byte.is_ascii_digit())).then(|| body.rfind('@'))?
    })?;
    let (first, rest) = body.get(..at)?.split_once(':')?;
    let host = body.get(at + 1..)?;
    if rest.is_empty() || !host.starts_with(|c: char| c.is_alphanumeric() || c == '[') {
        return None;
    }
    let first_lower = first.to_ascii_lowercase();
    if SCHEMES.contains(&first_lower.as_str()) {
        let slashes = rest.len() - rest.trim_start_matches('/').len();
        return Some(start + first.len() + 1 + slashes..start + at);
    }
    let ends_in_port = || {
        let host = host.get(..host.find(['/', '?', '#', ',', '"', '\'']).unwrap_or(host.len()));
        host.and_then(|host| host.rsplit_once(':')).is_some_and(|(name, port)| {
            !name.is_empty()
                && (1..=5).contains(&port.len())
                && port.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    if NO_LOGIN.contains(&first_lower.as_str()) || !(address || slashes == 2 || ends_in_port()) {
        return None;
    }
    Some(start..start + at)
}

// ---- words ----

/// The words of a text: apart by white space; on a command line a quoted part holds white space.
fn split(text: &str, quotes: bool) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut start, mut quote, mut before) = (None, None, ' ');
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c.is_whitespace() => words.extend(start.take().map(|start| start..at)),
            None => {
                if start.is_none() {
                    start = Some(at);
                }
                // An apostrophe inside a word opens nothing.
                if quotes
                    && matches!(c, '"' | '\'')
                    && (before.is_whitespace() || matches!(before, '=' | ':'))
                {
                    quote = Some(c);
                }
            }
        }
        before = c;
    }
    words.extend(start.map(|start| start..text.len()));
    words
}

fn words(text: &str, manner: Manner, pieces: &mut Vec<Piece>) {
    let words = split(text, manner.command);
    // Where the last header's value ends: what stands in it is looked at once.
    let mut covered = 0;
    for (number, range) in words.iter().enumerate() {
        let word = slice(text, range);
        let before =
            number.checked_sub(1).and_then(|before| words.get(before)).map(|before| slice(text, before));
        if let Some(login) = bare_login(word, manner.address || manner.command) {
            pieces.push(login_piece(text, range.start + login.start..range.start + login.end));
        }
        if let Some(before) = before {
            let flag = before.trim_matches(['"', '\'']);
            if manner.command && is_value_of(flag, word.trim_matches(['"', '\''])) {
                let range = unquoted(text, range);
                let password = slice(text, &range).find(':').map(|colon| range.start + colon + 1..range.end);
                let values = password.into_iter().chain([range.clone()]).collect();
                pieces.push(Piece { range, values });
            }
            if manner.command && passes_variable(flag) {
                pieces.extend(assigned(text, range, |_, _| true));
            }
            let scheme = before.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            if ["bearer", "basic"].iter().any(|name| scheme.eq_ignore_ascii_case(name)) && is_random(word) {
                pieces.push(Piece::whole(unquoted(text, range)));
            }
        }
        if manner.command {
            pieces.extend(assigned(text, range, is_secret_parameter));
            if range.start >= covered
                && let Some(piece) = header(text, range)
            {
                covered = piece.range.end;
                pieces.push(piece);
            }
        }
        chunks(text, range, manner, pieces);
    }
}

/// A word without the quotes around it, and without what punctuation follows.
fn unquoted(text: &str, range: &Range<usize>) -> Range<usize> {
    let word = slice(text, range);
    let start = word.len() - word.trim_start_matches(['"', '\'']).len();
    let end = word.trim_end_matches(['"', '\'', ',', ';']).len();
    if start < end { range.start + start..range.start + end } else { range.clone() }
}

/// True for what may be a token behind `Bearer`.
fn is_random(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    word.len() >= LONG_TOKEN || (word.len() >= SHORT_TOKEN && word.bytes().any(|byte| byte.is_ascii_digit()))
}

/// The value in a word `NAME=value`, to its end.
fn assigned(text: &str, range: &Range<usize>, is_secret: impl Fn(&str, &str) -> bool) -> Option<Piece> {
    let word = slice(text, range);
    let equals = word.find('=')?;
    let name = word.get(..equals)?.trim_start_matches(['-', '"', '\'', '/']);
    let is_name = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'));
    let value = unquoted(text, &(range.start + equals + 1..range.end));
    (is_name && !value.is_empty() && is_secret(name, slice(text, &value))).then(|| Piece::whole(value))
}

/// The value of a header or of a member: `X-Api-Key: value`, `"token": "value"`, to the end of the quoted part or line.
fn header(text: &str, range: &Range<usize>) -> Option<Piece> {
    let word = slice(text, range);
    let colon = word.find(':')?;
    let name = word.get(..colon)?.trim_matches(['"', '\'', '{', ',', '-', '(', '*', '/']);
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !is_name || wide_key(name) == Sensitivity::None {
        return None;
    }
    let start = range.start + colon + 1;
    let rest = slice(text, &(start..text.len()));
    let value = rest.trim_start_matches([' ', '\t']);
    let start = start + rest.len() - value.len();
    // Numbers and truth values behind such a name are counts and switches.
    if ["true", "false", "null", "//"].iter().any(|word| value.starts_with(word)) {
        return None;
    }
    let (start, length) = match value.chars().next()? {
        quote @ ('"' | '\'') => {
            let inner = value.get(1..)?;
            (start + 1, inner.find([quote, '\n', '\r']).unwrap_or(inner.len()))
        }
        // Without a space behind the colon it is one word of a command line.
        _ if rest.len() == value.len() => (start, range.end.saturating_sub(start)),
        _ => (start, value.find(['"', '\'', ',', '}', '\n', '\r']).unwrap_or(value.len())),
    };
    let value = slice(text, &(start..start + length)).trim_end();
    let range = start..start + value.len();
    // `Bearer` and such say how the rest is meant.
    let bare = value.find(' ').map(|space| start + space + 1..range.end);
    let values = bare.into_iter().chain([range.clone()]).collect();
    (!value.is_empty()).then_some(Piece { range, values })
}

/// Assignments and tokens between the punctuation of a word.
fn chunks(text: &str, range: &Range<usize>, manner: Manner, pieces: &mut Vec<Piece>) {
    let is_secret = |name: &str, value: &str| {
        if manner.address || manner.command {
            is_secret_parameter(name, value)
        } else {
            is_secret_word(name, value)
        }
    };
    let is_end = |c: char| {
        matches!(
            c,
            ',' | ';'
                | '&'
                | '?'
                | '#'
                | '{'
                | '}'
                | '('
                | ')'
                | '<'
                | '>'
                | '|'
                | '"'
                | '\''
                | '`'
                | '['
                | ']'
        )
    };
    let mut at = range.start;
    for chunk in slice(text, range).split_inclusive(is_end) {
        let bare = chunk.trim_end_matches(is_end);
        if let Some((name, value)) = bare.split_once('=') {
            let value_at = at + name.len() + 1;
            let short = name.trim_start_matches('-');
            if !short.is_empty() && is_secret(short, value) {
                let quote = slice(text, &(value_at..text.len())).chars().next();
                match quote {
                    Some(quote @ ('"' | '\'')) if value.is_empty() => {
                        let mut window = (value_at + 1 + LOGIN_WINDOW).min(text.len());
                        while !text.is_char_boundary(window) {
                            window -= 1;
                        }
                        let inner = slice(text, &(value_at + 1..window));
                        let length = inner.find(quote).unwrap_or(inner.len());
                        pieces.push(Piece::whole(value_at + 1..value_at + 1 + length));
                    }
                    _ => pieces.push(Piece::whole(value_at..value_at + value.len())),
                }
            }
        }
        pieces.extend(bare.split(['=', ' ']).filter_map(|part| {
            let start = at + (part.as_ptr() as usize).checked_sub(bare.as_ptr() as usize)?;
            let shape = token_shape(part)?;
            Some(Piece::whole(start + shape.start..start + shape.end))
        }));
        at += chunk.len();
    }
}

/// Private keys, from their first line to their last, or to the end of the text.
fn private_keys(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("-----BEGIN")) {
        let start = from + at;
        let rest = slice(text, &(start..text.len()));
        let end = rest.find("-----END").map_or(text.len(), |end| {
            let tail = slice(text, &(start + end + 8..text.len()));
            start + end + 8 + tail.find("-----").map_or(tail.len(), |end| end + 5)
        });
        pieces.push(Piece::whole(start..end));
        from = end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Manner = Manner { address: true, command: false, pattern: false };
    const COMMAND: Manner = Manner { address: false, command: true, pattern: false };

    fn shown(text: &str, manner: Manner) -> String {
        marked(text, &in_text(text, manner), "*")
    }

    #[test]
    fn credentials_in_urls() {
        for (text, expected) in [
            ("https://u:p@h", "https://*@h"),
            ("https://a@b@h/p", "https://*@h/p"),
            ("wss://h/?token=abc&b=2", "wss://h/?token=*&b=2"),
            ("https://h/p#access_token=x", "https://h/p#access_token=*"),
            ("https://h/?a=1;sig=x&X-Amz-Signature=y", "https://h/?a=1;sig=*&X-Amz-Signature=*"),
            ("https://h/?to%6ben=x", "https://h/?to%6ben=*"),
            ("socks5://u:pw1234567@h:1", "socks5://*@h:1"),
            ("postgres://u:p/w?x@h:5432/db", "postgres://*@h:5432/db"),
            ("postgres://u:p w@h:5432/db", "postgres://*@h:5432/db"),
            ("see http://a:b@c/x and https://d:e@f.", "see http://*@c/x and https://*@f."),
            ("mongodb://u:p@h1,h2/?replicaSet=r", "mongodb://*@h1,h2/?replicaSet=r"),
            ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/services/*"),
            ("https://api.telegram.org/bot12:ab/send", "https://api.telegram.org/bot*"),
            ("https://discord.com/api/webhooks/1/x?wait=1", "https://discord.com/api/webhooks/*?wait=1"),
        ] {
            assert_eq!(shown(text, Manner::default()), expected);
        }
        for text in [
            "https://h/p",
            "https://h/a@b",
            "https://h?x=1",
            "https://h:8080/a@b",
            "http://[::1]:1/@x",
            "https://@h",
            "://",
        ] {
            assert_eq!(shown(text, Manner::default()), text);
        }
    }

    #[test]
    fn credentials_in_addresses_without_slashes() {
        for (text, expected) in [
            ("http:user:pw@host", "http:*@host"),
            ("user:pw@host:1080", "*@host:1080"),
            ("user:pw@host", "*@host"),
            ("//user:pw@host", "//*@host"),
            ("user:p/w@host", "*@host"),
            ("host/path?token=abc", "host/path?token=*"),
            ("host=h user=u password=pw dbname=d", "host=h user=u password=* dbname=d"),
            ("Server=h;User Id=u;Password=p;", "Server=h;User Id=u;Password=*;"),
            ("password='a b' x", "password='*' x"),
        ] {
            assert_eq!(shown(text, ADDRESS), expected);
        }
        for text in
            ["mailto:a@b", "host:80", "user@host:22", "10.0.0.1", "npm:@a/b@1", "h:1/x@y", "", "@", ":@"]
        {
            assert_eq!(shown(text, ADDRESS), text);
        }
        // In any other text, only where it cannot be something else.
        assert_eq!(shown("user:pw@host:1080", Manner::default()), "*@host:1080");
        for text in ["user:pw@host", "npm:a@1.2.3", "img:tag@sha256:0123456789", "whatsapp:12@g.us"] {
            assert_eq!(shown(text, Manner::default()), text);
        }
    }

    #[test]
    fn credentials_on_command_lines() {
        for (text, expected) in [
            ("run --token abc --port 1", "run --token * --port 1"),
            ("run --api-key=abc -v", "run --api-key=* -v"),
            ("run --password \"a b\" x", "run --password \"*\" x"),
            ("run --password='a b' x", "run --password='*' x"),
            ("curl -u me:pw https://h", "curl -u * https://h"),
            ("curl -H 'Authorization: Bearer abc' h", "curl -H 'Authorization: *' h"),
            ("curl -H X-Api-Key:abc h", "curl -H X-Api-Key:* h"),
            ("mysql -p secret", "mysql -p *"),
            ("docker run -e A=b -p 80 x", "docker run -e A=* -p 80 x"),
            ("FOO_KEY=a,b;c run", "FOO_KEY=* run"),
            ("x --proxy=u:pw@h:1", "x --proxy=*@h:1"),
            ("x ghp_0123456789abcdefghij, y", "x *, y"),
        ] {
            assert_eq!(shown(text, COMMAND), expected);
        }
        for text in [
            "run --token --verbose",
            "run --token {{token}} --password ${PASSWORD} --pin $PIN",
            "serve -p 8080",
            "claude -p --output-format json",
            "run --token-file /x --max-tokens 5",
            "don't do it",
        ] {
            assert_eq!(shown(text, COMMAND), text);
        }
    }

    #[test]
    fn credentials_in_prose() {
        for (text, expected) in [
            ("use password=hunter2, then go", "use password=*, then go"),
            ("Bearer abc123def", "Bearer *"),
            ("key -----BEGIN X-----\nabc\n-----END X----- end", "key * end"),
            ("with sk-0123456789abcdefghij.", "with *."),
        ] {
            assert_eq!(shown(text, Manner::default()), expected);
        }
        for text in ["a bearer token", "code=5 is fine", "invalid token: expired", "a == b", "=x", "token="] {
            assert_eq!(shown(text, Manner::default()), text);
        }
        let pattern = Manner { pattern: true, ..Manner::default() };
        assert_eq!(shown(r"\btoken=(\S+)", pattern), r"\btoken=(\S+)");
    }

    #[test]
    fn time_is_in_proportion_to_the_text() {
        for part in ["a://b:c ", "://", "x:y@", "-----BEGIN", "password='", "token=\"", "a://b:c/@"] {
            let text = part.repeat(40_000);
            for manner in [Manner::default(), ADDRESS, COMMAND] {
                in_text(&text, manner);
            }
        }
    }
}
