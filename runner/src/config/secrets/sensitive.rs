//! Which keys and texts are sensitive: by the words of a key's name, and by the well-known shape of some tokens. One
//! decision for what policies see, for outputs and for differences.

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

/// A key whose name holds none of these is no secret: most are ordinary, and taking each apart would cost time.
const STEMS: [&str; 25] = [
    "pw", "tok", "pass", "secret", "cred", "auth", "cook", "bear", "jwt", "key", "account", "pat", "pwd",
    "pin", "mnemonic", "dsn", "otp", "hook", "seed", "phrase", "words", "code", "url", "uri", "string",
];

/// Ends of keys that hold paths, which are never secret.
const PATH_ENDS: [&str; 6] = ["dir", "path", "paths", "file", "root", "workspace"];

/// Words before `key` that make no secret of it, with the reason of each.
const PUBLIC_BEFORE_KEY: [(&str, &str); 12] = [
    ("public", "the half of a pair that is made to be shown"),
    ("pub", "the same"),
    ("primary", "a column of a table"),
    ("foreign", "a column of a table"),
    ("sort", "what a list is ordered by"),
    ("partition", "what a table is divided by"),
    ("group", "what rows are put together by"),
    ("cache", "the name of an entry"),
    ("dedupe", "the name of an entry"),
    ("idempotency", "the number of a request"),
    ("hot", "a key of a keyboard"),
    ("shortcut", "a key of a keyboard"),
];

/// Keys that look like secrets by their last word and are none, with the reason of each. The first column is the section
/// that they stand in, at any depth; elsewhere, such as in the settings of a plugin, the same name is decided by its words.
/// A test walks the whole schema, so that no key of it is decided by chance.
const PUBLIC_KEYS: [(&str, &str, &str); 13] = [
    ("hooks", "defaultSessionKey", "names a session, as session lists show it; knowing it opens nothing"),
    ("hooks", "sessionKey", "names a session"),
    ("session", "mainKey", "names the session of direct messages"),
    ("session", "sessionKey", "names a session"),
    ("bindings", "sessionKey", "names a session"),
    ("agents", "sessionKey", "names a session"),
    ("cron", "sessionKey", "names a session"),
    ("acp", "sessionKey", "names a session"),
    ("acp", "defaultSessionKey", "names a session"),
    (
        "channels/telegram",
        "webhookUrl",
        "this gateway's own public address; webhookSecret beside it is the secret",
    ),
    ("channels/googlechat", "webhookUrl", "this gateway's own public address; requests to it are signed"),
    ("auth/profiles", "auth", "a way to authenticate"),
    ("models/providers", "auth", "a way to authenticate: api-key, aws-sdk, oauth or token"),
];

/// Last words of keys whose text is a secret in settings that no schema describes. What is beneath such a key is not, or a
/// section `auth` would be hidden with all that is in it.
const WIDE_WORDS: [&str; 15] = [
    "pw",
    "pat",
    "pwd",
    "pass",
    "pin",
    "mnemonic",
    "dsn",
    "auth",
    "creds",
    "otp",
    "totp",
    "webhook",
    "webhooks",
    "keyphrase",
    "secretkeybase",
];
/// The same of texts alone: a number there is what it is called after (a seed of a random generator).
const WIDE_TEXT_WORDS: [&str; 1] = ["seed"];

/// Pairs of words at the end of a key whose text is a secret: addresses that hold a login or are one, codes and phrases.
const WIDE_PAIRS: [(&[&str], &[&str]); 3] = [
    (
        &[
            "webhook",
            "database",
            "db",
            "connection",
            "redis",
            "mongo",
            "mongodb",
            "postgres",
            "postgresql",
            "mysql",
            "mariadb",
            "amqp",
            "rabbitmq",
            "jdbc",
            "broker",
            "sentry",
            "postgre",
            "clickhouse",
            "nats",
        ],
        &["url", "uri", "string", "urls", "uris", "dsn"],
    ),
    (
        &[
            "verification",
            "invite",
            "pairing",
            "access",
            "auth",
            "recovery",
            "backup",
            "security",
            "otp",
            "setup",
            "pin",
        ],
        &["code", "codes"],
    ),
    (&["seed", "recovery", "secret", "mnemonic", "backup", "pass"], &["phrase", "words", "phrases"]),
];

