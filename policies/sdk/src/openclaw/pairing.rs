//! The pairing stores: who was let in by pairing, without being named in the config (reference: channel-checks 3,
//! 2026.9-delta 5.2). They are files up to 2026.7, and rows of a table from 2026.8.1 on.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::context::unseen;
use crate::openclaw::agents;
use crate::openclaw::channels::{self, Account, Channel};
use crate::openclaw::records;
use crate::{
    Cell, Context, Finding, Location, NotAssessed, Path, RecordsError, Release, StateError, Target, js,
};

/// A list of people has kilobytes; what is longer is not judged.
const MAX_STORE_BYTES: u32 = 1 << 20;

/// The table that holds the stores from 2026.8.1 on, and its columns that are read.
const TABLE: &str = "channel_pairing_allow_entries";
const COLUMNS: [&str; 3] = ["channel_key", "account_id", "entry"];
/// The table's content, in words for reports.
const WHAT: &str = "those who were let in by pairing";
/// So many rows are asked for at once.
const BATCH: u32 = 1024;
/// More people than this are not judged.
const MAX_ROWS: usize = 100_000;

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
    /// The file; none where the store lies in the database.
    pub path: Option<Path>,
    /// Its entries, without "*".
    pub senders: Vec<String>,
    /// The place of everyone: "*" is among the entries.
    pub has_wildcard: bool,
}

impl Store {
    /// Somebody is let in by it.
    #[must_use]
    pub fn lets_in(&self) -> bool {
        self.has_wildcard || !self.senders.is_empty()
    }

    /// Its place, where it has one.
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        self.path.clone().map(Location::Object)
    }

    /// Points a finding at it.
    #[must_use]
    pub fn point(&self, finding: Finding) -> Finding {
        self.path.iter().fold(finding, Finding::at_object)
    }

    fn of(path: Option<Path>, entries: impl Iterator<Item = String>) -> Self {
        let (everyone, senders): (Vec<_>, Vec<_>) = entries.partition(|entry| entry == "*");
        Self { path, senders, has_wildcard: !everyone.is_empty() }
    }

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
        Ok(Some(Self::of(Some(path), list.filter_map(id))))
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
/// `credentials/*-allowFrom.json`, and `records` on the columns `channel_key`, `account_id` and `entry` of
/// `channel_pairing_allow_entries`.
///
/// # Errors
/// Where a store exists and cannot be read.
pub fn read<'a>(cx: &Context<'_>, channel: &Channel<'a>) -> Result<Vec<Paired<'a>>, NotAssessed> {
    let all = channel.accounts.iter().zip(stores(cx, channel));
    all.map(|(account, stores)| Ok(Paired { account: account.clone(), stores: stores? })).collect()
}

/// The stores of each account, in the order of the accounts, or why they cannot be read. Needs what [`read`] needs.
pub fn stores(cx: &Context<'_>, channel: &Channel<'_>) -> Vec<Result<Vec<Store>, NotAssessed>> {
    if cx.release().since(2026, 8, 1) {
        return of_table(cx, channel);
    }
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

/// Whom pairing let in may write directly under this policy: from 2026.2.26 on not under an allow list, and from 2026.8.1
/// on not under an open policy either, which needs no store (reference: releases/changes, 2026.9-delta 5.2).
#[must_use]
pub fn counts(release: Release, policy: Option<&str>) -> bool {
    match policy {
        Some("allowlist") => !release.since(2026, 2, 26),
        Some("open") => !release.since(2026, 8, 1),
        _ => true,
    }
}

/// The stores of each account in the table.
fn of_table(cx: &Context<'_>, channel: &Channel<'_>) -> Vec<Result<Vec<Store>, NotAssessed>> {
    let rows = rows(cx, channel.id);
    let of = |account: &Account<'_>| {
        let (rows, key) = (rows.as_ref().map_err(Clone::clone)?, account.key());
        let entries = rows.iter().filter(|(account, _)| *account == key).map(|(_, entry)| entry.clone());
        let store = Store::of(None, entries);
        Ok(Some(store).filter(Store::lets_in).into_iter().collect())
    };
    channel.accounts.iter().map(of).collect()
}

