//! The switches of plugins, which their manifests name (`configContracts.dangerousFlags` of `openclaw.plugin.json`).

use chitin_policy_sdk::context::unseen;
use chitin_policy_sdk::{Context, Kind, Node, NotAssessed, Path, StateError, js};
use serde_json::Value;

use crate::Flag;
use crate::flags::Found;

/// A year, a month and a number in it.
type From = (u16, u8, u16);

/// The plugin `acpx` is known to the program itself, and later comes with it (2026.3.24, 2026.3.31, 2026.4.29 and 2026.5.7).
const ACPX: (From, From) = ((2026, 3, 31), (2026, 5, 2));
/// Plugins that are installed are asked for their switches from this release on (2026.4.5 and 2026.4.9).
const MANIFESTS: From = (2026, 4, 9);
/// The plugin `imap` comes with the program from this release on (2026.7.35 and 2026.8.1).
const IMAP: From = (2026, 8, 1);

/// The folder of installed plugins, and the manifest in each of them.
const FOLDER: &str = "extensions";
const MANIFEST: &str = "openclaw.plugin.json";

/// Longest manifest that is read, most manifests, and most switches of one.
const MAX_BYTES: u32 = 262_144;
const MAX_PLUGINS: usize = 500;
const MAX_FLAGS: usize = 200;

const EFFECT: &str = "its plugin says of this setting that it is dangerous";

/// A switch that a plugin names.
#[derive(Clone, Debug, PartialEq)]
struct Contract {
    plugin: String,
    /// Keys below the plugin's settings, joined by dots; "*" stands for any one.
    path: String,
    equals: Value,
}

impl Contract {
    fn new(plugin: &str, path: &str, equals: impl Into<Value>) -> Self {
        Self { plugin: plugin.to_owned(), path: path.to_owned(), equals: equals.into() }
    }
}

fn since(cx: &Context<'_>, (year, month, patch): From) -> bool {
    cx.release().since(year, month, patch)
}

/// Those that are on.
pub fn of<'a>(cx: &'a Context<'_>) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    let entries = cx.config().at("plugins.entries");
    let configured = match entries.entries() {
        Ok(configured) => configured,
        Err(reason) => return vec![Err(reason)],
    };
    let mut known = built_in(cx);
    let mut has_others = false;
    let mut ids = Vec::new();
    for (id, entry) in configured {
        let config = entry.get("config");
        match config.is_object() {
            Ok(true) => {
                has_others |= !known.iter().any(|contract| contract.plugin == id);
                ids.push((id, config));
            }
            Ok(false) => {}
            Err(reason) => found.push(Err(reason)),
        }
    }
    // Without settings there is nothing to compare with a manifest.
    if has_others && since(cx, MANIFESTS) {
        match installed(cx) {
            Ok(manifests) => known.extend(manifests),
            Err(reason) => found.push(Err(reason)),
        }
    }
    for (id, config) in ids {
        for contract in known.iter().filter(|contract| contract.plugin == id) {
            let keys: Vec<&str> = contract.path.split('.').collect();
            walk(&config, &keys, "", contract, &mut found);
        }
    }
    found
}

/// The switches of plugins that come with this release.
fn built_in(cx: &Context<'_>) -> Vec<Contract> {
    let mut known = Vec::new();
    let (first, end) = ACPX;
    if since(cx, first) && !since(cx, end) {
        known.push(Contract::new("acpx", "permissionMode", "approve-all"));
    }
    if since(cx, IMAP) {
        known.push(Contract::new("imap", "accounts.*.senderAuth.acceptTrustedAuthservId", true));
        known.push(Contract::new("imap", "accounts.*.senderAuth.min", "unverified"));
        known.push(Contract::new("imap", "accounts.*.senderAuth.min", "mutable"));
    }
    known
}

