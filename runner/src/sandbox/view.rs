//! The paths that a policy may name, and what is granted of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pattern::matches;
use crate::policy::manifest::{Capabilities, FileCapability};

/// Longest path that is looked at (`PATH_MAX` of Linux), before decoding.
const MAX_PATH_BYTES: usize = 4096;

/// What can be read below the state directory, by purpose; `docs/policies.md` has the same list. Below the folders of code
/// these are scripts and what describes them; everything else there is data of the code's own.
const CODE_FOLDERS: [&str; 7] = [
    "extensions/**",
    "hooks/**",
    "npm/**",
    "skills/**",
    "workspace*/.agents/skills/**",
    "workspace*/.openclaw/extensions/**",
    "workspace*/skills/**",
];

/// Names that are never read, also where the purpose would allow it: what people and editors call files with secrets.
const SECRET_NAMES: [&str; 10] = [
    ".env*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_ed25519*",
    "id_ecdsa*",
    ".netrc*",
    ".npmrc*",
];

/// Endings of files that hold code: those that the gateway's loader takes.
const SCRIPTS: [&str; 8] = ["js", "ts", "mjs", "cjs", "mts", "cts", "jsx", "tsx"];

/// What describes a plugin, a skill or a hook; it can be read beside the code.
const DESCRIPTIONS: [&str; 4] = ["package.json", "openclaw.plugin.json", "SKILL.md", "HOOK.md"];

/// Lists in a credentials directory that are no secrets: who may talk to the assistant.
const PUBLIC_FILES: [&str; 2] = ["*-allowFrom.json", "*-pairing.json"];

/// A path that breaks the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathError;

/// Reads a path of the contract: names joined by "/", without empty, "." or ".." parts, percent-encoded bytes.
pub fn decode(rel: &str) -> Result<PathBuf, PathError> {
    if rel.len() > MAX_PATH_BYTES {
        return Err(PathError);
    }
    if rel.is_empty() {
        return Ok(PathBuf::new());
    }
    let mut path = PathBuf::new();
    for part in rel.split('/') {
        let name = decode_name(part)?;
        if matches!(name.as_slice(), b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            return Err(PathError);
        }
        path.push(OsString::from_vec(name));
    }
    // One place has one spelling; otherwise "%2E" would pass where "." is looked for.
    if encode(&path) == rel { Ok(path) } else { Err(PathError) }
}

fn decode_name(part: &str) -> Result<Vec<u8>, PathError> {
    let mut name = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(PathError);
            let value = digit()? * 16 + digit()?;
            name.push(u8::try_from(value).map_err(|_| PathError)?);
        } else {
            name.push(byte);
        }
    }
    Ok(name)
}

/// Writes a relative path in the contract's form.
#[must_use]
pub fn encode(path: &Path) -> String {
    let mut text = String::new();
    encode_to(&mut text, path);
    text
}

/// Adds a relative path in the contract's form to a text.
pub fn encode_to(text: &mut String, path: &Path) {
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for (number, part) in chunk.valid().split('%').enumerate() {
            text.push_str(if number > 0 { "%25" } else { "" });
            text.push_str(part);
        }
        for byte in chunk.invalid() {
            text.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
    }
}

/// What one policy may look at.
#[derive(Clone, Debug)]
pub struct Grants {
    capabilities: Arc<Capabilities>,
    /// The views of this audit and their numbers in the snapshot.
    views: Arc<BTreeMap<String, usize>>,
}

impl Grants {
    /// What is both declared and granted, on the views of this audit.
    #[must_use]
    pub fn new(
        capabilities: impl Into<Arc<Capabilities>>,
        views: impl Into<Arc<BTreeMap<String, usize>>>,
    ) -> Self {
        Self { capabilities: capabilities.into(), views: views.into() }
    }

    /// This call on this place is granted.
    #[must_use]
    pub fn allows(&self, verb: &str, view: &str, rel: &str) -> bool {
        let place = if rel.is_empty() { view.to_owned() } else { format!("{view}/{rel}") };
        let granted = self.capabilities.files.iter();
        granted.filter(|file| file.verb == verb).any(|file| matches(&file.pattern, &place))
    }

    /// The number of a view; none where this audit has no such view.
    #[must_use]
    pub fn view(&self, view: &str) -> Option<usize> {
        self.views.get(view).copied()
    }

    /// Some call on the view, or below it, is granted.
    #[must_use]
    pub fn sees(&self, view: &str) -> bool {
        self.views.contains_key(view)
            && self.capabilities.files.iter().any(|file| {
                // The pattern reaches the view where its first parts match the view's name.
                let ends = file.pattern.match_indices('/').nth(view.split('/').count() - 1);
                let first = ends.and_then(|(end, _)| file.pattern.get(..end)).unwrap_or(&file.pattern);
                matches(first, view)
            })
    }

