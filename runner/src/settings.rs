//! `chitin.toml`: what a site has decided for itself. It is read from the operator's own configuration directory or
//! from where the command line says, never from the target.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::confine::Asked;
use crate::target::{Environment, ReadError, read_regular};
use crate::wording::of_toml;

/// The largest settings file that is read.
const MAX_BYTES: u64 = 1 << 20;

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
    /// The suppressions of the config that is audited count.
    #[serde(default, rename = "honour-config-suppressions")]
    pub honour_config_suppressions: bool,
    /// How much confinement an audit asks for, where the command line does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confine: Option<Asked>,
}

/// A check that may fail to be assessed for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    check: String,
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

const SECONDS_OF_A_DAY: u64 = 86_400;

/// A day of the calendar: 2027-01-31.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
struct Day {
    text: String,
    /// Days since the epoch.
    number: u64,
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
}

impl Settings {
    /// The settings in a file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let malformed = |reason: String| SettingsError::Malformed { path: path.to_owned(), reason };
        let text = String::from_utf8(read_regular(path, MAX_BYTES)?)
            .map_err(|_| malformed("it is not UTF-8".to_owned()))?;
        let settings: Self = toml::from_str(&text).map_err(|error| malformed(of_toml(&text, &error)))?;
        settings.accepted.iter().try_for_each(Accepted::check).map_err(malformed)?;
        Ok(settings)
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

    /// The settings of this user: `chitin/chitin.toml` in `XDG_CONFIG_HOME`, by default `~/.config`. The defaults where
    /// there is no such file.
    pub fn of(environment: &Environment) -> Result<Self, SettingsError> {
        let Some(place) = Self::place(environment) else { return Ok(Self::default()) };
        match Self::read(&place) {
            Err(SettingsError::Read(ReadError::NotFound(_))) => Ok(Self::default()),
            other => other,
        }
    }
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
    fn a_mode_that_locks_the_owner_out_or_is_none_is_refused() {
        for mode in ["\"0070\"", "\"0400\"", "\"rwx\"", "\"17770\"", "770", "\"\""] {
            assert!(read(&format!("[permissions]\nfile = {mode}\n")).is_err(), "{mode}");
        }
        let error = read("\n[permission]\n").unwrap_err();
        assert!(error.contains("line 2: unknown field") && !error.contains('\n'), "{error}");
    }
}
