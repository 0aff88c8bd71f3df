//! Which keys and texts are sensitive: by the words of a key's name, by credentials inside a URL, and by the
//! well-known shape of some tokens.

/// Last words of keys whose value is a secret.
const SECRET_WORDS: [&str; 14] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "credential",
    "authorization",
    "cookie",
    "bearer",
    "jwt",
    "apikey",
    "privatekey",
    "serviceaccount",
];

/// Words before `key` that make it a secret; `sessionKey`, `mainKey` or `keyPrefix` are none.
const KEY_WORDS: [&str; 9] =
    ["api", "private", "access", "secret", "signing", "encrypt", "encryption", "auth", "master"];

/// Ends of keys that hold paths, which are never secret.
const PATH_ENDS: [&str; 6] = ["dir", "path", "paths", "file", "root", "workspace"];

/// Beginnings of tokens that are recognised anywhere, with the least length of such a token in bytes.
const TOKEN_SHAPES: [(&str, usize); 14] = [
    ("sk-", 20),
    ("ghp_", 20),
    ("gho_", 20),
    ("github_pat_", 20),
    ("glpat-", 20),
    ("xoxb-", 15),
    ("xoxp-", 15),
    ("xapp-", 15),
    ("AKIA", 20),
    ("AIza", 30),
    ("ya29.", 20),
    ("npm_", 30),
    ("hf_", 30),
    ("-----BEGIN", 30),
];

/// How sure a key's name is about a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sensitivity {
    /// Not sensitive by its name.
    None,
    /// A plural such as `tokens`: a text is a secret, a number is a count.
    Texts,
    /// Texts and numbers.
    All,
}

/// What the name of a key says about its value.
pub(super) fn of_key(key: &str) -> Sensitivity {
    let words = words(key);
    let Some((last, before)) = words.split_last() else { return Sensitivity::None };
    let joined: String = words.concat();
    let key_of = |word: &str| {
        word == "key" && before.last().is_some_and(|word| KEY_WORDS.contains(&word.as_str()))
            || ["apikey", "privatekey", "accesskey", "secretkey"]
                .iter()
                .any(|end| joined.ends_with(end) && joined.ends_with(word))
    };
    if SECRET_WORDS.contains(&last.as_str())
        || SECRET_WORDS.iter().any(|word| joined == *word)
        || key_of(last)
    {
        return Sensitivity::All;
    }
    let Some(single) = last.strip_suffix('s') else { return Sensitivity::None };
    if SECRET_WORDS.contains(&single) || key_of(single) {
        return Sensitivity::Texts;
    }
    Sensitivity::None
}

/// True for keys whose values are paths.
pub(super) fn is_path_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    PATH_ENDS.iter().any(|end| key.ends_with(end))
}

/// True for keys whose values name paths, which are never secret: path keys, and the mounts of a sandbox.
pub(super) fn names_paths(key: &str) -> bool {
    is_path_key(key) || key == "binds"
}

/// True for keys whose values are URLs.
pub(super) fn is_url_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["url", "urls", "uri", "endpoint", "proxy"].iter().any(|end| key.ends_with(end))
}

/// True for a text that has the shape of a well-known kind of token.
pub(super) fn looks_like_token(text: &str) -> bool {
    let text = text.trim();
    TOKEN_SHAPES.iter().any(|(start, least)| {
        text.starts_with(start)
            && text.len() >= *least
            && (*start == "-----BEGIN" || !text.contains(char::is_whitespace))
    })
}

/// `webhookSecret_v2` -> `webhook`, `secret`, `v2`; `OPENCLAW_TOKEN` -> `openclaw`, `token`; `APIKey` -> `api`, `key`.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let chars: Vec<char> = key.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let lower = |c: Option<&char>| c.is_some_and(|c| c.is_lowercase());
        let starts = c.is_uppercase()
            && (lower(before) || (before.is_some_and(|c| c.is_uppercase()) && lower(chars.get(at + 1))));
        if starts || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A URL with its credentials replaced, and the credentials. `None` when it is no URL or holds none.
pub(super) fn redact_url(text: &str, mark: &str) -> Option<(String, Vec<String>)> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, tail) = split_before(rest, &['/', '?', '#', '\\']);
    let mut found = Vec::new();
    let mut shown = format!("{scheme}://");
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            match user.split_once(':') {
                Some((name, password)) => {
                    found.push(password.to_owned());
                    // A user name beside a password is not secret, but it is often the token itself.
                    found.push(name.to_owned());
                }
                None => found.push(user.to_owned()),
            }
            shown.push_str(mark);
            shown.push('@');
            shown.push_str(host);
        }
        None => shown.push_str(authority),
    }
    let (path, query) = split_before(tail, &['?', '#']);
    shown.push_str(path);
    let mut separators = query.chars().filter(|c| matches!(c, '?' | '&' | '#' | ';'));
    for part in query.split(['?', '&', '#', ';']).skip(1) {
        shown.extend(separators.next());
        match part.split_once('=') {
            Some((name, value)) if is_secret_parameter(name) && !value.is_empty() => {
                found.push(value.to_owned());
                shown.push_str(name);
                shown.push('=');
                shown.push_str(mark);
            }
            _ => shown.push_str(part),
        }
    }
    found.retain(|value| !value.is_empty());
    (!found.is_empty()).then_some((shown, found))
}

fn is_secret_parameter(name: &str) -> bool {
    of_key(name) != Sensitivity::None
        || ["key", "sig", "signature", "auth", "pass", "pwd", "code"]
            .iter()
            .any(|other| name.eq_ignore_ascii_case(other))
}

fn split_before<'t>(text: &'t str, ends: &[char]) -> (&'t str, &'t str) {
    let at = text.find(ends).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
}