/// Words before `key` where a name is written without a boundary: `appkey`, `sshkey`; `monkey` is none.
const JOINED_BEFORE_KEY: [&str; 39] = [
    "api",
    "private",
    "access",
    "secret",
    "signing",
    "encrypt",
    "encryption",
    "auth",
    "master",
    "app",
    "aes",
    "client",
    "license",
    "licence",
    "ssh",
    "encoding",
    "encodingaes",
    "account",
    "server",
    "webhook",
    "device",
    "gpg",
    "pgp",
    "rsa",
    "storage",
    "subscription",
    "integration",
    "service",
    "consumer",
    "user",
    "bot",
    "deploy",
    "admin",
    "root",
    "shared",
    "host",
    "tls",
    "ssl",
    "session",
];

/// Words behind the one that counts: `tokenV2`, `passwordOld`, `apiKeyProd`.
const QUALIFIERS: [&str; 33] = [
    "value",
    "text",
    "plain",
    "raw",
    "old",
    "new",
    "current",
    "previous",
    "next",
    "prod",
    "production",
    "dev",
    "development",
    "test",
    "testing",
    "staging",
    "main",
    "default",
    "backup",
    "primary",
    "secondary",
    "base64",
    "b64",
    "hex",
    "hash",
    "hashed",
    "pem",
    "data",
    "env",
    "encrypted",
    "live",
    "sandbox",
    "alt",
];

/// Names of parameters in URLs and of flags that are secrets there, besides those that are secrets as keys.
const PARAMETERS: [&str; 9] = ["key", "sig", "signature", "auth", "pass", "pwd", "code", "ticket", "bearer"];

/// Beginnings of tokens that are recognised anywhere, with the least length of such a token in bytes.
const TOKEN_SHAPES: [(&str, usize); 44] = [
    ("sk-", 20),
    ("sk_live_", 20),
    ("sk_test_", 20),
    ("rk_live_", 20),
    ("whsec_", 20),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 20),
    ("gldt-", 20),
    ("glrt-", 20),
    ("xoxb-", 15),
    ("xoxp-", 15),
    ("xoxa-", 15),
    ("xoxr-", 15),
    ("xoxs-", 15),
    ("xoxc-", 15),
    ("xoxd-", 15),
    ("xapp-", 15),
    ("xwfp-", 15),
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 30),
    ("ya29.", 20),
    ("1//0", 30),
    ("GOCSPX-", 20),
    ("npm_", 30),
    ("pypi-", 30),
    ("hf_", 30),
    ("gsk_", 20),
    ("pplx-", 20),
    ("tvly-", 20),
    ("xai-", 30),
    ("r8_", 30),
    ("shpat_", 20),
    ("dop_v1_", 30),
    ("SG.", 40),
    ("lin_api_", 30),
    ("ntn_", 30),
    ("AGE-SECRET-KEY-1", 40),
    ("eyJhbGciOi", 40),
];
/// What a Telegram bot's token is made of: a number, a colon and a key; the least length of each.
const BOT_TOKEN: (usize, usize) = (6, 30);

/// How sure a key's name is about a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Sensitivity {
    /// Not sensitive by its name.
    None,
    /// A text or a list of texts, and nothing below; a number is what it is.
    OwnTexts,
    /// Texts and numbers, also in a list, and nothing below.
    Own,
    /// A plural such as `tokens`: a text is a secret, a number is a count.
    Texts,
    /// Texts and numbers.
    All,
}

impl Sensitivity {
    /// What lies below such a key is secret, too.
    pub(in crate::config) fn reaches_down(self) -> bool {
        matches!(self, Self::Texts | Self::All)
    }

    /// A number is secret, too.
    pub(in crate::config) fn takes_numbers(self) -> bool {
        matches!(self, Self::Own | Self::All)
    }
}