    /// A file by this name can be read at all, by a policy that it is granted to. An allow list by purpose comes first, a
    /// list of names that are never read second; that the object itself is no secret, the snapshot says.
    #[must_use]
    pub fn is_readable(view: &str, rel: &str) -> bool {
        let any = |patterns: &[&str], path: &str| patterns.iter().any(|pattern| matches(pattern, path));
        let name = rel.rsplit('/').next().unwrap_or(rel);
        let is_code = || is_script(name) || DESCRIPTIONS.contains(&name);
        let is_list = |below: &str| !below.contains('/') && any(&PUBLIC_FILES, name);
        let allowed = match view {
            "state" => match rel.strip_prefix("credentials/") {
                Some(below) => is_list(below),
                None => any(&CODE_FOLDERS, rel) && is_code(),
            },
            "credentials" => is_list(rel),
            // One file each; what it must be, the snapshot says.
            "log" => rel.is_empty(),
            _ if view.starts_with("plugin-package/") || view.starts_with("hook-package/") => rel.is_empty(),
            // Code and what describes it; nothing that lies beside it.
            _ if view.starts_with("plugin/") || view.starts_with("skill/") => rel.is_empty() || is_code(),
            // The config and its includes are given as JSON, without their secrets.
            _ => false,
        };
        allowed && !any(&SECRET_NAMES, name)
    }

    /// A capability that asks to read more than can be read, whatever is granted.
    #[must_use]
    pub fn asks_for_more(file: &FileCapability) -> bool {
        let exact = !file.pattern.contains('*');
        let (view, rel) = file.pattern.split_once('/').unwrap_or((&file.pattern, ""));
        let numbered = ["plugin", "skill", "plugin-package", "hook-package", "include"].contains(&view);
        file.verb == "read"
            && match (numbered, exact) {
                (true, _) => view == "include",
                (false, true) => !Self::is_readable(view, rel),
                // Patterns of names that can be read, or within folders of code.
                (false, false) => {
                    let name = rel.rsplit('/').next().unwrap_or(rel);
                    let list = PUBLIC_FILES.iter().any(|list| name.ends_with(list.trim_start_matches("*-")));
                    let in_credentials = view == "credentials" || rel.starts_with("credentials/");
                    let code =
                        CODE_FOLDERS.iter().any(|folder| rel.starts_with(folder.trim_end_matches("**")));
                    let described = is_script(name) || DESCRIPTIONS.contains(&name);
                    !(in_credentials && list || code && described)
                }
            }
    }

    /// Facts about this secret may be asked.
    #[must_use]
    pub fn secret(&self, name: &str) -> bool {
        self.capabilities.secrets.iter().any(|granted| granted == name || pointer_matches(granted, name))
    }

    /// The config value at this pointer may be seen.
    #[must_use]
    pub fn config(&self, pointer: &str) -> bool {
        let parts = |text: &str| text.split('/').count();
        let head = |pattern: &str| pointer.split('/').take(parts(pattern)).collect::<Vec<_>>().join("/");
        self.capabilities.config.iter().any(|granted| pointer_matches(granted, &head(granted)))
    }

    /// The cells of a column may be read.
    #[must_use]
    pub fn column(&self, table: &str, column: &str) -> bool {
        self.capabilities.records.iter().any(|granted| granted.split_once('.') == Some((table, column)))
    }

    /// The result of the gateway probe may be asked.
    #[must_use]
    pub fn gateway(&self) -> bool {
        self.capabilities.gateway
    }

    /// What is both declared and granted.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
}

/// The file holds code, going by its name.
#[must_use]
pub fn is_script(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| SCRIPTS.contains(&ending.as_str()))
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

