//! Builds a finding in one chain.

use crate::gateway::Credential;
use crate::{Finding, Location, Node, Path, Severity};

/// Places that the runner takes of one finding.
const MAX_LOCATIONS: usize = 100;

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
    /// What was seen where, and why it matters.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = text.into();
        self
    }

    /// What to do; begins with a verb.
    #[must_use]
    pub fn remediation(mut self, text: impl Into<String>) -> Self {
        self.remediation = Some(text.into());
        self
    }

    /// Where the evidence stands; the first place is the primary one.
    #[must_use]
    pub fn at(mut self, node: &Node<'_>) -> Self {
        self.locations.push(node.location());
        self
    }

    /// Places of evidence, as many of them as a finding may have.
    #[must_use]
    pub fn at_each<'n>(mut self, nodes: impl IntoIterator<Item = &'n Node<'n>>) -> Self {
        let room = MAX_LOCATIONS.saturating_sub(self.locations.len());
        self.locations.extend(nodes.into_iter().take(room).map(Node::location));
        self
    }

    /// A place that is the evidence.
    #[must_use]
    pub fn at_location(mut self, location: &Location) -> Self {
        self.locations.push(location.clone());
        self
    }

    /// An object that is the evidence.
    #[must_use]
    pub fn at_object(mut self, path: &Path) -> Self {
        self.locations.push(Location::Object(path.clone()));
        self
    }

    /// An environment variable that is the evidence.
    #[must_use]
    pub fn at_env(mut self, name: &str) -> Self {
        self.locations.push(Location::Env(name.to_owned()));
        self
    }

    /// A credential that is the evidence: the config value where the config gives it, else the variable.
    #[must_use]
    pub fn at_credential(self, credential: &Credential<'_>) -> Self {
        match &credential.node {
            Some(node) => self.at(node),
            None => self.at_env(credential.variable),
        }
    }
}
