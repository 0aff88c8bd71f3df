//! `chitin.toml`: what a site has decided for itself. It is read from the operator's own configuration directory or
//! from where the command line says, never from the target.

mod suppression;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use suppression::{OWN, SiteSuppression};

use crate::confine::Asked;
use crate::policy::manifest::Severity;
use crate::policy::set::Wanted;
use crate::policy::signature::TrustedKey;
use crate::policy::sigstore::TrustedIdentity;
use crate::target::{Environment, ReadError, read_regular};
use crate::wording::of_toml;

/// The largest settings file that is read.
pub const MAX_BYTES: u64 = 1 << 20;

/// The settings of the machine: those of all accounts that have none of their own.
pub const OF_MACHINE: &str = "/etc/chitin/chitin.toml";

/// The settings of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who may use the files of an installation.
    #[serde(default)]
    pub permissions: Permissions,
    /// Checks that may fail to be assessed without making the audit incomplete.
    #[serde(default)]
    pub accepted: Vec<Accepted>,
    /// Findings that are left out.
    #[serde(default, rename = "suppression", skip_serializing_if = "Vec::is_empty")]
    pub suppressions: Vec<SiteSuppression>,
    /// How bad the site calls the findings of a check, by its id.
    #[serde(default, rename = "severity", skip_serializing_if = "BTreeMap::is_empty")]
    pub severities: BTreeMap<String, Severity>,
    /// The suppressions of the config that is audited count.
    #[serde(default, rename = "honour-config-suppressions")]
    pub honour_config_suppressions: bool,
    /// How much confinement an audit asks for, where the command line does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confine: Option<Asked>,
    /// The policies that the operator has added. Whoever reads the target need not know them.
    #[serde(default, rename = "policy", skip_serializing)]
    pub policies: Vec<Wanted>,
    /// The keys whose signatures of policies count.
    #[serde(default, rename = "trusted-key", skip_serializing)]
    pub trusted_keys: Vec<TrustedKey>,
    /// The identities whose signatures of policies, by sigstore, count.
    #[serde(default, rename = "trusted-identity", skip_serializing)]
    pub trusted_identities: Vec<TrustedIdentity>,
    /// A file with the root of trust of another sigstore than the public one, from the folder of these settings on.
    #[serde(default, rename = "sigstore-root", skip_serializing)]
    pub sigstore_root: Option<PathBuf>,
    /// Policies that nobody signed are not used.
    #[serde(default, rename = "require-signatures", skip_serializing)]
    pub require_signatures: bool,
    /// These are the settings of the machine, and no account has others.
    #[serde(default, rename = "final", skip_serializing)]
    pub is_final: bool,
}

/// A check that may fail to be assessed for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The check that it is about.
    pub check: String,
    reason: String,
    until: Day,
}

impl Accepted {
    /// It is about this check, and still holds at this time, in seconds since the epoch.
    #[must_use]
    pub fn is(&self, check: &str, now: u64) -> bool {
        self.check == check && now / SECONDS_OF_A_DAY <= self.until.number
    }

    /// The last day on which it holds.
    #[must_use]
    pub fn until(&self) -> &str {
        &self.until.text
    }

    /// Why the site accepts it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    fn check(&self) -> Result<(), String> {
        if self.check.is_empty() || self.check.contains('*') {
            return Err(format!("accepted.check \"{}\" is no id of one check", self.check));
        }
        if self.reason.trim().is_empty() || self.reason.chars().any(char::is_control) {
            return Err(format!(
                "accepted.reason of {} is empty, or has characters that cannot be seen",
                self.check
            ));
        }
        Ok(())
    }
}

/// Seconds of a day.
pub const SECONDS_OF_A_DAY: u64 = 86_400;

/// A day of the calendar: 2027-01-31.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Day {
    /// As it is written.
    pub text: String,
    /// Days since the epoch.
    pub number: u64,
}

/// A day as a file has it: TOML has dates of its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Date(toml::value::Datetime),
}

