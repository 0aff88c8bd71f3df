//! What a fix may do: pure rules over what was proposed and what is there. Whoever proposes, a built-in or a
//! stranger's policy, a mode can only lose bits and a config value can only become stricter.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::visible;
use crate::target::snapshot::{Kind, Metadata};

/// What the owner of a directory needs to use it.
const OWNER_OF_DIRECTORY: u32 = 0o700;
/// What the owner of a file needs to use it.
const OWNER_OF_FILE: u32 = 0o600;
/// The bits with which a program runs as its owner or group.
const SET_ID: u32 = 0o6000;
/// Set-id and sticky bits.
const SPECIAL: u32 = 0o7000;

/// Why a proposal is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Deserialize, Serialize)]
pub enum Refusal {
    /// The object is a link.
    #[error("it is a symbolic link; change what it leads to yourself, if that is yours")]
    Symlink,
    /// The operator did not grant the policy to propose it.
    #[error("its policy was not granted {0}; give it with --grant '{0}'")]
    NotGranted(String),
    /// A link stands on the way to the object.
    #[error("a symbolic link stands on the way to it")]
    ThroughLink,
    /// Neither a file nor a directory.
    #[error("it is neither a regular file nor a directory")]
    Kind,
    /// It belongs to another account.
    #[error("it belongs to another account (uid {0}); only its owner should change it")]
    Owner(u32),
    /// The installation belongs to another account.
    #[error("the installation belongs to another account (uid {0}); only its owner changes anything in it")]
    NotTheirs(u32),
    /// It is not the installation's alone.
    #[error(
        "it lies neither in the state directory nor is it a file of the config; what the installation only names is \
         left alone"
    )]
    Outside,
    /// A program that runs as its owner or group.
    #[error("it is a set-id file (mode {0:04o}); those are left alone")]
    SetId(u32),
    /// A directory would lose a bit that keeps others out.
    #[error("mode {1:04o} drops set-id or sticky bits of mode {0:04o}, which can let others in")]
    Special(u32, u32),
    /// A directory stands where a file is meant.
    #[error("a directory stands where a file is meant")]
    NotAFile,
    /// A pattern for names is none.
    #[error("\"{0}\" is no pattern for names: one name, in which one * may stand for any characters")]
    Pattern(String),
    /// A policy proposes more than is looked at.
    #[error("the policy proposes changes for more than {0} objects")]
    TooMany(usize),
    /// The new file could not be made like the old one.
    #[error("{0} would not be kept; it is left as it is")]
    Attributes(String),
    /// Many objects, for one of the reasons above.
    #[error("{0}")]
    Alike(String),
    /// It has other names, maybe elsewhere.
    #[error("it has {0} names (hard links), so that a change would show elsewhere too")]
    HardLinks(u32),
    /// It cannot be looked at.
    #[error("it cannot be looked at: {0}")]
    Unseen(String),
    /// Something else is there than the proposal expects.
    #[error("it is not what the policy saw: {0}")]
    Changed(String),
    /// The mode would get bits.
    #[error("mode {1:04o} has bits that mode {0:04o} does not have; a fix can only take permissions away")]
    Widens(u32, u32),
    /// The owner would lose what the owner needs.
    #[error("mode {1:04o} takes from the owner what mode {0:04o} gave")]
    TakesFromOwner(u32, u32),
    /// Nothing would change.
    #[error("it is so already")]
    Already,
    /// Two proposals want different things.
    #[error("another proposal wants a different value here")]
    Conflict,
    /// No rule says which values are stricter.
    #[error("there is no rule which values of {0} are stricter, so that a fix may not set it")]
    NoRule(String),
    /// The value is none that the rule knows.
    #[error("{0} is no value that the rule for it knows")]
    UnknownValue(String),
    /// The value would become laxer.
    #[error("{to} is not stricter than {from}")]
    Laxer {
        /// The value as it is.
        from: String,
        /// The proposed value.
        to: String,
    },
    /// An allowlist can only be filled where the same run closes the group policy beside it.
    #[error("an allowlist may only be filled where the same fix closes the group policy beside it")]
    AllowlistAlone,
    /// An allowlist may not admit everyone.
    #[error("the proposed allowlist is not a list of names, or admits everyone")]
    AllowsAll,
    /// The file cannot be edited.
    #[error("{0}")]
    Text(String),
    /// The result was not what the fix is for.
    #[error("the change was tried in memory and dropped: {0}")]
    Unproven(String),
}