/// The entries of a channel in the table, each with the key of its account.
fn rows(cx: &Context<'_>, channel: &str) -> Result<Vec<(String, String)>, NotAssessed> {
    for column in COLUMNS {
        cx.granted(&format!("records:{TABLE}.{column}"))?;
    }
    let (mut entries, mut start) = (Vec::new(), 0);
    loop {
        let page = match cx.host().rows(TABLE, &COLUMNS, start, BATCH) {
            Ok(page) => page,
            Err(RecordsError::NoTable) => return Ok(entries),
            Err(error) => return Err(records::unread(&error, WHAT, &format!("{TABLE}.{}", COLUMNS[2]))),
        };
        for row in &page.rows {
            let [Cell::Text(key), account, Cell::Text(entry)] = row.as_slice() else { continue };
            let (key, entry) = (js::trim(key).to_lowercase(), js::trim(entry));
            if key == channel && !entry.is_empty() {
                let account = if let Cell::Text(account) = account { account.as_str() } else { "" };
                entries.push((channels::account_key(account), entry.to_owned()));
            }
        }
        if !page.more || page.rows.is_empty() {
            return Ok(entries);
        }
        if entries.len() > MAX_ROWS {
            return Err(NotAssessed::limit(format!("{MAX_ROWS} rows of {TABLE}")));
        }
        start = start.saturating_add(u32::try_from(page.rows.len()).unwrap_or(u32::MAX));
    }
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

    fn row(channel: &str, account: &str, entry: &str) -> Vec<Cell> {
        [channel, account, entry].map(|text| Cell::Text(text.to_owned())).to_vec()
    }

    #[test]
    fn from_a_release_on_the_stores_are_rows() {
        let rows = vec![
            row("telegram", "default", "1"),
            row("telegram", "work", " 2 "),
            row("Telegram", "work", "*"),
            row("telegram", "", "3"),
            row("discord", "work", "4"),
            row("telegram", "work", " "),
            vec![Cell::Null, Cell::Null, Cell::Hidden],
        ];
        let host = host("{accounts: {Work: {}, default: {}, other: {}}}")
            .file("credentials", "telegram-allowFrom.json", 0o600, r#"{"allowFrom": ["9"]}"#)
            .table(TABLE, &COLUMNS, rows)
            .release(2026, 8, 1);
        let seen: Vec<_> = senders(&host);
        let of = |id: &str, names: &[&str], everyone| {
            (id.to_owned(), names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), everyone)
        };
        assert_eq!(
            seen,
            [of("Work", &["2"], true), of("default", &["1", "3"], false), of("other", &[], false)]
        );
        let none = self::host("{}").release(2026, 8, 1);
        assert_eq!(senders(&none), [of("default", &[], false)], "a database without the table");
        let older = self::host("{}").table(TABLE, &COLUMNS, vec![row("telegram", "default", "1")]);
        assert_eq!(senders(&older.release(2026, 7, 35)), [of("default", &[], false)], "a file alone counts");
    }

    #[test]
    fn many_rows_are_read_in_turns() {
        let rows = (0..3000).map(|number| row("telegram", "default", &number.to_string())).collect();
        let host = host("{}").table(TABLE, &COLUMNS, rows).release(2026, 9, 6);
        assert_eq!(senders(&host)[0].1.len(), 3000);
        let strange = self::host("{}").table(TABLE, &COLUMNS[..2], Vec::new()).release(2026, 9, 6);
        strange.with(|cx| {
            let channel = channels::find(cx, "telegram").expect("it can be seen").expect("it takes part");
            assert!(read(cx, &channel).is_err(), "a column is missing");
        });
    }

    #[test]
    fn a_policy_may_ask_no_store() {
        let at = |year, month, patch| Release { year, month, patch };
        for (policy, release, expected) in [
            (Some("pairing"), at(2026, 9, 6), true),
            (Some("allowlist"), at(2026, 2, 19), true),
            (Some("allowlist"), at(2026, 2, 26), false),
            (Some("open"), at(2026, 7, 35), true),
            (Some("open"), at(2026, 8, 1), false),
            (None, at(2026, 9, 6), true),
        ] {
            assert_eq!(counts(release, policy), expected, "{policy:?} {release:?}");
        }
    }
}