/// The switches that the manifests in the state directory name. A plugin of another author can say what it likes there, and
/// says it of its own settings alone.
fn installed(cx: &Context<'_>) -> Result<Vec<Contract>, NotAssessed> {
    let folder = Path::new("state", FOLDER);
    let entries = match cx.host().list(&folder) {
        Ok(entries) => entries,
        Err(StateError::NotFound | StateError::WrongKind) => return Ok(Vec::new()),
        Err(error) => return Err(unseen(cx, "list", &folder, &error)),
    };
    let mut known = Vec::new();
    let plugins = entries.iter().filter(|entry| {
        entry.metadata.kind == Kind::Directory && !entry.name.starts_with('.') && entry.name != "node_modules"
    });
    for (number, plugin) in plugins.enumerate() {
        if number == MAX_PLUGINS {
            return Err(NotAssessed::limit("plugins"));
        }
        let path = folder.join(&plugin.name).join(MANIFEST);
        match cx.host().read(&path, MAX_BYTES) {
            Ok(content) if content.truncated => return Err(NotAssessed::limit("a plugin's manifest")),
            Ok(content) => known.extend(declared(&content.bytes)),
            Err(StateError::NotFound | StateError::WrongKind) => {}
            Err(error) => return Err(unseen(cx, "read", &path, &error)),
        }
    }
    Ok(known)
}

/// The switches that a manifest names. One that is not understood names none: its plugin does not load.
fn declared(manifest: &[u8]) -> Vec<Contract> {
    let Ok(Some(manifest)) = js::json(manifest) else { return Vec::new() };
    let id = manifest.get("id").and_then(Value::as_str).map(js::trim).filter(|id| !id.is_empty());
    let flags = manifest.pointer("/configContracts/dangerousFlags").and_then(Value::as_array);
    let (Some(id), Some(flags)) = (id, flags) else { return Vec::new() };
    let flag = |flag: &Value| {
        let path = js::trim(flag.get("path")?.as_str()?);
        let equals = flag.get("equals")?;
        let is_plain = equals.is_string() || equals.is_boolean() || equals.is_number() || equals.is_null();
        (is_plain && !path.is_empty()).then(|| Contract::new(id, path, equals.clone()))
    };
    flags.iter().take(MAX_FLAGS).filter_map(flag).collect()
}

/// Follows the keys that are left, and compares what stands at their end.
fn walk<'a>(node: &Node<'a>, keys: &[&str], path: &str, contract: &Contract, found: &mut Vec<Found<'a>>) {
    let Some((key, rest)) = keys.split_first() else {
        match is(node, &contract.equals) {
            Ok(true) => {
                let place = format!("plugins.entries.{}.config{path}", contract.plugin);
                let label = format!("{place}={}", js::string(&contract.equals));
                found.push(Ok(Flag { place, label, node: node.clone(), effect: EFFECT }));
            }
            Ok(false) => {}
            Err(reason) => found.push(Err(reason)),
        }
        return;
    };
    if *key != "*" {
        return walk(&node.get(key), rest, &format!("{path}.{key}"), contract, found);
    }
    match node.entries() {
        Ok(entries) => {
            for (name, below) in entries {
                walk(&below, rest, &format!("{path}.{name}"), contract, found);
            }
        }
        Err(reason) => return found.push(Err(reason)),
    }
    for (number, below) in node.items().into_iter().flatten().enumerate() {
        walk(&below, rest, &format!("{path}.{number}"), contract, found);
    }
}