/// Whether the mode of an object may become `wanted`. `caller` is the user that runs the fix.
pub fn mode(object: &Metadata, caller: u32, expected: u32, wanted: u32) -> Result<(), Refusal> {
    let needs = match object.kind {
        Kind::Directory => OWNER_OF_DIRECTORY,
        Kind::File => OWNER_OF_FILE,
        Kind::Symlink => return Err(Refusal::Symlink),
        Kind::Other => return Err(Refusal::Kind),
    };
    if object.uid != caller {
        return Err(Refusal::Owner(object.uid));
    }
    if object.kind == Kind::File && object.links != 1 {
        return Err(Refusal::HardLinks(object.links));
    }
    let mode = object.mode;
    if object.kind == Kind::File && mode & SET_ID != 0 {
        return Err(Refusal::SetId(mode));
    }
    if mode != expected {
        return Err(Refusal::Changed(format!("its mode is {mode:04o}, the policy saw {expected:04o}")));
    }
    if wanted & !mode != 0 {
        return Err(Refusal::Widens(mode, wanted));
    }
    if mode & needs & !wanted != 0 {
        return Err(Refusal::TakesFromOwner(mode, wanted));
    }
    // Without the sticky bit others may remove what they do not own; without the set-group-id bit new files belong to
    // another group.
    if mode & SPECIAL & !wanted != 0 {
        return Err(Refusal::Special(mode, wanted));
    }
    if wanted == mode { Err(Refusal::Already) } else { Ok(()) }
}

/// Whether a config file may be edited.
pub fn file(object: &Metadata, caller: u32) -> Result<(), Refusal> {
    match object.kind {
        Kind::File if object.uid != caller => Err(Refusal::Owner(object.uid)),
        Kind::File if object.links != 1 => Err(Refusal::HardLinks(object.links)),
        Kind::File if object.mode & SET_ID != 0 => Err(Refusal::SetId(object.mode)),
        Kind::File => Ok(()),
        Kind::Symlink => Err(Refusal::Symlink),
        Kind::Directory | Kind::Other => Err(Refusal::Kind),
    }
}

/// Config keys whose values have an order, laxest first. `*` stands for one segment.
const STRICTNESS: [(&str, &[&str]); 7] = [
    ("/logging/redactSensitive", &["off", "tools"]),
    ("/channels/*/groupPolicy", GROUP_POLICY),
    ("/channels/*/accounts/*/groupPolicy", GROUP_POLICY),
    ("/channels/*/dmPolicy", DM_POLICY),
    ("/channels/*/accounts/*/dmPolicy", DM_POLICY),
    ("/channels/*/dm/policy", DM_POLICY),
    ("/channels/*/accounts/*/dm/policy", DM_POLICY),
];
const GROUP_POLICY: &[&str] = &["open", "allowlist", "disabled"];
const DM_POLICY: &[&str] = &["open", "pairing", "allowlist", "disabled"];

/// Lists of who may speak in groups, which stand beside a group policy.
const ALLOWLISTS: [&str; 2] = ["/channels/*/groupAllowFrom", "/channels/*/accounts/*/groupAllowFrom"];
/// The key of such a list.
pub const ALLOWLIST_KEY: &str = "groupAllowFrom";
/// The key of the policy that stands beside such a list.
const POLICY_BESIDE: &str = "groupPolicy";