impl TryFrom<Written> for Day {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Text(text) => text.try_into(),
            Written::Date(date) => date.to_string().try_into(),
        }
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.text
    }
}

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no day; write it in quotes, such as \"2027-01-31\"");
        let midnight = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).map_err(|_| wrong())?;
        let since = midnight.duration_since(std::time::UNIX_EPOCH).map_err(|_| wrong())?;
        let number = since.as_secs() / SECONDS_OF_A_DAY;
        Ok(Self { text, number })
    }
}

/// The most permission bits that an object of an installation may have: the rule of the checks and of the fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// Of a directory; 0700 unless the site says otherwise.
    #[serde(default = "owner_of_directory", deserialize_with = "octal", serialize_with = "as_octal")]
    pub directory: u32,
    /// Of a file; 0600 unless the site says otherwise.
    #[serde(default = "owner_of_file", deserialize_with = "octal", serialize_with = "as_octal")]
    pub file: u32,
}

impl Default for Permissions {
    fn default() -> Self {
        Self { directory: owner_of_directory(), file: owner_of_file() }
    }
}

/// What an owner needs of a directory.
fn owner_of_directory() -> u32 {
    0o700
}

/// What an owner needs of a file.
fn owner_of_file() -> u32 {
    0o600
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's convention")]
fn as_octal<S: serde::Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{mode:04o}"))
}

fn octal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777 && mode & 0o600 == 0o600);
    mode.ok_or_else(|| {
        serde::de::Error::custom(format!(
            "\"{text}\" is no mode: write octal digits in quotes, such as \"2770\", with what the owner needs in it"
        ))
    })
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is not what it should be.
    #[error("{}: {reason}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others were asked for than those of the machine, which are final.
    #[error("{OF_MACHINE} says `final = true`: {} is not used", .0.display())]
    Final(PathBuf),
}

/// Settings, and where they lie.
#[derive(Clone, Debug)]
pub struct Placed {
    /// What is set.
    pub settings: Settings,
    /// The file, whether there is one or not; none where nobody says where such files lie.
    pub place: Option<PathBuf>,
    /// The command line names it.
    pub is_named: bool,
}

impl Placed {
    /// No settings at another place, where there are none yet; unless these are final.
    ///
    /// # Errors
    /// Where they are.
    pub fn allows(self, path: &Path) -> Result<Self, SettingsError> {
        if self.settings.is_final {
            return Err(SettingsError::Final(path.to_owned()));
        }
        Ok(Self { settings: Settings::default(), place: Some(path.to_owned()), is_named: true })
    }
}

