//! The pairing stores: who was let in by pairing, without being named in the config (reference: channel-checks 3).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::context::unseen;
use crate::openclaw::agents;
use crate::openclaw::channels::{Account, Channel};
use crate::{Context, Location, NotAssessed, Path, StateError, Target, js};

/// A list of people has kilobytes; what is longer is not judged.
const MAX_STORE_BYTES: u32 = 1 << 20;

/// An account with the stores that hold for it.
#[derive(Clone, Debug)]
pub struct Paired<'a> {
    /// The account.
    pub account: Account<'a>,
    /// The channel's store and the account's own, where they exist.
    pub stores: Vec<Store>,
}

impl Paired<'_> {
    /// Everyone who was let in.
    pub fn senders(&self) -> impl Iterator<Item = &str> {
        self.stores.iter().flat_map(|store| &store.senders).map(String::as_str)
    }
}

/// One pairing store.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// The file.
    pub path: Path,
    /// Its entries, without "*".
    pub senders: Vec<String>,
    /// The place of everyone: "*" is among the entries.
    pub has_wildcard: bool,
}

impl Store {
    fn read(cx: &Context<'_>, name: &str) -> Result<Option<Self>, NotAssessed> {
        // A path of the contract writes the percent sign as a code.
        let path = Path::new("credentials", &format!("{name}-allowFrom.json").replace('%', "%25"));
        let content = match cx.host().read(&path, MAX_STORE_BYTES) {
            Ok(content) if content.truncated => {
                let reason = format!("{MAX_STORE_BYTES} bytes of {}", cx.display_path(&path));
                return Err(NotAssessed::limit(reason));
            }
            Ok(content) => content,
            Err(StateError::NotFound | StateError::BadPath) => return Ok(None),
            // Nobody is let in by a directory or the like, nor by a link that leads nowhere or to itself. Another link is
            // another matter: the gateway follows it.
            Err(error @ (StateError::WrongKind | StateError::ThroughLink)) => {
                return match cx.host().resolve(&path) {
                    Err(StateError::NotFound) => Ok(None),
                    Ok(link) if matches!(link.target, Target::Dangling | Target::Loop) => Ok(None),
                    Ok(link) if link.text.is_empty() && error == StateError::WrongKind => Ok(None),
                    _ => Err(unseen(cx, "read", &path, &StateError::ThroughLink)),
                };
            }
            Err(error) => return Err(unseen(cx, "read", &path, &error)),
        };
        // What is no JSON lets nobody in: the gateway takes it for an empty store, too.
        let unheld =
            |_| NotAssessed::not_understood(cx.display_path(&path)).at(Location::Object(path.clone()));
        let list = js::json(&content.bytes).map_err(unheld)?.unwrap_or_default();
        let list = list.get("allowFrom").and_then(Value::as_array).into_iter().flatten();
        let (everyone, senders): (Vec<_>, Vec<_>) = list.filter_map(id).partition(|entry| entry == "*");
        Ok(Some(Self { path, senders, has_wildcard: !everyone.is_empty() }))
    }
}

/// An entry of a store, which may be written as a number; none where nothing is left of it.
fn id(entry: &Value) -> Option<String> {
    match entry {
        Value::Number(number) => Some(number.to_string()),
        _ => entry.as_str().map(js::trim).filter(|text| !text.is_empty()).map(str::to_owned),
    }
}

/// The accounts of a channel, with their stores. Needs the capabilities `read` and `stat` on
/// `credentials/*-allowFrom.json`.
///
/// # Errors
/// Where a store exists and cannot be read.
pub fn read<'a>(cx: &Context<'_>, channel: &Channel<'a>) -> Result<Vec<Paired<'a>>, NotAssessed> {
    let all = channel.accounts.iter().zip(stores(cx, channel));
    all.map(|(account, stores)| Ok(Paired { account: account.clone(), stores: stores? })).collect()
}

/// The stores of each account, in the order of the accounts, or why they cannot be read. Needs what [`read`] needs.
pub fn stores(cx: &Context<'_>, channel: &Channel<'_>) -> Vec<Result<Vec<Store>, NotAssessed>> {
    let id = channel.id;
    let common = Store::read(cx, id);
    let of = |account: &Account<'_>| {
        let mut stores: Vec<Store> = common.clone()?.into_iter().collect();
        for name in file_names(account.id) {
            stores.extend(Store::read(cx, &format!("{id}-{name}"))?);
        }
        Ok(stores)
    };
    channel.accounts.iter().map(of).collect()
}

