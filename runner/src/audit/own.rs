//! What this program itself finds: suppressions that hide nothing, or more than they should.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::audit::finding::{Finding, Location};
use crate::audit::plan::Origin;
use crate::policy::manifest::Severity;

/// The policy that these checks are shown as.
pub(super) const POLICY: &str = "suppressions";

/// What is the matter with a suppression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matter {
    Expired,
    Unused,
    TooWide,
    NoExpiry,
    Malformed,
}

impl Matter {
    const fn check(self) -> &'static str {
        match self {
            Self::Expired => "suppression.expired",
            Self::Unused => "suppression.unused",
            Self::TooWide => "suppression.too_wide",
            Self::NoExpiry => "suppression.no_expiry",
            Self::Malformed => "suppression.malformed",
        }
    }

    fn severity(self) -> Severity {
        match self {
            Self::Expired | Self::TooWide | Self::Malformed => Severity::Warn,
            Self::Unused | Self::NoExpiry => Severity::Info,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Expired => "A suppression has expired",
            Self::Unused => "A suppression fits no finding",
            Self::TooWide => "A suppression leaves out more than one thing",
            Self::NoExpiry => "A suppression has no end",
            Self::Malformed => "A comment is meant as a suppression and cannot be understood",
        }
    }

    fn remediation(self) -> &'static str {
        match self {
            Self::Expired => "Mend what it left out, or look at it again and give it another day.",
            Self::Unused => {
                "Remove it, or name what it is meant for: a check, and a place such as /logging/redactSensitive or agents/*/sessions/**."
            }
            Self::TooWide => "Name the check, and the place where it is accepted.",
            Self::NoExpiry => {
                "Give it a last day: expires = \"2027-01-31\" in chitin.toml, until 2027-01-31 in a comment."
            }
            Self::Malformed => "Write // chitin: allow CHECK-ID until 2027-01-31: reason",
        }
    }
}

/// A finding about a suppression. `what` is the suppression in words, and tells it from others.
pub(super) fn finding(matter: Matter, what: &str, detail: String, place: Location) -> Finding {
    let check = matter.check();
    let mut hash = Sha256::new();
    for part in [check, what] {
        hash.update(part);
        hash.update([0]);
    }
    Finding {
        check_id: check.to_owned(),
        check: check.to_owned(),
        severity: matter.severity(),
        declared_severity: None,
        title: matter.title().to_owned(),
        detail,
        remediation: Some(matter.remediation().to_owned()),
        policy: POLICY.to_owned(),
        origin: Origin::BuiltIn,
        locations: vec![place],
        fingerprint: HEXLOWER.encode(hash.finalize().get(..super::fingerprint::BYTES).unwrap_or_default()),
        baseline_state: None,
        proposals: Vec::new(),
        fixes: Vec::new(),
    }
}