impl Settings {
    /// The settings in a file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let malformed = |reason: String| SettingsError::Malformed { path: path.to_owned(), reason };
        let text = String::from_utf8(read_regular(path, MAX_BYTES)?)
            .map_err(|_| malformed("it is not UTF-8".to_owned()))?;
        let mut settings: Self = toml::from_str(&text).map_err(|error| malformed(of_toml(&text, &error)))?;
        suppression::find_lines(&text, &mut settings.suppressions);
        settings.check().map_err(malformed)?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        self.accepted.iter().try_for_each(Accepted::check)?;
        suppression::check(&self.suppressions)?;
        if let Some(check) = self.severities.keys().find(|check| check.contains('*')) {
            return Err(format!("severity.\"{check}\": a severity is one check's; name each by its id"));
        }
        self.policies.iter().try_for_each(Wanted::check)?;
        self.trusted_keys.iter().try_for_each(TrustedKey::check)?;
        self.trusted_identities.iter().try_for_each(TrustedIdentity::check)?;
        if self.sigstore_root.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err("sigstore-root = \"\" names no file; leave it out for the public sigstore".to_owned());
        }
        if let Some(id) = twice(self.policies.iter().map(|wanted| wanted.id.clone())) {
            return Err(format!("the policy \"{id}\" is listed twice"));
        }
        let identities =
            self.trusted_identities.iter().map(|one| format!("{} at {}", one.identity, one.issuer));
        if let Some(identity) = twice(identities) {
            return Err(format!("the trusted identity {identity} is listed twice"));
        }
        // Which of two keys with one number was meant, nobody could tell.
        match twice(self.trusted_keys.iter().map(TrustedKey::id)) {
            Some(id) => Err(format!("there are two trusted keys with the number {id}")),
            None => Ok(()),
        }
    }

    /// Where the settings of this user lie; none where nobody says where such files lie.
    #[must_use]
    pub fn place(environment: &Environment) -> Option<PathBuf> {
        let set = |name: &str| environment.get(name).filter(|value| Path::new(value).is_absolute());
        let base = match (set("XDG_CONFIG_HOME"), set("HOME")) {
            (Some(config), _) => PathBuf::from(config),
            (None, home) => Path::new(home?).join(".config"),
        };
        Some(base.join("chitin/chitin.toml"))
    }

    /// The settings that count: those that the command line names, those of this user, or those of the machine. The first that
    /// there are win, and nothing of the others is added. Those of the machine can be final.
    ///
    /// # Errors
    /// Where they cannot be read or are not understood, or others were named than the final ones.
    pub fn find(named: Option<&Path>, environment: &Environment) -> Result<Placed, SettingsError> {
        Self::find_with(named, environment, Path::new(OF_MACHINE))
    }

    fn find_with(
        named: Option<&Path>,
        environment: &Environment,
        machine: &Path,
    ) -> Result<Placed, SettingsError> {
        let of_machine = Self::there(machine)?;
        let is_machine = |named: &Path| std::path::absolute(named).is_ok_and(|named| named == machine);
        if let Some(settings) = of_machine.clone().filter(|settings| settings.is_final) {
            return match named.filter(|named| !is_machine(named)) {
                Some(named) => Err(SettingsError::Final(named.to_owned())),
                None => Ok(Placed { settings, place: Some(machine.to_owned()), is_named: false }),
            };
        }
        if let Some(named) = named {
            return Ok(Placed {
                settings: Self::read(named)?,
                place: Some(named.to_owned()),
                is_named: true,
            });
        }
        let place = Self::place(environment);
        let own = place.as_deref().map_or(Ok(None), Self::there)?;
        Ok(match (own, of_machine) {
            (None, Some(settings)) => Placed { settings, place: Some(machine.to_owned()), is_named: false },
            (own, _) => Placed { settings: own.unwrap_or_default(), place, is_named: false },
        })
    }

    /// The settings in a file; none where there is no such file.
    fn there(path: &Path) -> Result<Option<Self>, SettingsError> {
        match Self::read(path) {
            // A link that leads nowhere is no absence: somebody took away what it names.
            Err(SettingsError::Read(ReadError::NotFound(_))) if path.symlink_metadata().is_err() => Ok(None),
            other => other.map(Some),
        }
    }
}

