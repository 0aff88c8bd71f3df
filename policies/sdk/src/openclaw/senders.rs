//! Who an entry of an allow list or of a pairing store stands for: two entries with the same form are the same person
//! (reference: channel-checks 4.4).

use crate::{Context, Node, NotAssessed, js};

/// The class of digits, and that of what is neither a letter nor a digit (`measures.classes` in `wit/secrets.wit`).
const DIGITS: u8 = 4;
const OTHER: u8 = 8;

/// An entry of a list is "*", which stands for everyone. The length and the classes of an entry that is not shown can rule
/// that out.
///
/// # Errors
/// Where it is not shown, and may be "*".
pub fn is_everyone(cx: &Context<'_>, entry: &Node<'_>) -> Result<bool, NotAssessed> {
    let reason = match entry.trimmed() {
        Ok(text) => return Ok(text == Some("*")),
        Err(reason) => reason,
    };
    let known = cx.measures(entry, reason.clone())?;
    if (known.units, known.classes) == (1, OTHER) { Err(reason) } else { Ok(false) }
}

/// The text of an entry that is not shown is made of ASCII digits alone.
///
/// # Errors
/// Where nothing can be known of it.
pub fn is_hidden_number(cx: &Context<'_>, entry: &Node<'_>) -> Result<bool, NotAssessed> {
    let Some(reason) = entry.hidden() else { return Ok(false) };
    let known = cx.measures(entry, reason)?;
    Ok(known.classes == DIGITS && known.bytes == known.units)
}

/// An entry names somebody by what they, or others, can change or share, such as a display name. None where the channel knows
/// no such entries (reference: 2026.9-delta 5.2; "*" and groups of the config's `accessGroups` are nobody's name).
#[must_use]
pub fn is_changeable(channel: &str, entry: &str) -> Option<bool> {
    let entry = js::trim(entry);
    let is_named: fn(&str) -> bool = match channel {
        "discord" => is_discord_name,
        "slack" => is_slack_name,
        "irc" => is_irc_name,
        _ => return None,
    };
    let is_somebody = !entry.is_empty() && entry != "*" && strip("accessGroup:", entry).is_none();
    Some(is_somebody && is_named(entry))
}