/// A pointer with `*` segments names this one.
#[must_use]
pub fn pointer_matches(pattern: &str, pointer: &str) -> bool {
    let (mut patterns, mut segments) = (pattern.split('/'), pointer.split('/'));
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return true,
            (Some(pattern), Some(segment)) if pattern == "*" || pattern == segment => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(files: &[&str]) -> Grants {
        let file = |text: &&str| (*text).to_owned().try_into().unwrap();
        let capabilities = Capabilities {
            files: files.iter().map(file).collect(),
            secrets: vec!["/a/token".to_owned(), "/accounts/*/token".to_owned(), "env:T".to_owned()],
            ..Capabilities::default()
        };
        let views = [("state", 0), ("config", 1), ("include/0", 2), ("log", 3), ("credentials", 4)];
        Grants::new(capabilities, BTreeMap::from(views.map(|(name, at)| (name.to_owned(), at))))
    }

    #[test]
    fn the_path_grammar_has_no_way_out() {
        for bad in [
            "/etc",
            "a//b",
            "a/",
            ".",
            "..",
            "a/../b",
            "a/.",
            "%2e%2e/x",
            "%2E",
            "a%2fb",
            "a%00b",
            "%zz",
            "%4",
            "a\0b",
            "%41",
            "auth%2Dprofiles.json",
            "%ff",
        ] {
            assert_eq!(decode(bad), Err(PathError), "{bad:?}");
        }
        assert_eq!(decode(&"a/".repeat(3000)), Err(PathError));
        for good in ["", "a", "a/b", "..a", "a..", "100%25", "%FF%FE", " ", "a\\b", "~"] {
            assert!(decode(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn encoded_paths_come_back() {
        for bytes in [&b"plain/name"[..], b"100%/%41", b"\xff\xfe/\xc3\xa9", b""] {
            let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
            assert_eq!(decode(&encode(&path)), Ok(path));
        }
    }

    #[test]
    fn a_place_needs_its_own_grant() {
        let grants =
            grants(&["stat:state", "stat:state/agents/*/sessions", "list:state/a/**", "stat:include/*"]);
        for (verb, view, rel, allowed) in [
            ("stat", "state", "", true),
            ("stat", "state", "x", false),
            ("list", "state", "", false),
            ("stat", "state", "agents/main/sessions", true),
            ("stat", "state", "agents/a/b/sessions", false),
            ("list", "state", "a/b/c", true),
            ("stat", "include/0", "", true),
            ("stat", "config", "", false),
            ("chmod", "state", "", false),
        ] {
            assert_eq!(grants.allows(verb, view, rel), allowed, "{verb} {view} {rel}");
        }
        assert_eq!((grants.view("include/0"), grants.view("include/7")), (Some(2), None));
        assert!(
            grants.sees("state") && grants.sees("include/0") && !grants.sees("config") && !grants.sees("log")
        );
    }

    #[test]
    fn only_what_has_a_purpose_is_read() {
        for (view, rel) in [
            ("state", ""),
            ("state", "plain"),
            ("state", "notes.js"),
            ("state", "agents/main/agent/auth-profiles.json"),
            ("state", "agents/main/sessions/s.jsonl"),
            ("state", "credentials/oauth.json"),
            ("state", "credentials/whatsapp/default/creds.json"),
            ("state", "credentials/whatsapp/x-allowFrom.json"),
            ("state", ".env"),
            ("state", ".openclaw.json.chitin-20261126T1-abc"),
            ("state", "#openclaw.json#"),
            ("state", "workspace/app/.env"),
            ("state", "workspace/app/index.js"),
            ("state", "openclaw.json"),
            ("state", "openclaw.json.bak.1"),
            ("state", "identity/device.json"),
            ("state", "gateway/tls/gateway-key.pem"),
            ("state", "extensions/x/config.json"),
            ("state", "extensions/x/id_rsa.js"),
            ("state", "skills/x/.env.js"),
            ("state", "npm/package-lock.json"),
            ("credentials", "creds.json"),
            ("credentials", "x/telegram-allowFrom.json"),
            ("config", ""),
            ("include/0", ""),
            ("log", "x"),
            ("plugin-package/0", "node_modules/x/package.json"),
            ("plugin/0", "config.json"),
            ("plugin/0", "lib/notes.md"),
            ("skill/0", ".env"),
        ] {
            assert!(!Grants::is_readable(view, rel), "{view}/{rel}");
        }
        for (view, rel) in [
            ("state", "credentials/telegram-allowFrom.json"),
            ("state", "credentials/telegram-pairing.json"),
            ("state", "extensions/x/package.json"),
            ("state", "extensions/x/lib/index.mjs"),
            ("state", "hooks/x/HOOK.md"),
            ("state", "npm/projects/a/node_modules/b/openclaw.plugin.json"),
            ("state", "workspace-dev/skills/a/SKILL.md"),
            ("credentials", "telegram-allowFrom.json"),
            ("log", ""),
            ("plugin-package/0", ""),
            ("hook-package/12", ""),
            ("plugin/0", ""),
            ("plugin/0", "lib/A.TS"),
            ("plugin/0", "package.json"),
            ("skill/3", "SKILL.md"),
        ] {
            assert!(Grants::is_readable(view, rel), "{view}/{rel}");
        }
    }

    #[test]
    fn a_manifest_that_asks_for_more_is_known_by_its_capability() {
        for (text, more) in [
            ("read:state/**", true),
            ("read:state/*", true),
            ("read:state/openclaw.json", true),
            ("read:state/extensions/**", true),
            ("read:config", true),
            ("read:include/*", true),
            ("read:credentials/**", true),
            ("read:state/extensions/*/package.json", false),
            ("read:state/credentials/telegram-allowFrom.json", false),
            ("read:credentials/*-allowFrom.json", false),
            ("read:credentials/slack-*allowFrom.json", false),
            ("read:plugin/**", false),
            ("read:hook-package/*", false),
            ("read:log", false),
            ("list:state/**", false),
        ] {
            let file: FileCapability = text.to_owned().try_into().unwrap();
            assert_eq!(Grants::asks_for_more(&file), more, "{text}");
        }
    }

    #[test]
    fn facts_are_given_for_named_secrets_only() {
        let grants = grants(&[]);
        assert!(grants.secret("/a/token") && grants.secret("env:T") && grants.secret("/accounts/x/token"));
        assert!(!grants.secret("/a") && !grants.secret("/accounts/x/y/token") && !grants.secret("env:U"));
    }
}