/// A text that is there twice.
pub(crate) fn twice(texts: impl Iterator<Item = String>) -> Option<String> {
    let mut known = std::collections::BTreeSet::new();
    texts.into_iter().find(|text| !known.insert(text.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Permissions, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("chitin.toml");
        std::fs::write(&path, text).unwrap();
        Settings::read(&path).map(|settings| settings.permissions).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_the_owner_alone() {
        assert_eq!(read(""), Ok(Permissions { directory: 0o700, file: 0o600 }));
        let text = "[permissions]\ndirectory = \"2770\"\n";
        assert_eq!(read(text), Ok(Permissions { directory: 0o2770, file: 0o600 }));
    }

    #[test]
    fn a_failure_is_accepted_with_a_reason_and_until_a_day() {
        let read = |text: &str| {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("chitin.toml");
            std::fs::write(&path, format!("[[accepted]]\n{text}")).unwrap();
            Settings::read(&path).map(|settings| settings.accepted).map_err(|error| error.to_string())
        };
        let accepted =
            read("check = \"a.b\"\nreason = \"the disk is old\"\nuntil = \"1970-01-03\"\n").unwrap();
        for (check, now, holds) in [
            ("a.b", 0, true),
            ("a.b", 3 * SECONDS_OF_A_DAY - 1, true),
            ("a.b", 3 * SECONDS_OF_A_DAY, false),
            ("a.c", 0, false),
        ] {
            assert_eq!(accepted[0].is(check, now), holds, "{check} {now}");
        }
        for text in [
            "check = \"a.b\"\nreason = \"x\"",
            "check = \"a.b\"\nreason = \" \"\nuntil = \"2027-01-31\"",
            "check = \"a.*\"\nreason = \"x\"\nuntil = \"2027-01-31\"",
            "check = \"a.b\"\nreason = \"x\"\nuntil = \"31.1.2027\"",
            "check = \"a.b\"\nreason = \"x\"\nuntil = 2027",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_settings_win_and_those_of_the_machine_can_be_final() {
        let home = tempfile::tempdir().unwrap();
        let [machine, own, named] =
            ["machine.toml", ".config/chitin/chitin.toml", "named.toml"].map(|name| home.path().join(name));
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        let environment: Environment = [("HOME", home.path().to_str().unwrap())].into_iter().collect();
        let write = |path: &Path, mode: &str| {
            std::fs::write(path, format!("permissions.file = \"{mode}\"\n")).unwrap();
        };
        let find = |named: Option<&Path>| Settings::find_with(named, &environment, &machine);
        let file = |named: Option<&Path>| find(named).unwrap().settings.permissions.file;
        assert_eq!(file(None), 0o600);
        assert_eq!(find(None).unwrap().place.as_ref(), Some(&own), "it can be made there");
        assert!(find(Some(&named)).is_err(), "it was asked for and is not there");
        write(&machine, "601");
        assert_eq!(file(None), 0o601);
        write(&own, "602");
        assert_eq!(file(None), 0o602);
        write(&named, "603");
        assert_eq!(file(Some(&named)), 0o603);
        std::fs::write(&machine, "final = true\npermissions.file = \"604\"\n").unwrap();
        assert_eq!((file(None), file(Some(&machine))), (0o604, 0o604));
        assert!(find(Some(&named)).unwrap_err().to_string().contains("final = true"));
        std::fs::write(&machine, "final = yes").unwrap();
        assert!(find(None).is_err(), "they may be final, and nobody can tell");
    }

    #[test]
    fn one_name_is_one_policy_and_all_is_no_grant() {
        let key = "RWT7nby7ReHHpXvH0nVj8rucySIgzVQqSyOcQvMC0vxhHUes+wnXIrzG";
        let policy = |more: &str| format!("[[policy]]\nid = \"a\"\nsource = \"x\"\n{more}");
        let trusted = format!("[[trusted-key]]\nkey = \"{key}\"\n");
        let identity = |identity: &str| {
            format!(
                "[[trusted-identity]]\nissuer = \"https://accounts.example\"\nidentity = \"{identity}\"\n"
            )
        };
        let all =
            policy("grants = [\"list:state\"]\n") + &trusted + &identity("ann@example.com") + &identity("b*");
        assert!(read(&("sigstore-root = \"root.json\"\n".to_owned() + &all)).is_ok());
        for (text, reason) in [
            (policy("") + &policy(""), "listed twice"),
            (policy("grants = [\"all\"]"), "name its capabilities"),
            (policy("grant = []"), "unknown field `grant`"),
            (trusted.replace(key, "RW"), "no minisign public key"),
            (trusted.repeat(2), "two trusted keys with the number A5C7E145BBBC9DFB"),
            (identity("a").repeat(2), "the trusted identity a at https://accounts.example is listed twice"),
            (identity("*"), "stands for everybody"),
            (identity("a").replace("issuer", "provider"), "unknown field `provider`"),
            ("sigstore-root = \"\"\n".to_owned(), "names no file"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_mode_that_locks_the_owner_out_or_is_none_is_refused() {
        for mode in ["\"0070\"", "\"0400\"", "\"rwx\"", "\"17770\"", "770", "\"\""] {
            assert!(read(&format!("[permissions]\nfile = {mode}\n")).is_err(), "{mode}");
        }
        let error = read("\n[permission]\n").unwrap_err();
        assert!(error.contains("line 2: unknown field") && !error.contains('\n'), "{error}");
    }
}