/// Whether a config value may change from `before` (none where it is absent) to `after`. `closes` tells whether the
/// same fix makes the value at another pointer stricter.
pub fn value(
    pointer: &str,
    before: Option<&Value>,
    after: &Value,
    closes: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    if before == Some(after) {
        return Err(Refusal::Already);
    }
    if let Some((_, order)) = STRICTNESS.iter().find(|(pattern, _)| names(pattern, pointer)) {
        let rank = |value: Option<&Value>| {
            let text = value.and_then(Value::as_str);
            let rank = text.and_then(|text| order.iter().position(|known| *known == text));
            rank.ok_or_else(|| Refusal::UnknownValue(shown(value)))
        };
        let (from, to) = (rank(before)?, rank(Some(after))?);
        return if to > from {
            Ok(())
        } else {
            Err(Refusal::Laxer { from: shown(before), to: shown(Some(after)) })
        };
    }
    if ALLOWLISTS.iter().any(|pattern| names(pattern, pointer)) {
        let section = pointer.rsplit_once('/').map_or("", |(section, _)| section);
        if !closes(&format!("{section}/{POLICY_BESIDE}")) {
            return Err(Refusal::AllowlistAlone);
        }
        let is_empty = before.is_none_or(|list| list.as_array().is_some_and(Vec::is_empty));
        let named = |item: &Value| match item {
            Value::String(text) => !text.trim().is_empty() && !text.contains('*'),
            Value::Number(_) => true,
            _ => false,
        };
        let all_named = after.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(named));
        return match (is_empty, all_named) {
            (true, true) => Ok(()),
            (true, false) => Err(Refusal::AllowsAll),
            (false, _) => Err(Refusal::Laxer { from: shown(before), to: shown(Some(after)) }),
        };
    }
    Err(Refusal::NoRule(visible::key(pointer)))
}

fn names(pattern: &str, pointer: &str) -> bool {
    crate::sandbox::view::pointer_matches(pattern, pointer)
}