/// The same for an entry that may not be shown: digits alone are a stable id everywhere but on IRC.
///
/// # Errors
/// Where it is not shown, and may be a name.
pub fn is_changeable_entry(cx: &Context<'_>, channel: &str, entry: &Node<'_>) -> Result<bool, NotAssessed> {
    let reason = match entry.id() {
        Ok(id) => return Ok(id.is_some_and(|id| is_changeable(channel, &id) == Some(true))),
        Err(reason) => reason,
    };
    if is_changeable(channel, "x").is_none() || (channel == "discord" && is_hidden_number(cx, entry)?) {
        return Ok(false);
    }
    Err(reason)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_discord_name(entry: &str) -> bool {
    let has_prefix = ["discord:", "user:", "pk:"]
        .iter()
        .any(|prefix| entry.strip_prefix(prefix).is_some_and(|id| !js::trim(id).is_empty()));
    !has_prefix && !is_digits(entry) && !is_digits(&mention(entry))
}

/// An id is a letter that says what it is of and capitals and digits, or at least eight letters and digits.
fn is_slack_name(entry: &str) -> bool {
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_id = |id: &str| {
        let mut letters = id.bytes();
        let is_typed = letters.next().is_some_and(|letter| b"UWBCGDT".contains(&letter))
            && id.len() >= 3
            && letters.all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
        is_typed || (id.len() >= 8 && is_word(id))
    };
    let mentioned = entry.strip_prefix("<@").and_then(|rest| rest.strip_suffix('>'));
    if mentioned.is_some_and(|id| id.len() >= 8 && is_word(id)) || strip("team:", entry).is_some() {
        return false;
    }
    !is_id(strip("slack:", entry).or_else(|| strip("user:", entry)).unwrap_or(entry))
}

/// Only the host that somebody comes from is not theirs to choose.
fn is_irc_name(entry: &str) -> bool {
    let form = normalise("irc", entry);
    !form.is_empty()
        && form != "*"
        && form.rsplit_once('@').is_none_or(|(nick, host)| nick.is_empty() || host.is_empty())
}

/// The form in which a channel compares its senders. An unknown channel's entries stay as they are.
#[must_use]
pub fn normalise(channel: &str, entry: &str) -> String {
    let (prefixes, form): (&[&str], fn(&str) -> String) = match channel {
        "telegram" => (&["telegram:", "tg:"], str::to_owned),
        "whatsapp" => (&["whatsapp:"], phone),
        "discord" => (&["discord:", "user:"], mention),
        "irc" => (&["irc:", "user:"], str::to_lowercase),
        "googlechat" => (&["googlechat:", "google-chat:", "gchat:", "user:", "users/"], str::to_lowercase),
        "slack" => (&["slack:", "user:"], str::to_owned),
        "signal" => (&["signal:"], phone),
        "msteams" => (&["msteams:", "user:"], str::to_owned),
        "mattermost" => (&["mattermost:", "user:", "@"], str::to_lowercase),
        "nextcloud-talk" => (&["nextcloud-talk:", "nc-talk:", "nc:"], str::to_lowercase),
        "feishu" => (&["feishu:", "user:", "open_id:"], str::to_owned),
        "matrix" => (&["matrix:", "user:"], str::to_lowercase),
        "bluebubbles" => (&["bluebubbles:", "imessage:", "sms:", "auto:"], handle),
        "zalo" => (&["zalo:", "zl:"], str::to_owned),
        "zalouser" => (&["zalouser:", "zlu:"], str::to_owned),
        "nostr" => (&["nostr:"], public_key),
        "synology-chat" => (&["synology-chat:", "synology:"], str::to_lowercase),
        "line" => (&["line:user:", "line:"], str::to_owned),
        _ => (&[], str::to_owned),
    };
    let form_of = |entry: &str| form(without(prefixes, entry));
    // What is no key of Nostr stays as it is written, with its prefix.
    if channel == "nostr" && !is_public_key(&form_of(entry)) {
        return js::trim(entry).to_owned();
    }
    form_of(entry)
}

/// 32 bytes in hexadecimal.
fn is_public_key(key: &str) -> bool {
    key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The entry without white space around it and without any of the prefixes, in whatever case they are written.
fn without<'t>(prefixes: &[&str], entry: &'t str) -> &'t str {
    let mut rest = js::trim(entry);
    while let Some(shorter) = prefixes.iter().find_map(|prefix| strip(prefix, rest)) {
        rest = js::trim(shorter);
    }
    rest
}

fn strip<'t>(prefix: &str, text: &'t str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A telephone number is a plus and its digits.
fn phone(entry: &str) -> String {
    format!("+{}", entry.chars().filter(char::is_ascii_digit).collect::<String>())
}

/// `<@5>` and `<@!5>` mention the user 5.
fn mention(entry: &str) -> String {
    let user = entry.strip_prefix("<@").and_then(|rest| rest.strip_suffix('>'));
    user.map_or(entry, |user| user.strip_prefix('!').unwrap_or(user)).to_owned()
}

/// An address goes by lower case, a number without white space.
fn handle(entry: &str) -> String {
    if entry.contains('@') { entry.to_lowercase() } else { entry.split(js::is_space).collect() }
}

/// A public key of Nostr in hexadecimal, also where it is written as `npub1...`.
fn public_key(entry: &str) -> String {
    let lower = entry.to_lowercase();
    lower.strip_prefix("npub1").and_then(from_bech32).unwrap_or(lower)
}