/// What the name of a key says about its value, wherever it stands.
pub(in crate::config) fn of_key(key: &str) -> Sensitivity {
    if !may_be_secret(key) {
        return Sensitivity::None;
    }
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

/// Ends of names that are one word of two.
const JOINED_ENDS: [&str; 6] = ["token", "secret", "password", "passwd", "passphrase", "apikey"];

/// What lies between the words of a name does not count: `pass-word` and `API_KEY` are looked at.
fn may_be_secret(key: &str) -> bool {
    let letters: String = key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    STEMS.iter().any(|stem| letters.contains(stem))
}

/// What the name of a key says where no schema says what it holds: more names than [`of_key`] has.
pub(in crate::config) fn wide_key(key: &str) -> Sensitivity {
    if !may_be_secret(key) {
        return Sensitivity::None;
    }
    let strict = of_key(key);
    if strict != Sensitivity::None {
        return strict;
    }
    let mut words = words(key);
    if words.concat().ends_with("accesskeyid") {
        return Sensitivity::All;
    }
    let is_version = |word: &str| is_number(word.trim_start_matches('v'));
    while words.len() > 1
        && words.last().is_some_and(|word| is_version(word) || QUALIFIERS.contains(&word.as_str()))
    {
        words.pop();
    }
    if let Some(last) = words.last_mut() {
        last.truncate(last.trim_end_matches(|c: char| c.is_ascii_digit()).len());
    }
    let bare = words.join("_");
    let strict = of_key(&bare);
    if strict != Sensitivity::None {
        return strict;
    }
    let Some((last, before)) = words.split_last() else { return Sensitivity::None };
    if let Some(kind) = key_word(last, before) {
        return kind;
    }
    let last = last.as_str();
    if WIDE_WORDS.contains(&last) {
        return Sensitivity::Own;
    }
    if WIDE_TEXT_WORDS.contains(&last) {
        return Sensitivity::OwnTexts;
    }
    let joined = words.concat();
    // `accesstoken`, `DBPASSWORD`: without a boundary the end tells.
    if JOINED_ENDS.iter().any(|end| joined.ends_with(end)) {
        return Sensitivity::Own;
    }
    let is_pair = |first: &&str, second: &&str| {
        joined.strip_suffix(second).is_some_and(|rest| {
            // Without a boundary the two make the whole name: `databaseurl`, and not `mydbstring`.
            rest == *first || before.last().is_some_and(|word| word == first) && last == *second
        })
    };
    let pairs = WIDE_PAIRS.iter().any(|(firsts, seconds)| {
        seconds.iter().any(|second| firsts.iter().any(|first| is_pair(first, second)))
    });
    if pairs { Sensitivity::Own } else { Sensitivity::None }
}

/// `appKey`, `sshkey`, `licenseKeys`; none where it is no key of this kind.
fn key_word(last: &str, before: &[String]) -> Option<Sensitivity> {
    let (stem, kind) = match last.strip_suffix("keys") {
        Some(stem) => (stem, Sensitivity::OwnTexts),
        None => (last.strip_suffix("key")?, Sensitivity::All),
    };
    let is_public = |word: &str| PUBLIC_BEFORE_KEY.iter().any(|(public, _)| *public == word);
    if stem.is_empty() {
        let word = before.last()?;
        return (!is_public(word)).then_some(kind);
    }
    JOINED_BEFORE_KEY.contains(&stem).then_some(kind)
}

/// The key is no secret although its name looks like one. `section` is the pointer that it stands below; none where it is
/// not known, as in an include.
pub(in crate::config) fn is_public(section: Option<&str>, key: &str) -> bool {
    PUBLIC_KEYS.iter().any(|(below, name, _)| {
        *name == key
            && section.is_none_or(|section| {
                let rest = section.strip_prefix('/').and_then(|section| section.strip_prefix(below));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    })
}

/// Names of objects whose members are all secret: environments and HTTP headers.
pub(in crate::config) fn is_secret_map(key: &str) -> bool {
    is_secret_list(key) || key.ends_with("Headers") || key.ends_with("Env")
}

/// The same of lists of `NAME=value`. Other names that end alike hold names alone: `requiredHeaders`, `clearEnv`.
pub(in crate::config) fn is_secret_list(key: &str) -> bool {
    const MAPS: [&str; 11] = [
        "env",
        "envs",
        "environ",
        "environment",
        "envvars",
        "environmentvariables",
        "environmentvars",
        "vars",
        "variables",
        "headers",
        "httpheaders",
    ];
    let lower: String =
        key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    MAPS.contains(&lower.as_str())
}

/// Names of sections whose members have names that users choose: accounts, plugins, providers.
pub(in crate::config) fn has_chosen_names(key: &str) -> bool {
    [
        "accounts",
        "entries",
        "profiles",
        "providers",
        "installs",
        "guilds",
        "channels",
        "groups",
        "direct",
        "dms",
        "teams",
        "topics",
        "rooms",
        "servers",
        "agents",
        "byProvider",
        "byChannel",
        "identityLinks",
        "toolsBySender",
        "models",
        "roles",
        "accessGroups",
    ]
    .contains(&key)
}

/// True for keys that hold a command line, or the arguments of one.
pub(in crate::config) fn is_command_key(key: &str) -> bool {
    let words = words(key);
    words.last().is_some_and(|last| {
        [
            "args",
            "argv",
            "arguments",
            "command",
            "commands",
            "cmd",
            "cmdline",
            "commandline",
            "exec",
            "run",
            "script",
            "entrypoint",
            "shell",
            "flags",
            "options",
        ]
        .contains(&last.as_str())
    })
}

/// True for keys whose texts others are matched by.
pub(in crate::config) fn is_pattern_key(key: &str) -> bool {
    let words = words(key);
    words.last().is_some_and(|last| {
        ["pattern", "patterns", "regex", "regexp", "glob", "globs"].contains(&last.as_str())
    })
}

/// True for keys that hold an address: of a server, or of a proxy on the way to it.
pub(in crate::config) fn is_address_key(key: &str) -> bool {
    let words = words(key);
    is_url_key(key)
        || words.last().is_some_and(|last| {
            [
                "dsn",
                "server",
                "host",
                "address",
                "addr",
                "broker",
                "remote",
                "origin",
                "connection",
                "upstream",
                "proxies",
            ]
            .contains(&last.as_str())
        })
}

/// True for the name of a URL's parameter or of a flag whose value is a secret.
pub(in crate::config) fn is_secret_parameter(name: &str, value: &str) -> bool {
    match wide_key(name) {
        // A number of tokens is a count.
        Sensitivity::Texts => !is_number(value),
        Sensitivity::All | Sensitivity::Own | Sensitivity::OwnTexts => true,
        Sensitivity::None => {
            let last = words(name).pop().unwrap_or_default();
            PARAMETERS.contains(&last.as_str()) && !has_public_word(name)
        }
    }
}

/// True for a name in any text whose value is a secret: `password=...`.
pub(in crate::config) fn is_secret_word(name: &str, value: &str) -> bool {
    match wide_key(name) {
        Sensitivity::All => true,
        Sensitivity::Texts => !is_number(value),
        Sensitivity::None | Sensitivity::Own | Sensitivity::OwnTexts => false,
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `publicKey`, `sortKey`.
fn has_public_word(name: &str) -> bool {
    words(name)
        .iter()
        .rev()
        .nth(1)
        .is_some_and(|word| PUBLIC_BEFORE_KEY.iter().any(|(public, _)| public == word))
}

/// True for keys whose values the gateway takes for paths, by the ends of their names: `profile` is one of them, though no
/// profile is a path.
pub(in crate::config) fn is_path_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    PATH_ENDS.iter().any(|end| key.ends_with(end))
}

/// True for keys whose values name paths, which are never secret: path keys, and the mounts of a sandbox.
pub(in crate::config) fn names_paths(key: &str) -> bool {
    is_path_key(key) && !key.to_ascii_lowercase().ends_with("profile") || key == "binds"
}

/// True for keys whose values are URLs.
pub(in crate::config) fn is_url_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["url", "urls", "uri", "endpoint", "proxy"].iter().any(|end| key.ends_with(end))
}

/// True for a text that has the shape of a well-known kind of token.
pub(in crate::config) fn looks_like_token(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("-----BEGIN") && text.len() >= 30
        || token_shape(text).is_some_and(|shape| shape.len() == text.len())
}

/// The range of a token of a well-known kind in a word, without the punctuation around it.
pub(in crate::config) fn token_shape(word: &str) -> Option<std::ops::Range<usize>> {
    let is_inner =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=' | '+' | '/' | ':' | '~');
    let start = word.len() - word.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).len();
    let token = word.trim_matches(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
    let token = token.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if token.is_empty() || !token.chars().all(is_inner) {
        return None;
    }
    let is_service =
        TOKEN_SHAPES.iter().any(|(start, least)| token.starts_with(start) && token.len() >= *least);
    // A path may begin like a token.
    let is_path = || token.contains('/') && !token.starts_with("1//0");
    let is_bot = || {
        token.split_once(':').is_some_and(|(number, key)| {
            number.len() >= BOT_TOKEN.0
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && key.len() >= BOT_TOKEN.1
                && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        })
    };
    ((is_service && !is_path()) || is_bot()).then(|| start..start + token.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_free_settings() {
        for key in [
            "encodingAESKey",
            "encryptKey",
            "aesKey",
            "appKey",
            "accessKey",
            "accessKeyId",
            "accessKeySecret",
            "clientKey",
            "licenseKey",
            "sshKey",
            "session_key",
            "x-license-key",
            "tokenV2",
            "webhookSecret_v2",
            "passwordOld",
            "API_KEY_PROD",
            "appkey",
            "sshkey",
            "SSH_KEY_2",
            "myToken1",
            "fooPassword",
        ] {
            assert_eq!(wide_key(key), Sensitivity::All, "{key}");
        }
        for key in [
            "dsn",
            "sentryDsn",
            "connectionString",
            "connectionstring",
            "databaseUrl",
            "DATABASE_URL",
            "databaseurl",
            "webhookUrl",
            "pat",
            "githubPat",
            "pwd",
            "pin",
            "mnemonic",
            "auth",
            "dbUri",
            "inviteCode",
            "seedPhrase",
        ] {
            assert_eq!(wide_key(key), Sensitivity::Own, "{key}");
        }
        for key in ["seed", "licenseKeys"] {
            assert_eq!(wide_key(key), Sensitivity::OwnTexts, "{key}");
        }
        for key in [
            "key",
            "keys",
            "publicKey",
            "public_key",
            "sortKey",
            "keyPrefix",
            "monkey",
            "hotkey",
            "tokenFile",
            "tokenUrl",
            "maxTokensField",
            "pattern",
            "compat",
            "bypass",
            "author",
            "pins",
            "oauth",
            "mode",
            "baseUrl",
            "keyId",
            "mydbstring",
            "",
            "_",
            "1",
            "v2",
        ] {
            assert_eq!(wide_key(key), Sensitivity::None, "{key}");
        }
    }

    #[test]
    fn a_profile_is_no_path() {
        for key in ["workdir", "stateDir", "path", "extraPaths", "keyFile", "root", "workspace", "binds"] {
            assert!(names_paths(key), "{key}");
        }
        for key in ["profile", "seccompProfile", "preferredProfile", "id", "directory_id"] {
            assert!(!names_paths(key), "{key}");
        }
    }

    #[test]
    fn shapes_of_tokens() {
        for text in [
            "sk-abcdefghijklmnopqrstuvwxyz",
            " ghp_0123456789abcdefghij ",
            "-----BEGIN RSA PRIVATE KEY----- x",
        ] {
            assert!(looks_like_token(text), "{text}");
        }
        for text in ["sk-short", "sk-two words that are long enough", "npm_", "sk-a/b/c/d/e/f/g/h/i/j/k/l"] {
            assert!(!looks_like_token(text), "{text}");
        }
        assert_eq!(token_shape("(sk-0123456789abcdefghij)."), Some(1..24));
        assert_eq!(token_shape("123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"), Some(0..44));
    }
}