/// Exactly this value.
fn is(node: &Node<'_>, value: &Value) -> Result<bool, NotAssessed> {
    match value {
        Value::Bool(true) => node.is_true(),
        Value::Bool(false) => node.is_false(),
        Value::String(text) => Ok(node.is_text()? && node.text()? == Some(text)),
        other => Ok(!node.is_text()? && node.json()?.as_deref() == Some(&other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;
    use crate::audit;

    fn labels(host: &MemoryHost) -> Vec<String> {
        host.with(|cx| {
            of(cx)
                .into_iter()
                .map(|flag| flag.map_or_else(|_| "open".to_owned(), |flag| flag.label))
                .collect()
        })
    }

    fn acpx() -> MemoryHost {
        MemoryHost::new(r#"{plugins: {entries: {acpx: {config: {permissionMode: "approve-all"}}}}}"#)
    }

    const LABEL: &str = "plugins.entries.acpx.config.permissionMode=approve-all";

    #[test]
    fn acpx_is_known_while_it_comes_with_the_program() {
        for ((year, month, patch), is_known) in [
            ((2026, 3, 24), false),
            ((2026, 3, 31), true),
            ((2026, 4, 5), true),
            ((2026, 4, 29), true),
            ((2026, 5, 7), false),
            ((2026, 9, 6), false),
        ] {
            let found = labels(&acpx().release(year, month, patch));
            assert_eq!(found == [LABEL], is_known, "{year}.{month}.{patch}");
        }
    }

    #[test]
    fn a_manifest_names_the_switches_of_its_plugin() {
        let manifest = r#"{"id": "acpx", "configContracts": {"dangerousFlags": [
            {"path": "permissionMode", "equals": "approve-all"}, {"path": "", "equals": true}, 5, {"path": "x", "equals": []}
        ]}}"#;
        let host =
            acpx().file("state", "extensions/any/openclaw.plugin.json", 0o600, manifest).release(2026, 9, 6);
        assert_eq!(labels(&host), [LABEL]);
        assert_eq!(host.ids(audit), ["config.insecure_or_dangerous_flags:warn"]);
        let other = manifest.replace("acpx", "other");
        let other = acpx().file("state", "extensions/any/openclaw.plugin.json", 0o600, &other);
        assert!(labels(&other.release(2026, 9, 6)).is_empty());
        let broken = acpx().file("state", "extensions/any/openclaw.plugin.json", 0o600, "{");
        assert!(labels(&broken.release(2026, 9, 6)).is_empty());
    }

    #[test]
    fn what_cannot_be_read_leaves_the_settings_of_other_plugins_open() {
        let host = || acpx().release(2026, 9, 6);
        assert_eq!(labels(&host().deny("state", "extensions")), ["open"]);
        let denied = host().directory("state", "extensions/a", 0o700);
        assert_eq!(labels(&denied.deny("state", "extensions/a/openclaw.plugin.json")), ["open"]);
        let ungranted = host().file("state", "extensions/a/openclaw.plugin.json", 0o600, "{}");
        assert_eq!(labels(&ungranted.clone().ungranted("list:state/extensions")), ["open"]);
        assert_eq!(labels(&ungranted.ungranted("read:state/extensions/*/openclaw.plugin.json")), ["open"]);
        // Where there is no state directory nobody knows what is installed there.
        assert_eq!(labels(&host().without_state_dir()), ["open"]);
        let without = MemoryHost::new("{plugins: {entries: {a: {enabled: true}}}}").release(2026, 9, 6);
        assert!(labels(&without.deny("state", "extensions")).is_empty(), "it has no settings");
    }

    #[test]
    fn imap_has_three_and_stars_stand_for_any_name() {
        let config = r#"{plugins: {entries: {imap: {config: {accounts: {
            a: {senderAuth: {min: "unverified", acceptTrustedAuthservId: true}}, b: {senderAuth: {min: "mutable"}},
            c: {senderAuth: {min: "strict", acceptTrustedAuthservId: "true"}}, d: 5
        }}}}}}"#;
        let host = MemoryHost::new(config);
        let place = "plugins.entries.imap.config.accounts";
        let expected = [
            format!("{place}.a.senderAuth.acceptTrustedAuthservId=true"),
            format!("{place}.a.senderAuth.min=unverified"),
            format!("{place}.b.senderAuth.min=mutable"),
        ];
        assert_eq!(labels(&host.clone().release(2026, 8, 1)), expected);
        assert!(labels(&host.clone().release(2026, 7, 35)).is_empty());
        let min = "/plugins/entries/imap/config/accounts/a/senderAuth/min";
        let hidden = labels(&host.clone().release(2026, 9, 6).hide(min, Hidden::Variable));
        assert_eq!(hidden.iter().filter(|label| *label == "open").count(), 2);
        let withheld = labels(&host.release(2026, 9, 6).withhold("/plugins/entries"));
        assert_eq!(withheld, ["open"]);
    }

    #[test]
    fn a_value_is_compared_exactly() {
        let config = serde_json::json!({"t": true, "f": false, "n": 5, "s": "5", "z": null});
        let node = Node::root(&config);
        for (key, value, same) in [
            ("t", Value::Bool(true), true),
            ("f", Value::Bool(true), false),
            ("f", Value::Bool(false), true),
            ("n", Value::from(5), true),
            ("s", Value::from(5), false),
            ("s", Value::from("5"), true),
            ("z", Value::Null, true),
            ("absent", Value::Null, false),
        ] {
            assert_eq!(is(&node.get(key), &value), Ok(same), "{key} {value}");
        }
    }
}
