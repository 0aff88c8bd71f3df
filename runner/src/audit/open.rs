//! Why a check was not assessed: what policies say of it, and what the runner knows itself, in one table of classes.

use serde::{Deserialize, Serialize};

use crate::audit::finding::Location;
use crate::policy::manifest::Check;
use crate::sandbox::types;

/// The two classes of what was not assessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It went wrong: the audit is incomplete.
    Failed,
    /// By nature, or because the operator decided so, it is not for this audit to say. It is told and counted.
    OutOfReach,
}

/// The kinds of reason, with their names in output and their classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The verdict depends on a value that is hidden.
    Hidden,
    /// The operator did not grant what it needs.
    Withheld,
    /// What it is about is not here.
    Absent,
    /// What it needs could not be looked at.
    Unreadable,
    /// A limit ended it.
    Limit,
    /// What it needs is not understood.
    NotUnderstood,
    /// The policy broke off, or what it said is not what a policy may say.
    Broken,
}

impl Kind {
    /// The one table of classes.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Hidden | Self::Withheld | Self::Absent => Class::OutOfReach,
            Self::Unreadable | Self::Limit | Self::NotUnderstood | Self::Broken => Class::Failed,
        }
    }
}

/// One reason why a check was not assessed, or not in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// The check, as the policy named it.
    #[serde(skip)]
    pub check_id: String,
    /// The id under which the manifest declares the check.
    #[serde(skip)]
    pub check: String,
    /// What kind of reason it is.
    pub kind: Kind,
    /// Its class.
    pub class: Class,
    /// In words.
    pub text: String,
    /// What stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// It holds for every check of the policy that says nothing itself, and for as long as the grants and the config are
    /// what they are.
    #[serde(skip)]
    pub is_common: bool,
}

impl Open {
    /// A reason of the runner's own.
    #[must_use]
    pub fn of(check: &Check, kind: Kind, text: String) -> Self {
        let id = || check.id.clone();
        Self {
            check_id: id(),
            check: id(),
            kind,
            class: kind.class(),
            text,
            location: None,
            is_common: false,
        }
    }

    /// What it is about is not here, and that is all of a view: the state directory, or a part of it.
    #[must_use]
    pub fn is_about_view(&self) -> bool {
        let is_view =
            |location: &Location| matches!(location, Location::Object { rel, .. } if rel.is_empty());
        self.kind == Kind::Absent && self.location.as_ref().is_some_and(is_view)
    }

    /// The check and the reason, for the list of what makes an audit incomplete.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{}: {}", self.check_id, self.text)
    }
}

/// The kind of a reason, and its words, which are still to be cleaned.
#[must_use]
pub fn said(reason: types::Reason) -> (Kind, String) {
    match reason {
        types::Reason::Hidden(hidden) => {
            let text = match hidden {
                types::Hidden::Secret => "it depends on a secret, which no policy sees",
                types::Hidden::Variable => {
                    "it depends on a value that a variable gives, which policies do not see"
                }
                types::Hidden::Reference => {
                    "it depends on a secret that is kept elsewhere, which this audit does not fetch"
                }
            };
            (Kind::Hidden, text.to_owned())
        }
        types::Reason::Withheld(name) => (Kind::Withheld, format!("it was not granted {name}")),
        types::Reason::Absent(what) => (Kind::Absent, format!("not here to be judged: {what}")),
        types::Reason::Unreadable(text) => (Kind::Unreadable, text),
        types::Reason::Limit(name) => (Kind::Limit, format!("over a limit: {name}")),
        types::Reason::NotUnderstood(text) => (Kind::NotUnderstood, format!("not understood: {text}")),
    }
}
