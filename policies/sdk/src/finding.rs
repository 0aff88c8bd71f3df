//! Builds a finding in one chain.

use serde_json::Value;

use crate::{Finding, Fix, Location, Node, Path, SetModes, SetValue, Severity, listing};

/// Most places that one finding may have; the runner refuses more.
const MAX_PLACES: usize = 100;

/// A finding of severity critical.
#[must_use]
pub fn critical(check_id: &str, title: &str) -> Finding {
    finding(check_id, Severity::Critical, title)
}

/// A finding of severity warn.
#[must_use]
pub fn warn(check_id: &str, title: &str) -> Finding {
    finding(check_id, Severity::Warn, title)
}

/// A finding of severity info.
#[must_use]
pub fn info(check_id: &str, title: &str) -> Finding {
    finding(check_id, Severity::Info, title)
}

/// A finding whose severity is decided by the case.
#[must_use]
pub fn finding(check_id: &str, severity: Severity, title: &str) -> Finding {
    Finding {
        check_id: check_id.to_owned(),
        severity,
        title: title.to_owned(),
        detail: String::new(),
        remediation: None,
        locations: Vec::new(),
        fixes: Vec::new(),
    }
}

impl Finding {
    /// What was seen where, and why it matters, on one line. Lines are added by [`Finding::list`].
    #[must_use]
    pub fn detail(mut self, text: impl AsRef<str>) -> Self {
        self.detail = listing::one_line(text.as_ref());
        self
    }

    /// Adds a list to the detail: some of the items, each on a line of its own, and how many there are besides, of which
    /// `more` are not among them.
    #[must_use]
    pub fn list<T: AsRef<str>>(mut self, items: &[T], more: usize) -> Self {
        self.detail = format!("{}\n{}", self.detail, listing::lines(items, more));
        self
    }

    /// What to do, on one line; begins with a verb.
    #[must_use]
    pub fn remediation(mut self, text: impl AsRef<str>) -> Self {
        self.remediation = Some(listing::one_line(text.as_ref()));
        self
    }

    /// Where the evidence stands; the first place is the primary one.
    #[must_use]
    pub fn at(mut self, node: &Node<'_>) -> Self {
        self.locations.push(node.location());
        self
    }

    /// Values that are the evidence, as many of them as a finding can name.
    #[must_use]
    pub fn at_all<'n, 'v: 'n>(self, nodes: impl IntoIterator<Item = &'n Node<'v>>) -> Self {
        let room = self.room();
        nodes.into_iter().take(room).fold(self, Self::at)
    }

    fn room(&self) -> usize {
        MAX_PLACES.saturating_sub(self.locations.len())
    }

    /// A place that is the evidence.
    #[must_use]
    pub fn at_location(mut self, location: &Location) -> Self {
        self.locations.push(location.clone());
        self
    }

    /// Places that are the evidence, as many of them as a finding can name.
    #[must_use]
    pub fn at_locations(mut self, locations: &[Location]) -> Self {
        self.locations.extend(locations.iter().take(self.room()).cloned());
        self
    }

    /// An object that is the evidence.
    #[must_use]
    pub fn at_object(mut self, path: &Path) -> Self {
        self.locations.push(Location::Object(path.clone()));
        self
    }

    /// The value that would cure it, in place of the one that was seen. Nothing is proposed in place of what is not shown.
    #[must_use]
    pub fn fix_value(mut self, node: &Node<'_>, value: &Value) -> Self {
        if let Ok(expected) = node.json() {
            let pointer = node.pointer().to_owned();
            self.fixes.push(Fix::SetValue(SetValue { pointer, expected, value: value.to_string() }));
        }
        self
    }

    /// The cure for all files of a directory whose names fit, however many there are: group and others keep these bits at
    /// most.
    #[must_use]
    pub fn fix_modes(mut self, directory: &Path, names: &str, mode: u32) -> Self {
        self.fixes.push(Fix::SetModes(SetModes {
            directory: directory.clone(),
            names: names.to_owned(),
            mode,
        }));
        self
    }

    /// Objects that are the evidence, as many of them as a finding can name.
    #[must_use]
    pub fn at_objects<'p>(self, paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let room = self.room();
        paths.into_iter().take(room).fold(self, Self::at_object)
    }

    /// An environment variable that is the evidence.
    #[must_use]
    pub fn at_env(mut self, name: &str) -> Self {
        self.locations.push(Location::Env(name.to_owned()));
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_list_adds_lines() {
        let finding = info("id", "title").detail("a\nb:").list(&["c\nd", "e"], 0).remediation("f\ng");
        assert_eq!(finding.detail, "a\\u{a}b:\n- c\\u{a}d\n- e");
        assert_eq!(finding.remediation.as_deref(), Some("f\\u{a}g"));
    }

    #[test]
    fn a_finding_names_no_more_places_than_the_runner_takes() {
        let config = json!(vec![1; 150]);
        let nodes: Vec<Node<'_>> = Node::root(&config).items().expect("it is shown").collect();
        let finding = info("id", "title").at(&Node::root(&config)).at_all(&nodes);
        assert_eq!(finding.locations.len(), MAX_PLACES);
    }
}
