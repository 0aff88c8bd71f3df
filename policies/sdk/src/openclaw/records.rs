//! Why the rows of a table are not known, in words for people. The installation's database lies at one place in every release
//! that has one.

use crate::{NotAssessed, RecordsError};

/// Where the database lies below the state directory.
pub const DATABASE: &str = "state/openclaw.sqlite";

/// Why `what`, which stands in a table, is not known; `capability` is the column that was asked for.
#[must_use]
pub fn unread(error: &RecordsError, what: &str, capability: &str) -> NotAssessed {
    match error {
        RecordsError::NotGranted => NotAssessed::withheld(format!("records:{capability}")),
        RecordsError::NoTable => NotAssessed::unreadable(format!("{DATABASE} has no table of {what}")),
        RecordsError::NoColumn(name) => {
            NotAssessed::not_understood(format!("{what} in {DATABASE}: there is no column {name}"))
        }
        RecordsError::Denied => NotAssessed::unreadable(format!(
            "cannot read {what} in {DATABASE}: permission denied, or it is not the owner's own file"
        )),
        RecordsError::Changed => NotAssessed::unreadable(format!(
            "{what} in {DATABASE} changed while they were read; run the audit again"
        )),
        RecordsError::Limit(name) => NotAssessed::limit(name.clone()),
        RecordsError::NotUnderstood(why) => NotAssessed::not_understood(format!(
            "{what} in {DATABASE} ({why}); `openclaw doctor` says what is wrong with it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_says_what_and_where() {
        for error in [
            RecordsError::NoTable,
            RecordsError::NoColumn("x".to_owned()),
            RecordsError::Denied,
            RecordsError::Changed,
            RecordsError::NotUnderstood("a page".to_owned()),
        ] {
            let reason = format!("{:?}", unread(&error, "the approvals", "t.c"));
            assert!(reason.contains("the approvals") && reason.contains(DATABASE), "{reason}");
        }
        assert_eq!(unread(&RecordsError::NotGranted, "x", "t.c"), NotAssessed::withheld("records:t.c"));
    }
}
