//! What the locator and the config loader have to say: plain data without secret values.
//! Policies turn it into `config.*` findings; nothing here prints or decides a severity.

use std::fmt;
use std::path::PathBuf;

/// A position in one of the config's source files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index into `Config::files`.
    pub file: usize,
    /// Line, counted from 1. CR LF, LF and CR each end a line.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// False when this is the nearest existing ancestor of what was asked for.
    pub exact: bool,
}

/// The kind of a [`Problem`]. The kebab-case name is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// A file is there and could not be read.
    Unreadable,
    /// More bytes, values, includes or substituted text than the loader accepts.
    TooLarge,
    /// A directory, FIFO, socket or device where a file should be.
    NotRegular,
    /// Nested deeper than the loader accepts.
    TooDeep,
    /// Not UTF-8; read with replacement characters, as the gateway does.
    NotUtf8,
    /// Not JSON5.
    Syntax,
    /// The config is JSON5, but no object.
    NotAnObject,
    /// Two readers can understand this text in two ways: a duplicate key, or JSON readers that disagree.
    Ambiguous,
    /// An include is malformed, missing, unreadable or not JSON5.
    IncludeFailed,
    /// An include leaves the directory of the config.
    IncludeEscape,
    /// A file includes itself, directly or through others.
    IncludeCycle,
    /// Includes are nested deeper than the gateway accepts.
    IncludeTooDeep,
    /// `${NAME}` names a variable that is not set or empty.
    UnsetVariable,
    /// The same for a release that keeps the text as it is.
    UnsetVariableKept,
    /// The same where a config alone is looked at, which never has the values of variables.
    VariableElsewhere,
    /// A channel that is not built in, where a config alone is looked at: the server may have a plugin for it.
    ChannelElsewhere,
    /// A plugin that is not bundled, where a config alone is looked at: the server may have it.
    PluginElsewhere,
    /// A key of an older config layout, which the gateway refuses.
    LegacyKey,
    /// A key the schema does not know.
    UnknownKey,
    /// A value the schema does not accept.
    InvalidValue,
    /// A `.env` file or the config tried to move the target elsewhere.
    RedirectIgnored,
    /// A `.env` file is a link, of another account, no file or cannot be read, and nothing of it was used.
    DotenvRefused,
    /// The gateway loads one file, and its own audit checks the permissions of another.
    PathsDisagree,
    /// The gateway would run a login shell for missing variables; an audit does not.
    ShellEnvSkipped,
    /// A `.env` in the current directory supplied gateway credentials.
    CwdCredentials,
    /// The directory that the audit was started in is gone or cannot be named.
    NoWorkingDirectory,
    /// Judged by a newer release than the newest one known here.
    NewerVersion,
    /// What the target holds speaks for another release than the one that it is judged by.
    ReleaseUnsure,
    /// A second state directory, under one of the older names, lies beside the one that is audited.
    OtherStateDir,
    /// The state directory or the config lies in the work tree of a git repository.
    GitWorkTree,
    /// A reference to a secret names a provider that the config does not define.
    UndefinedProvider,
    /// More problems than the list holds; the rest is left out.
    Truncated,
}

impl ProblemKind {
    /// The stable kebab-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too-large",
            Self::NotRegular => "not-regular",
            Self::TooDeep => "too-deep",
            Self::NotUtf8 => "not-utf8",
            Self::Syntax => "syntax",
            Self::NotAnObject => "not-an-object",
            Self::Ambiguous => "ambiguous",
            Self::IncludeFailed => "include-failed",
            Self::IncludeEscape => "include-escape",
            Self::IncludeCycle => "include-cycle",
            Self::IncludeTooDeep => "include-too-deep",
            Self::UnsetVariable | Self::UnsetVariableKept => "unset-variable",
            Self::VariableElsewhere => "variable-elsewhere",
            Self::ChannelElsewhere => "channel-elsewhere",
            Self::PluginElsewhere => "plugin-elsewhere",
            Self::LegacyKey => "legacy-key",
            Self::UnknownKey => "unknown-key",
            Self::InvalidValue => "invalid-value",
            Self::RedirectIgnored => "redirect-ignored",
            Self::DotenvRefused => "dotenv-refused",
            Self::PathsDisagree => "paths-disagree",
            Self::ShellEnvSkipped => "shell-env-skipped",
            Self::CwdCredentials => "cwd-credentials",
            Self::NoWorkingDirectory => "no-working-directory",
            Self::NewerVersion => "newer-version",
            Self::ReleaseUnsure => "release-unsure",
            Self::OtherStateDir => "other-state-dir",
            Self::GitWorkTree => "git-work-tree",
            Self::UndefinedProvider => "undefined-provider",
            Self::Truncated => "truncated",
        }
    }

    /// True when the gateway itself would refuse to start with this config. The other kinds are remarks.
    pub fn refused_by_gateway(self) -> bool {
        !matches!(
            self,
            Self::NotUtf8
                | Self::Ambiguous
                | Self::RedirectIgnored
                | Self::DotenvRefused
                | Self::PathsDisagree
                | Self::ShellEnvSkipped
                | Self::CwdCredentials
                | Self::NoWorkingDirectory
                | Self::UnsetVariableKept
                | Self::VariableElsewhere
                | Self::ChannelElsewhere
                | Self::PluginElsewhere
                | Self::NewerVersion
                | Self::ReleaseUnsure
                | Self::OtherStateDir
                | Self::GitWorkTree
                | Self::UndefinedProvider
                | Self::Truncated
        )
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something the locator or the loader saw that the operator must hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem.
    pub kind: ProblemKind,
    /// One or two sentences. Holds key names, variable names and paths, never a config value that may be secret.
    pub message: String,
    /// RFC 6901 pointer into the effective config, where there is one.
    pub pointer: Option<String>,
    /// Pointers of more values that it is about.
    pub more: Vec<String>,
    /// Where it stands in the source text, where that is known.
    pub place: Option<Place>,
    /// The file or directory it is about, where it is about one.
    pub path: Option<PathBuf>,
}

impl Problem {
    /// A problem without pointer, place and path.
    pub fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), pointer: None, more: Vec::new(), place: None, path: None }
    }

    /// The same problem with a pointer.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// The same problem with a path.
    #[must_use]
    pub fn on(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }
}