/// The data of a bech32 text (BIP 173) in hexadecimal. The checksum only guards against slips, and is not looked at.
fn from_bech32(text: &str) -> Option<String> {
    const LETTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const CHECKSUM: usize = 6;
    let data = text.get(..text.len().checked_sub(CHECKSUM)?)?;
    let mut bits = Vec::new();
    for letter in data.chars() {
        let value = LETTERS.find(letter)?;
        bits.extend([16, 8, 4, 2, 1].map(|bit| u32::from(value & bit != 0)));
    }
    // The text carries whole bytes; what is left over fills the last letter up.
    let nibbles = bits.chunks_exact(8).flat_map(|byte| byte.chunks_exact(4));
    nibbles.map(|nibble| char::from_digit(nibble.iter().fold(0, |sum, bit| sum * 2 + bit), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hidden;
    use crate::testing::MemoryHost;

    #[test]
    fn spellings_of_one_sender_have_one_form() {
        for (channel, form, spellings) in [
            ("telegram", "5", ["5", " TG: 5", "telegram:5"].as_slice()),
            ("whatsapp", "+1555000", &["+1 (555) 000", "whatsapp:1555000"]),
            ("signal", "+1", &["signal:+1", "+1 "]),
            ("signal", "+", &["someone", "signal:"]),
            ("discord", "5", &["<@!5>", "<@5>", "user:5", "discord:5"]),
            ("irc", "bob!x@y", &["irc:user:Bob!x@y", "user:bob!x@y"]),
            ("googlechat", "a@b", &["gchat:users/A@b", "google-chat:user:a@B", "googlechat:a@b"]),
            ("slack", "U1", &["slack:U1", "user:U1"]),
            ("msteams", "Ann", &["msteams:Ann", "USER:Ann"]),
            ("mattermost", "bob", &["mattermost:@Bob", "user:bob", "@bob"]),
            ("nextcloud-talk", "bob", &["nc:Bob", "NC-Talk:bob", "nextcloud-talk:bob"]),
            ("feishu", "ou_1", &["feishu:ou_1", "open_id:ou_1", "user:ou_1"]),
            ("matrix", "@a:m", &["matrix:@A:M", "user:@a:m"]),
            ("bluebubbles", "a@b", &["bluebubbles:iMessage:A@B", "sms:a@b"]),
            ("bluebubbles", "+15", &["auto:+1 5", "+15"]),
            ("zalo", "1", &["zl:1", "zalo:1"]),
            ("zalouser", "1", &["zlu:1", "zalouser:1"]),
            ("line", "Uab", &["line:user:Uab", "line:Uab"]),
        ] {
            for spelling in spellings {
                assert_eq!(normalise(channel, spelling), form, "{channel} {spelling}");
            }
        }
    }

    #[test]
    fn what_is_not_shown_is_told_by_its_length_and_classes() {
        for (text, everyone, number) in [
            ("*", None, false),
            (" * ", None, false),
            ("+", None, false),
            ("5", Some(false), true),
            (" 123 ", Some(false), true),
            ("-5", Some(false), false),
            ("²", Some(false), false),
            ("tg:*", Some(false), false),
        ] {
            let host = MemoryHost::new(&serde_json::json!([text]).to_string()).hide("/0", Hidden::Variable);
            host.with(|cx| {
                let entry = cx.config().get_item(0);
                assert_eq!(is_everyone(cx, &entry).ok(), everyone, "{text:?}");
                assert_eq!(is_hidden_number(cx, &entry), Ok(number), "{text:?}");
            });
        }
        // As the runner answers for a secret that stands where no manifest asks for one.
        let refused = MemoryHost::new(r#"["x"]"#).hide("/0", Hidden::Secret).ungranted("secret:/0");
        refused.with(|cx| {
            let entry = cx.config().get_item(0);
            let reason = NotAssessed::hidden(Hidden::Secret, entry.location());
            assert_eq!(is_everyone(cx, &entry), Err(reason.clone()));
            assert_eq!(is_hidden_number(cx, &entry), Err(reason.clone()));
            assert_eq!(cx.identity(&entry).expect_err("nobody can be told"), reason);
        });
        let kept = MemoryHost::new(r#"["x"]"#).hide("/0", Hidden::Reference);
        kept.with(|cx| assert!(is_everyone(cx, &cx.config().get_item(0)).is_err()));
        let shown = MemoryHost::new(r#"[" * ", "5", 5]"#);
        shown.with(|cx| {
            let entries = cx.config().items().expect("shown");
            let seen: Vec<_> = entries.map(|entry| is_everyone(cx, &entry).expect("shown")).collect();
            assert_eq!(seen, [true, false, false]);
        });
    }

    #[test]
    fn what_a_channel_tells_apart_keeps_its_spelling() {
        for (channel, entry) in
            [("imessage", "A@b"), ("slack", "u1"), ("line", "uab"), ("telegram", "@Bob"), ("new", "new:x")]
        {
            assert_eq!(normalise(channel, entry), entry);
        }
    }

    #[test]
    fn what_is_no_key_of_nostr_stays_as_it_is_written() {
        for (entry, form) in [("nostr:a", "nostr:a"), (" a ", "a"), ("A", "A"), ("npub1x", "npub1x")] {
            assert_eq!(normalise("nostr", entry), form);
        }
    }

    /// The example of NIP-19.
    #[test]
    fn a_nostr_key_is_the_same_in_both_spellings() {
        let hex = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";
        let npub = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";
        for spelling in [hex, &hex.to_uppercase(), npub, &format!("nostr:{npub}")] {
            assert_eq!(normalise("nostr", spelling), hex);
        }
        for odd in ["npub1", "npub1b", "npub1öäüöäü", "bob"] {
            assert_eq!(normalise("nostr", odd), odd);
        }
    }

    #[test]
    fn names_are_told_from_ids() {
        for (channel, names, ids) in [
            (
                "discord",
                ["bob", "bob#1234", "@bob", "discord:", "<@bob>"].as_slice(),
                ["123", "<@123>", "<@!123>", "user:123", "discord:bob", "pk:x", "*", "", "accessGroup:ops"]
                    .as_slice(),
            ),
            (
                "slack",
                &["bob", "@bob", "U", "slack:bob", "<@U1>", "a-b-c-d-e-f"],
                &["U12", "slack:W99", "USER:B12", "abcdefgh", "<@U1234567>", "team:T1/U1", "*", " "],
            ),
            (
                "irc",
                &["bob", "irc:user:bob", "bob!ident", "bob!ident@", "@host"],
                &["bob!ident@host", "bob@host", "*", "irc:*", ""],
            ),
        ] {
            for name in names {
                assert_eq!(is_changeable(channel, name), Some(true), "{channel} {name}");
            }
            for id in ids {
                assert_eq!(is_changeable(channel, id), Some(false), "{channel} {id}");
            }
        }
        assert_eq!(is_changeable("telegram", "@bob"), None);
    }

    #[test]
    fn a_hidden_entry_may_be_a_name() {
        for (channel, text, expected) in [
            ("discord", "123", Some(false)),
            ("discord", "bob", None),
            ("slack", "123", None),
            ("telegram", "bob", Some(false)),
        ] {
            let host = MemoryHost::new(&serde_json::json!([text]).to_string()).hide("/0", Hidden::Variable);
            host.with(|cx| {
                let entry = cx.config().get_item(0);
                assert_eq!(is_changeable_entry(cx, channel, &entry).ok(), expected, "{channel} {text}");
            });
        }
        let shown = MemoryHost::new(r#"["bob", 5, null]"#);
        shown.with(|cx| {
            let entries = cx.config().items().expect("shown");
            let seen: Vec<_> = entries.map(|entry| is_changeable_entry(cx, "discord", &entry)).collect();
            assert_eq!(seen, [Ok(true), Ok(false), Ok(false)]);
        });
    }
}
