//! `[[suppression]]` of chitin.toml: findings that the site leaves out, for a reason and a time.

use serde::{Deserialize, Serialize};

use super::Day;

/// The end of a check id that stands for all ids that begin so.
const PREFIX: &str = ".*";

/// How the checks of this program itself begin, about suppressions. Nothing takes them out.
pub const OWN: &str = "suppression.";

/// Findings that the site leaves out: a `[[suppression]]` of chitin.toml.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSuppression {
    /// A check id, or the beginning of some with `.*` behind it.
    pub check: String,
    /// Where the findings stand: `/gateway/bind` for a value of the config and what is below it, `agents/*/sessions/**` for objects
    /// below the state directory or beside the config, `env:NAME` for a variable; anywhere where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
    /// The line of chitin.toml on which it begins.
    #[serde(skip)]
    pub line: usize,
}

/// Finds the lines of chitin.toml on which they begin.
pub(super) fn find_lines(text: &str, suppressions: &mut [SiteSuppression]) {
    #[derive(Deserialize)]
    struct Places {
        #[serde(default)]
        suppression: Vec<toml::Spanned<toml::Table>>,
    }
    let Ok(places) = toml::from_str::<Places>(text) else { return };
    for (suppression, place) in suppressions.iter_mut().zip(places.suppression) {
        let before = text.get(..place.span().start).unwrap_or_default();
        suppression.line = before.matches('\n').count() + 1;
    }
}

/// All of them can be understood, and none is there twice.
pub(super) fn check(suppressions: &[SiteSuppression]) -> Result<(), String> {
    for (number, suppression) in suppressions.iter().enumerate() {
        let at = |why: String| format!("line {}: {why}", suppression.line);
        suppression.check().map_err(at)?;
        let same =
            |other: &&SiteSuppression| other.check == suppression.check && other.place == suppression.place;
        if let Some(first) = suppressions.iter().take(number).find(same) {
            return Err(at(format!(
                "the suppression of {} stands on line {} already",
                suppression.told(),
                first.line
            )));
        }
    }
    Ok(())
}

impl SiteSuppression {
    fn check(&self) -> Result<(), String> {
        let Self { check, place, reason, .. } = self;
        let id = check.strip_suffix(PREFIX).unwrap_or(check);
        let is_word = |part: &str| {
            !part.is_empty() && !part.contains(|c: char| c == '*' || c.is_whitespace() || c.is_control())
        };
        if !id.split('.').all(is_word) {
            return Err(format!(
                "suppression.check \"{check}\" is no check id, and no beginning of one with .* behind it"
            ));
        }
        if check.starts_with(OWN) {
            return Err(format!(
                "suppression.check \"{check}\": what is said of suppressions cannot be suppressed"
            ));
        }
        if reason.trim().is_empty() || reason.chars().any(char::is_control) {
            return Err(format!(
                "suppression.reason of {check} is empty, or has characters that cannot be seen"
            ));
        }
        let is_place = |place: &String| !place.is_empty() && !place.chars().any(char::is_control);
        if !place.as_ref().is_none_or(is_place) {
            return Err(format!(
                "suppression.place of {check} is empty, or has characters that cannot be seen"
            ));
        }
        Ok(())
    }

    /// It holds on this day, which counts from the epoch.
    #[must_use]
    pub fn holds(&self, today: u64) -> bool {
        self.expires.as_ref().is_none_or(|expires| today <= expires.number)
    }

    /// It takes out more than anybody can have looked at: the checks of a whole field, or everything below a place without a name.
    #[must_use]
    pub fn is_too_wide(&self) -> bool {
        let field = self.check.strip_suffix(PREFIX).is_some_and(|field| !field.contains('.'));
        let is_wild = |part: &str| part.chars().all(|c| c == '*');
        field || self.place.as_ref().is_some_and(|place| place.split('/').all(is_wild))
    }

    /// The check is one of those that it is about.
    #[must_use]
    pub fn is_about(&self, check: &str) -> bool {
        match self.check.strip_suffix('*') {
            Some(beginning) => check.starts_with(beginning),
            None => self.check == check,
        }
    }

    /// The same in words.
    #[must_use]
    pub fn told(&self) -> String {
        let place = self.place.as_ref().map_or(String::new(), |place| format!(" at {place}"));
        format!("{}{place}", self.check)
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    fn read(text: &str) -> Result<Settings, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Settings::read(file.path()).map_err(|error| error.to_string())
    }

    fn one(lines: &str) -> String {
        format!("# ours\n\n[[suppression]]\n{lines}\nreason = \"ticket 4711\"\n")
    }

    #[test]
    fn a_suppression_that_says_too_little_is_named_with_its_line() {
        let settings = read(&one("check = \"fs.config.*\"\nexpires = \"2027-01-31\"")).unwrap();
        let suppression = &settings.suppressions[0];
        assert_eq!((suppression.line, suppression.is_about("fs.config.perms")), (3, true));
        assert!(!suppression.is_about("fs.configs") && !suppression.is_too_wide());
        let day = suppression.expires.as_ref().unwrap().number;
        assert!(suppression.holds(day) && !suppression.holds(day + 1));
        for (text, reason) in [
            (one("check = \"*\""), "line 3: suppression.check \"*\""),
            (one("check = \"fs.*.perms\""), "is no check id"),
            (one("check = \"\""), "is no check id"),
            (one("check = \"suppression.unused\""), "cannot be suppressed"),
            (one("check = \"a.b\"\nplace = \"\""), "line 3: suppression.place"),
            (one("check = \"a.b\"\nexpires = \"soon\""), "line 5"),
            (one("check = \"a.b\"\nuntil = \"2027-01-31\""), "unknown field `until`"),
            ("[[suppression]]\ncheck = \"a.b\"".to_owned(), "missing field `reason`"),
            (
                "[[suppression]]\ncheck = \"a.b\"\nreason = \" \"".to_owned(),
                "line 1: suppression.reason of a.b",
            ),
            (
                one("check = \"a.b\"") + &one("check = \"a.b\""),
                "line 8: the suppression of a.b stands on line 3",
            ),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_field_of_checks_and_a_place_without_a_name_are_too_wide() {
        for (check, place, wide) in [
            ("fs.*", None, true),
            ("fs.config.*", None, false),
            ("fs.config.perms", None, false),
            ("fs.config.perms", Some("**"), true),
            ("fs.config.perms", Some("/*/**"), true),
            ("fs.config.perms", Some("extensions/**"), false),
        ] {
            let place = place.map_or(String::new(), |place| format!("\nplace = \"{place}\""));
            let settings = read(&one(&format!("check = \"{check}\"{place}"))).unwrap();
            assert_eq!(settings.suppressions[0].is_too_wide(), wide, "{check} {place}");
        }
    }
}
