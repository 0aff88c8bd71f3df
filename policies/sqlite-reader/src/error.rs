//! Why there are no rows.

/// Why there are no rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no such table.
    NoTable,
    /// The table has no such column.
    NoColumn(String),
    /// It is larger than is read: the name of the limit.
    Limit(String),
    /// The bytes are not understood: what is wrong with them.
    NotUnderstood(String),
    /// A file ended before its size.
    Changed,
}

impl Error {
    /// The bytes contradict themselves.
    pub(crate) fn damaged(what: &str) -> Self {
        Self::NotUnderstood(format!("the database is damaged: {what}"))
    }

    /// The reader does not know this.
    pub(crate) fn unknown(what: &str) -> Self {
        Self::NotUnderstood(what.to_owned())
    }
}