/// A value in a message: short, and of a list its length only.
fn shown(value: Option<&Value>) -> String {
    /// Characters of a text that are shown.
    const MOST: usize = 40;
    match value {
        None => "nothing".to_owned(),
        Some(Value::Array(items)) => format!("a list of {}", items.len()),
        Some(Value::Object(_)) => "an object".to_owned(),
        Some(Value::String(text)) if text.chars().count() > MOST => "a long text".to_owned(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::target::snapshot::Identity;

    fn object(kind: Kind, mode: u32) -> Metadata {
        Metadata { kind, mode, uid: 1000, gid: 1000, links: 1, size: 0, identity: Identity::default() }
    }

    /// Every mode of nine bits against every other: what is allowed loses bits, and keeps the owner's.
    #[test]
    fn no_mode_is_ever_widened_and_no_owner_locked_out() {
        for (kind, needs) in [(Kind::Directory, 0o700), (Kind::File, 0o600)] {
            for before in 0..=0o777 {
                for after in 0..=0o1777 {
                    if mode(&object(kind, before), 1000, before, after).is_ok() {
                        assert_eq!(after & !before, 0, "{before:o} {after:o}");
                        assert_eq!(after & needs, before & needs, "{before:o} {after:o}");
                        assert_ne!(after, before);
                    } else {
                        let harmless = after & !before == 0 && after & needs == before & needs;
                        assert!(
                            !harmless || after == before,
                            "{before:o} {after:o} is refused without a reason"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn each_reason_to_leave_an_object_alone_has_its_words() {
        let file = object(Kind::File, 0o644);
        let refused =
            |object: Metadata, caller, expected, wanted| mode(&object, caller, expected, wanted).unwrap_err();
        assert_eq!(refused(object(Kind::Symlink, 0o777), 1000, 0o777, 0o700), Refusal::Symlink);
        assert_eq!(refused(object(Kind::Other, 0o666), 1000, 0o666, 0o600), Refusal::Kind);
        assert_eq!(refused(file, 0, 0o644, 0o600), Refusal::Owner(1000));
        assert_eq!(refused(Metadata { links: 2, ..file }, 1000, 0o644, 0o600), Refusal::HardLinks(2));
        assert!(matches!(refused(file, 1000, 0o664, 0o600), Refusal::Changed(_)));
        assert_eq!(refused(file, 1000, 0o644, 0o666), Refusal::Widens(0o644, 0o666));
        assert_eq!(refused(file, 1000, 0o644, 0o4600), Refusal::Widens(0o644, 0o4600));
        assert_eq!(refused(file, 1000, 0o644, 0o400), Refusal::TakesFromOwner(0o644, 0o400));
        assert_eq!(refused(file, 1000, 0o644, 0o644), Refusal::Already);
        assert_eq!(
            mode(&Metadata { links: 9, ..object(Kind::Directory, 0o755) }, 1000, 0o755, 0o700),
            Ok(())
        );
    }

    #[test]
    fn set_id_files_are_left_alone_and_special_bits_stay() {
        for special in [0o2000, 0o4000, 0o6000] {
            let before = 0o755 | special;
            let file = object(Kind::File, before);
            assert_eq!(mode(&file, 1000, before, before & 0o7700), Err(Refusal::SetId(before)));
            assert_eq!(super::file(&file, 1000), Err(Refusal::SetId(before)));
        }
        for special in [0o1000, 0o2000, 0o4000, 0o7000] {
            let before = 0o777 | special;
            let folder = object(Kind::Directory, before);
            assert_eq!(mode(&folder, 1000, before, 0o700 | special), Ok(()));
            assert_eq!(mode(&folder, 1000, before, 0o700), Err(Refusal::Special(before, 0o700)));
        }
    }

    #[test]
    fn a_value_moves_towards_stricter_only() {
        let alone = |_: &str| false;
        for (pattern, order) in STRICTNESS {
            let pointer = pattern.replace('*', "x");
            for (from, before) in order.iter().enumerate() {
                for (to, after) in order.iter().enumerate() {
                    let verdict = value(&pointer, Some(&json!(before)), &json!(after), alone);
                    assert_eq!(verdict.is_ok(), to > from, "{pointer}: {before} -> {after}");
                }
                for odd in [json!(null), json!(true), json!("OPEN"), json!(["open"]), json!({})] {
                    let verdict = value(&pointer, Some(&json!(before)), &odd, alone);
                    assert!(matches!(verdict, Err(Refusal::UnknownValue(_))), "{pointer}: {odd}");
                    let verdict = value(&pointer, Some(&odd), &json!(before), alone);
                    assert!(matches!(verdict, Err(Refusal::UnknownValue(_))), "{pointer}: {odd}");
                }
                assert!(value(&pointer, None, &json!(before), alone).is_err(), "{pointer} is absent");
            }
        }
    }

    #[test]
    fn what_has_no_rule_is_not_set() {
        for pointer in
            ["/gateway/auth/mode", "/logging/redactSensitive/x", "/channels/x/y/groupPolicy", "", "/"]
        {
            let verdict = value(pointer, Some(&json!("token")), &json!("none"), |_| true);
            assert!(matches!(verdict, Err(Refusal::NoRule(_))), "{pointer}");
        }
    }

    #[test]
    fn an_allowlist_is_filled_only_beside_a_policy_that_closes() {
        let pointer = "/channels/whatsapp/accounts/w/groupAllowFrom";
        let closes = |beside: &str| beside == "/channels/whatsapp/accounts/w/groupPolicy";
        let list = json!(["+49", 5]);
        assert_eq!(value(pointer, None, &list, closes), Ok(()));
        assert_eq!(value(pointer, Some(&json!([])), &list, closes), Ok(()));
        assert_eq!(value(pointer, None, &list, |_| false), Err(Refusal::AllowlistAlone));
        assert!(matches!(value(pointer, Some(&json!(["+1"])), &list, closes), Err(Refusal::Laxer { .. })));
        for all in [json!(["*"]), json!(["+49", " * "]), json!([]), json!("+49"), json!([null]), json!([" "])]
        {
            assert_eq!(value(pointer, None, &all, closes), Err(Refusal::AllowsAll), "{all}");
        }
    }
}