/// The forms of an account's id in the name of its store: some channels tidy the id before, some do not.
fn file_names(account: &str) -> BTreeSet<String> {
    const UNSAFE: [char; 9] = ['\\', '/', ':', '*', '?', '"', '<', '>', '|'];
    let plain = js::trim(account).to_lowercase().replace(UNSAFE, "_").replace("..", "_");
    BTreeSet::from([plain, agents::normalise(account)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openclaw::channels;
    use crate::testing::MemoryHost;
    use crate::{Location, Reason};

    /// The entries of the stores of each account.
    fn senders(host: &MemoryHost) -> Vec<(String, Vec<String>, bool)> {
        host.with(|cx| {
            let channel = channels::find(cx, "telegram").expect("it can be seen").expect("it takes part");
            let paired = read(cx, &channel).expect("the stores can be read");
            let one = |paired: &Paired<'_>| {
                let everyone = paired.stores.iter().any(|store| store.has_wildcard);
                (paired.account.id.to_owned(), paired.senders().map(str::to_owned).collect(), everyone)
            };
            paired.iter().map(one).collect()
        })
    }

    fn host(config: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{channels: {{telegram: {config}}}}}"))
    }

    #[test]
    fn an_account_has_the_stores_of_its_channel_and_its_own() {
        let host = host(r#"{accounts: {Work: {}, "a/b": {}}}"#)
            .file("credentials", "telegram-allowFrom.json", 0o600, r#"{"allowFrom": ["1"]}"#)
            .file("credentials", "telegram-work-allowFrom.json", 0o600, r#"{"allowFrom": ["2", "*"]}"#)
            .file("credentials", "telegram-a_b-allowFrom.json", 0o600, r#"{"allowFrom": ["3"]}"#)
            .file("credentials", "telegram-other-allowFrom.json", 0o600, r#"{"allowFrom": ["4"]}"#);
        let both =
            |id: &str, own: &str, everyone| (id.to_owned(), vec!["1".to_owned(), own.to_owned()], everyone);
        assert_eq!(senders(&host), [both("Work", "2", true), both("a/b", "3", false)]);
    }

    #[test]
    fn a_channel_without_accounts_has_the_store_of_the_default_account() {
        let host = host("{}").file(
            "credentials",
            "telegram-default-allowFrom.json",
            0o600,
            r#"{"allowFrom": [7, " 8 "]}"#,
        );
        assert_eq!(senders(&host), [("default".to_owned(), vec!["7".to_owned(), "8".to_owned()], false)]);
    }

    #[test]
    fn an_id_has_one_store_in_either_form_of_its_name() {
        for (id, names) in
            [("Work", ["work"].as_slice()), ("My Bot", &["my bot", "my-bot"]), ("../x", &["__x", "x"])]
        {
            assert_eq!(file_names(id).iter().collect::<Vec<_>>(), names, "{id}");
        }
    }

    #[test]
    fn a_store_that_is_no_list_lets_nobody_in() {
        for content in
            ["", "{", "[]", "null", r#"{"allowFrom": {"a": 1}}"#, r#"{"allowFrom": [null, {}, " "]}"#]
        {
            let host = host("{}").file("credentials", "telegram-allowFrom.json", 0o600, content);
            assert_eq!(senders(&host), [("default".to_owned(), vec![], false)], "{content}");
        }
    }

    #[test]
    fn a_store_that_cannot_be_read_is_not_called_empty() {
        let host = host("{}").deny("credentials", "telegram-allowFrom.json");
        host.with(|cx| {
            let channel = channels::find(cx, "telegram").expect("it can be seen").expect("it takes part");
            let open = read(cx, &channel).expect_err("it has no verdict");
            let place = Location::Object(Path::new("credentials", "telegram-allowFrom.json"));
            assert_eq!(open.location, Some(place));
            let Reason::Unreadable(text) = open.reason else { panic!("{:?}", open.reason) };
            assert!(text.contains("telegram-allowFrom.json: permission denied"));
        });
    }

    #[test]
    fn a_link_that_leads_nowhere_lets_nobody_in() {
        let store = "telegram-allowFrom.json";
        let nowhere = host("{}").symlink("credentials", store, None);
        assert_eq!(senders(&nowhere), [("default".to_owned(), Vec::new(), false)]);
        let somewhere = host("{}").file("credentials", "real.json", 0o600, "{}").symlink(
            "credentials",
            store,
            Some("real.json"),
        );
        somewhere.with(|cx| {
            let channel = channels::find(cx, "telegram").expect("it can be seen").expect("it takes part");
            assert!(read(cx, &channel).is_err());
        });
    }
}
