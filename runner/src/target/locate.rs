//! Decides where the target is: flags first, then the environment, then what exists below the home directory.
//! Also reads the two `.env` files, whose attempts to move the target are reported and ignored.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::account;
use super::paths::user_path;
use super::scope::{self, Scope};
use super::snapshot::Identity;
use super::sysroot::{self, exists};
use super::territory::{self, Territory};
use super::{Environment, Origin, Problem, ProblemKind, ReadError};
use super::{absolute, expand_home, js_trim, normalise, parse_dotenv, read_in_target, real_path};
use crate::wire;

/// Names of the config file, the present one first; the others are names of the program's past.
pub const CONFIG_NAMES: [&str; 4] = ["openclaw.json", "clawdbot.json", "moldbot.json", "moltbot.json"];

/// State directories below the home directory, the present one first.
pub(super) const STATE_NAMES: [&str; 4] = [".openclaw", ".clawdbot", ".moldbot", ".moltbot"];

/// The flag that names a state directory, as `Located::origin` has it.
const STATE_DIR_FLAG: &str = "--state-dir";
/// The flag that names a config file, as `Located::config_origin` has it.
const CONFIG_FLAG: &str = "--config";

/// Folders beside the config's own from which files may be included, separated by ":". Only the process environment counts.
pub const INCLUDE_ROOTS: &str = "OPENCLAW_INCLUDE_ROOTS";

/// Variables that move the target, or what belongs to it. Only the process environment and flags may set them.
const REDIRECTS: [&str; 9] = [
    INCLUDE_ROOTS,
    "OPENCLAW_STATE_DIR",
    "CLAWDBOT_STATE_DIR",
    "OPENCLAW_CONFIG_PATH",
    "CLAWDBOT_CONFIG_PATH",
    "OPENCLAW_OAUTH_DIR",
    "OPENCLAW_HOME",
    "HOME",
    "USERPROFILE",
];

/// Largest `.env` that is read, in bytes: a few hundred times an ordinary one.
pub const MAX_DOTENV_BYTES: u64 = 1024 * 1024;

/// The name of a file with variables.
pub(crate) const DOTENV: &str = ".env";

/// Longest profile name, in characters (the gateway's own limit).
const MAX_PROFILE_CHARS: usize = 64;

/// Where an installation lies: everything that is known of it before the first byte of it is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Installation {
    /// The home directory, which `~` in config values means.
    #[serde(with = "wire::path")]
    pub home: PathBuf,
    /// The directory relative paths were resolved against.
    #[serde(with = "wire::path")]
    pub cwd: PathBuf,
    /// The state directory.
    #[serde(with = "wire::path")]
    pub state_dir: PathBuf,
    /// The state directory exists (symbolic links followed).
    pub state_exists: bool,
    /// What decided the state directory, for people.
    pub origin: String,
    /// The config file that is parsed.
    #[serde(with = "wire::path")]
    pub config_load: PathBuf,
    /// `config_load` exists (symbolic links followed).
    pub config_exists: bool,
    /// What decided the config file, for people.
    pub config_origin: String,
    /// The config file whose permissions the reference checks.
    #[serde(with = "wire::path")]
    pub config_audit: PathBuf,
    /// Whose installation it is.
    pub territory: Territory,
    /// How much of it is looked at.
    pub scope: Scope,
    /// The modes and owners of the config's files are what they are on the server.
    pub has_modes: bool,
    /// The folder that places are told relative to; none where they are told by their absolute paths.
    #[serde(with = "wire::optional_path")]
    pub base: Option<PathBuf>,
    /// The folder that all these paths are below, where `--root` named one.
    #[serde(with = "wire::optional_path")]
    pub sysroot: Option<PathBuf>,
    /// The config alone was named on the command line.
    config_alone: bool,
    /// The state directory was named on the command line.
    state_named: bool,
    /// The `.env` files, the state directory's last.
    dotenv: Vec<Dotenv>,
}

/// What the operator asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--state-dir`: this directory and the config in it, nothing else.
    pub state_dir: Option<PathBuf>,
    /// `--config`: exactly this file.
    pub config: Option<PathBuf>,
    /// `--profile NAME`; `--dev` is `Some("dev")`.
    pub profile: Option<String>,
    /// `--scope`.
    pub scope: Option<Scope>,
    /// `--root`: the folder that this process has entered as [`sysroot`].
    pub sysroot: Option<PathBuf>,
    /// Give up root's rights for those of the installation's owner, where that is another account.
    pub become_owner: bool,
}

impl Request {
    /// A place is named on the command line.
    fn names_a_place(&self) -> bool {
        self.state_dir.is_some() || self.config.is_some()
    }
}

/// Where everything is. All paths are absolute and normalised textually; none need exist.
#[derive(Debug, Clone)]
pub struct Located {
    /// The home directory, which `~` in config values means.
    pub home: PathBuf,
    /// The state directory.
    pub state_dir: PathBuf,
    /// The state directory exists (symbolic links followed).
    pub state_exists: bool,
    /// The config file that is parsed.
    pub config_load: PathBuf,
    /// The config file whose permissions the reference checks; nearly always the same.
    pub config_audit: PathBuf,
    /// `config_load` exists (symbolic links followed; something that cannot be looked at does not).
    pub config_exists: bool,
    /// Where channel and OAuth credentials lie.
    pub credentials_dir: PathBuf,
    /// What decided the state directory, for people: `--state-dir`, `OPENCLAW_STATE_DIR`, `default`, ...
    pub origin: String,
    /// What decided the config file, for people.
    pub config_origin: String,
    /// The directory relative paths were resolved against.
    pub cwd: PathBuf,
    /// Whose installation it is.
    pub territory: Territory,
    /// How much of it is looked at.
    pub scope: Scope,
    /// The modes and owners of the config's files are what they are on the server: not of what git has checked out.
    pub has_modes: bool,
    /// The folder that places are told relative to; none where they are told by their absolute paths.
    pub base: Option<PathBuf>,
    /// The folder that all these paths are below, where `--root` named one.
    pub sysroot: Option<PathBuf>,
    /// The `.env` files that were read: no policy gets their content, whatever name leads there.
    pub dotenv: Vec<Identity>,
    /// The `.env` that the gateway reads besides its environment, whether or not it exists.
    pub dotenv_path: PathBuf,
    /// Variables of a `.env` whose lines were ignored, because they name another installation.
    pub ignored: Vec<String>,
}

impl Located {
    /// The state directory was named on the command line: it need not be this user's own installation.
    pub fn by_hand(&self) -> bool {
        self.origin == STATE_DIR_FLAG || self.origin == CONFIG_FLAG
    }

    /// There is a config alone, and no state directory to look at.
    pub fn is_config_alone(&self) -> bool {
        self.scope == Scope::Config
    }

    /// A value of this origin belongs to the config, or to the user whose installation it is: it may be used for what the
    /// config asks. A config that was named on the command line may be a stranger's, and must not get the values of
    /// this process; nor, where it was named alone, those of the user's own state directory.
    pub fn may_use(&self, origin: Origin) -> bool {
        match origin {
            _ if self.is_config_alone() => origin == Origin::Config,
            Origin::Config => true,
            Origin::StateDotenv => self.may_use_state(),
            Origin::Process | Origin::Flag | Origin::CwdDotenv => {
                !self.by_hand() && self.config_origin != CONFIG_FLAG
            }
        }
    }

    /// See [`Installation::may_run`].
    pub fn may_run(&self) -> bool {
        self.scope == Scope::Installation && self.sysroot.is_none()
    }

    /// What the state directory holds belongs to the config, or both to the user whose installation it is.
    pub fn may_use_state(&self) -> bool {
        !self.is_config_alone() && (self.config_origin != CONFIG_FLAG || self.by_hand())
    }
}

/// Why there is no target.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LocateError {
    /// The profile name is not one the gateway accepts.
    #[error(
        "{0:?} is no profile name; use 1 to 64 letters, digits, '-' and '_', beginning with a letter or digit"
    )]
    BadProfile(String),
    /// The working directory is not absolute, so nothing relative can be resolved.
    #[error("the working directory {} is not an absolute path", .0.display())]
    RelativeCwd(PathBuf),
    /// A path on the command line is empty.
    #[error("{0} needs a path")]
    EmptyPath(&'static str),
    /// The config of a repository is a link out of it: somebody who may change the repository would choose what is read.
    #[error("{} leads out of the repository {}", .0.display(), .1.display())]
    LeavesRepository(PathBuf, PathBuf),
    /// Below `--root`, nobody can tell which accounts there are.
    #[error(
        "the accounts below --root are not known: {0}; is it the top of a file system? --state-dir names an installation in it"
    )]
    NoAccounts(String),
    /// Below `--root`, several accounts have an installation.
    #[error("several accounts have an installation: {}; name one of them with --state-dir", shown(.0))]
    SeveralHomes(Vec<PathBuf>),
}

/// The first of some paths, for people.
fn shown(paths: &[PathBuf]) -> String {
    const MOST: usize = 10;
    let first: Vec<String> = paths.iter().take(MOST).map(|path| path.display().to_string()).collect();
    let more = if paths.len() > MOST { ", and more" } else { "" };
    first.join(", ") + more
}

/// Finds the target and reads the `.env` files (current directory, then state directory) into `env`.
///
/// # Errors
/// Only for an unusable command line. A target that is missing or unreadable is a [`Located`] whose parts do
/// not exist, and problems.
pub fn locate(
    request: &Request,
    env: &mut Environment,
    cwd: &Path,
) -> Result<(Located, Vec<Problem>), LocateError> {
    Ok(find(request, env, cwd)?.read(env))
}

/// Finds the target, and reads nothing of it: flags, environment, and what exists. A profile's variables go into `env`.
///
/// # Errors
/// Only for an unusable command line.
pub fn find(request: &Request, env: &mut Environment, cwd: &Path) -> Result<Installation, LocateError> {
    check(request, cwd)?;
    let home = if request.sysroot.is_some() { home_in_sysroot(request)? } else { home_dir(env, cwd) };
    if let Some(name) = &request.profile {
        apply_profile(name, env, &home);
    }
    let asked = request;
    let (request, scope) = &meant(asked, env, &home, cwd);
    if *scope == Scope::Config {
        let alone = config_alone(request, env, &home, cwd);
        stays_in_repository(&alone.config_load)?;
        return Ok(alone);
    }
    let (state_dir, mut origin) = state_dir(request, env, &home, cwd);
    if asked.state_dir.is_none() && request.state_dir.is_some() {
        CONFIG_FLAG.clone_into(&mut origin);
    }
    let (config_load, config_origin) = config_load(request, env, &home, &state_dir, cwd);
    let config_audit = config_audit(request, env, &home, &state_dir, &config_load, cwd);

    // Asked before the rights change: afterwards a place of the caller's own may be out of sight.
    let (state_exists, config_exists) = (exists(&state_dir), exists(&config_load));
    let config_alone = request.config.is_some() && request.state_dir.is_none();
    let owner = territory::owner_of(&state_dir, &config_load, config_alone);
    // Asked before the rights change, too. Another account's installation means that account's home by `~`.
    let is_anothers = request.state_dir.is_some() && owner != account::caller();
    let home = if is_anothers && request.sysroot.is_none() && env.non_blank("OPENCLAW_HOME").is_none() {
        account_home(owner).or_else(|| state_dir.parent().map(Path::to_owned)).unwrap_or(home)
    } else {
        home
    };
    // A config that is named alone leaves the state directory the caller's own.
    let territory =
        if request.become_owner && !config_alone { Territory::enter(owner) } else { Territory::of(owner) };
    if request.names_a_place() {
        env.belongs_to_another(if config_alone { Origin::StateDotenv } else { Origin::CwdDotenv });
    }
    let dotenv = dotenv_files(cwd, &state_dir, env, request, &home);
    Ok(Installation {
        home,
        cwd: cwd.to_owned(),
        state_dir,
        state_exists,
        origin,
        config_load,
        config_exists,
        config_origin,
        config_audit,
        territory,
        scope: Scope::Installation,
        has_modes: true,
        base: None,
        sysroot: asked.sysroot.clone(),
        config_alone,
        state_named: request.state_dir.is_some(),
        dotenv,
    })
}

/// How much of an installation is meant. A config that lies in a state directory other than the caller's own is that one's; not in a
/// repository, whose writers would choose by a folder whether the surroundings of an audit have a part in it.
fn meant(request: &Request, env: &Environment, home: &Path, cwd: &Path) -> (Request, Scope) {
    let mut request = request.clone();
    let alone = request.config.as_ref().filter(|_| request.state_dir.is_none());
    let folder = alone.and_then(|config| absolute(cwd, config).parent().map(Path::to_owned));
    let scope = match (request.scope, folder) {
        (Some(scope), _) => scope,
        (None, None) => Scope::Installation,
        (None, Some(folder)) => {
            let (own, _) = state_dir(&request, env, home, cwd);
            if folder == own || is_same(&folder, &own) {
                Scope::Installation
            } else if scope::repository(&folder.join(CONFIG_NAMES[0])).is_none()
                && scope::is_state_dir(&folder)
            {
                request.state_dir = Some(folder);
                Scope::Installation
            } else {
                Scope::Config
            }
        }
    };
    (request, scope)
}

/// A config in a repository is no link out of it.
fn stays_in_repository(config: &Path) -> Result<(), LocateError> {
    let Some(repository) = scope::repository(config) else { return Ok(()) };
    // What cannot be followed is told when it is read.
    let (Ok(end), Ok(real)) = (real_path(config), real_path(&repository)) else { return Ok(()) };
    if end.starts_with(&real) {
        Ok(())
    } else {
        Err(LocateError::LeavesRepository(config.to_owned(), repository))
    }
}

/// The installation of which nothing but a config is looked at. Nothing of this machine has a part in it, so that every machine
/// says the same: no home, no state directory, and of the environment only what says where includes may lie.
fn config_alone(request: &Request, env: &mut Environment, home: &Path, cwd: &Path) -> Installation {
    let (state_dir, _) = state_dir(request, env, home, cwd);
    let (config, config_origin) = config_load(request, env, home, &state_dir, cwd);
    env.keep_only(INCLUDE_ROOTS);
    // A checkout, or what was unpacked where the caller stands. By "/" every path would be a relative one.
    let below_cwd = || Some(cwd.to_owned()).filter(|cwd| config.starts_with(cwd));
    let base = scope::repository(&config).or_else(below_cwd).filter(|base| base.parent().is_some());
    Installation {
        home: scope::NO_HOME.into(),
        cwd: cwd.to_owned(),
        state_dir: scope::NO_STATE_DIR.into(),
        state_exists: false,
        origin: String::new(),
        config_exists: exists(&config),
        config_origin,
        config_audit: config.clone(),
        territory: Territory::of(territory::owner_of(&state_dir, &config, true)),
        scope: Scope::Config,
        has_modes: request.scope.is_none() && base.is_none(),
        base,
        sysroot: request.sysroot.clone(),
        config_load: config,
        config_alone: true,
        state_named: request.state_dir.is_some(),
        dotenv: Vec::new(),
    }
}

impl Installation {
    /// Reads the `.env` files into `env`, and tells what was met on the way.
    #[must_use]
    pub fn read(self, env: &mut Environment) -> (Located, Vec<Problem>) {
        let mut problems = Vec::new();
        let ReadDotenv { files: dotenv, ignored } = self.read_dotenv(env, &mut problems);
        let dotenv_path = self.dotenv.last().map(Dotenv::path).unwrap_or_default();
        let Self { home, cwd, state_dir, config_load, config_audit, origin, config_origin, .. } = self;
        problems.extend(other_state_dir(&state_dir, &config_load, &origin, &home));
        // A config alone may well be a repository's: what must not be published of it, its own findings say.
        problems.extend(git_work_tree([&state_dir, &config_load]).filter(|_| !self.config_alone));
        let credentials_dir = match env.non_blank(OAUTH_DIR) {
            // An environment variable speaks of this user's own installation, not of a directory given by hand.
            Some(dir) if !self.state_named || env.origin(OAUTH_DIR) == Some(Origin::StateDotenv) => {
                user_path(dir, &home, &cwd)
            }
            _ => state_dir.join("credentials"),
        };
        if config_load != config_audit {
            let variable = if config_origin == "default" { &origin } else { &config_origin };
            let message = format!(
                "With {variable} set, the gateway and this audit read {}, while the gateway's own audit checks the \
                 permissions of {}.",
                config_load.display(),
                config_audit.display()
            );
            problems.push(Problem::new(ProblemKind::PathsDisagree, message).on(config_audit.clone()));
        }
        let located = Located {
            state_exists: self.state_exists,
            config_exists: self.config_exists,
            home,
            state_dir,
            config_load,
            config_audit,
            credentials_dir,
            origin,
            config_origin,
            cwd,
            territory: self.territory,
            scope: self.scope,
            has_modes: self.has_modes,
            base: self.base,
            sysroot: self.sysroot,
            dotenv,
            dotenv_path,
            ignored,
        };
        (located, problems)
    }

    /// The state directory was named on the command line: it need not be this user's own installation.
    #[must_use]
    pub fn by_hand(&self) -> bool {
        self.state_named
    }

    /// A gateway of it may run, which can be asked: not of a config alone, nor in another file system than this machine's.
    #[must_use]
    pub fn may_run(&self) -> bool {
        self.scope == Scope::Installation && self.sysroot.is_none()
    }

    /// It is this user's own: found as OpenClaw itself finds it, and owned by the user who audits it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        let is_found = !self.state_named && self.config_origin != CONFIG_FLAG;
        is_found && self.may_run() && !self.territory.is_anothers()
    }

    /// The directories and files that an audit reads for certain, whatever the target names besides.
    #[must_use]
    pub fn roots(&self, env: &Environment) -> Vec<PathBuf> {
        let mut roots = vec![self.config_load.clone()];
        roots.extend((self.scope == Scope::Installation).then(|| self.state_dir.clone()));
        roots.extend(self.dotenv.iter().map(Dotenv::path));
        // The operator's own word, other than that of a `.env`, which nobody has read yet.
        let credentials = env.non_blank(OAUTH_DIR).filter(|_| !self.state_named);
        roots.extend(credentials.map(|dir| user_path(dir, &self.home, &self.cwd)));
        roots
    }

    /// The directories from which the config may include files.
    #[must_use]
    pub fn include_roots(&self, env: &Environment) -> Vec<PathBuf> {
        let own = self.config_load.parent().map(Path::to_owned);
        own.into_iter().chain(more_include_roots(env)).collect()
    }
}

/// Says where OAuth and channel credentials lie.
const OAUTH_DIR: &str = "OPENCLAW_OAUTH_DIR";

/// The folders beside the config's own from which files may be included. Only the operator's own environment says so.
#[must_use]
pub fn more_include_roots(env: &Environment) -> Vec<PathBuf> {
    let said = env.get(INCLUDE_ROOTS).filter(|_| env.origin(INCLUDE_ROOTS) == Some(Origin::Process));
    let roots = said.unwrap_or_default().split(':').map(Path::new);
    roots.filter(|root| root.is_absolute()).map(normalise).collect()
}

/// True for a variable that decides where the target is.
pub(crate) fn is_redirect(name: &str) -> bool {
    REDIRECTS.contains(&name)
}

fn check(request: &Request, cwd: &Path) -> Result<(), LocateError> {
    if !cwd.is_absolute() {
        return Err(LocateError::RelativeCwd(cwd.to_owned()));
    }
    let empty = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str().is_empty());
    if empty(&request.state_dir) {
        return Err(LocateError::EmptyPath("--state-dir"));
    }
    if empty(&request.config) {
        return Err(LocateError::EmptyPath("--config"));
    }
    match &request.profile {
        Some(name) if !is_profile_name(name) => Err(LocateError::BadProfile(name.clone())),
        _ => Ok(()),
    }
}

pub(super) fn is_profile_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        && name.chars().count() <= MAX_PROFILE_CHARS
}

fn home_dir(env: &Environment, cwd: &Path) -> PathBuf {
    let account = || {
        let named = env.non_blank("HOME").or_else(|| env.non_blank("USERPROFILE")).map(PathBuf::from);
        named.or_else(|| account_home(rustix::process::getuid().as_raw()))
    };
    let explicit = env.non_blank("OPENCLAW_HOME").and_then(|value| {
        let tilde = value == "~" || value.starts_with("~/") || value.starts_with("~\\");
        if tilde { expand_home(value, &account()?) } else { Some(PathBuf::from(value)) }
    });
    explicit.or_else(account).map_or_else(|| cwd.to_owned(), |home| absolute(cwd, &home))
}

/// The home directory of the account from `/etc/passwd`, for services that run without `HOME`.
fn account_home(uid: u32) -> Option<PathBuf> {
    let uid = uid.to_string();
    accounts().ok()?.into_iter().find_map(|(of, home)| (of == uid).then_some(home))
}

/// The accounts of `/etc/passwd`: user id and home directory. Below `--root` it is the file there, whose writer is a stranger:
/// it is cut at colons, and says nothing but where a state directory may lie.
fn accounts() -> Result<Vec<(String, PathBuf)>, ReadError> {
    /// Far more than any local account file.
    const MAX_PASSWD_BYTES: u64 = 4 * 1024 * 1024;
    let bytes = read_in_target(Path::new("/etc/passwd"), MAX_PASSWD_BYTES)?;
    let account = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b':');
        let uid = std::str::from_utf8(fields.nth(2)?).ok()?.to_owned();
        Some((uid, PathBuf::from(OsStr::from_bytes(fields.nth(2)?))))
    };
    Ok(bytes.split(|byte| *byte == b'\n').filter_map(account).collect())
}

/// The home directory of root in an image that names no account.
const ROOT_HOME: &str = "/root";

/// The home directory that is meant below `--root`: the one that a named place lies in, and else the one that has a state directory.
fn home_in_sysroot(request: &Request) -> Result<PathBuf, LocateError> {
    let accounts = match accounts() {
        Err(error) if !request.names_a_place() => return Err(LocateError::NoAccounts(error.to_string())),
        accounts => accounts.unwrap_or_default(),
    };
    let homes: BTreeSet<PathBuf> = accounts
        .into_iter()
        .map(|(_, home)| normalise(&home))
        .filter(|home| home.is_absolute() && home.parent().is_some())
        .chain([ROOT_HOME.into()])
        .collect();
    if let Some(named) = request.state_dir.as_ref().or(request.config.as_ref()) {
        let above = homes.into_iter().filter(|home| named.starts_with(home)).max();
        return Ok(above.or_else(|| named.parent().map(Path::to_owned)).unwrap_or_else(|| ROOT_HOME.into()));
    }
    let of_profile = request.profile.as_ref().map(|name| format!("{}{name}", scope::OF_PROFILE));
    let names: Vec<&str> = of_profile.as_deref().map_or(STATE_NAMES.to_vec(), |name| vec![name]);
    let has_one = |home: &PathBuf| names.iter().any(|name| exists(&home.join(name)));
    let mut found: Vec<PathBuf> = homes.into_iter().filter(has_one).collect();
    match found.len() {
        0 => Ok(ROOT_HOME.into()),
        1 => Ok(found.swap_remove(0)),
        _ => {
            let state = |home: PathBuf| names.iter().map(|name| home.join(name)).find(|dir| exists(dir));
            Err(LocateError::SeveralHomes(found.into_iter().filter_map(state).collect()))
        }
    }
}

/// A profile is shorthand for three variables, none of which replaces one that is set.
fn apply_profile(name: &str, env: &mut Environment, home: &Path) {
    let folder = if name.eq_ignore_ascii_case("default") {
        ".openclaw".to_owned()
    } else {
        format!(".openclaw-{name}")
    };
    env.insert_blank("OPENCLAW_PROFILE", name, Origin::Flag);
    let default = home.join(folder);
    env.insert_blank("OPENCLAW_STATE_DIR", &default.to_string_lossy(), Origin::Flag);
    let state = env.non_blank("OPENCLAW_STATE_DIR").unwrap_or_default();
    let config = format!("{}/{}", state.trim_end_matches('/'), CONFIG_NAMES[0]);
    env.insert_blank("OPENCLAW_CONFIG_PATH", &config, Origin::Flag);
    if name == "dev" {
        env.insert_blank("OPENCLAW_GATEWAY_PORT", "19001", Origin::Flag);
    }
}

/// `OPENCLAW_NAME`, else `CLAWDBOT_NAME`, with what to call it.
fn either<'e>(env: &'e Environment, suffix: &str) -> Option<(&'e str, String)> {
    ["OPENCLAW_", "CLAWDBOT_"].iter().find_map(|prefix| {
        let name = format!("{prefix}{suffix}");
        let value = env.non_blank(&name)?;
        let label = if env.origin(&name) == Some(Origin::Flag) { "--profile".to_owned() } else { name };
        Some((value, label))
    })
}

fn state_dir(request: &Request, env: &Environment, home: &Path, cwd: &Path) -> (PathBuf, String) {
    if let Some(dir) = &request.state_dir {
        return (absolute(cwd, dir), STATE_DIR_FLAG.to_owned());
    }
    if let Some((dir, label)) = either(env, "STATE_DIR") {
        return (user_path(dir, home, cwd), label);
    }
    let default = home.join(STATE_NAMES[0]);
    let found = STATE_NAMES.iter().map(|name| home.join(name)).find(|dir| exists(dir));
    (found.unwrap_or(default), "default".to_owned())
}

fn config_in(dir: &Path) -> Option<PathBuf> {
    CONFIG_NAMES.iter().map(|name| dir.join(name)).find(|file| exists(file))
}

/// The file the gateway parses.
fn config_load(
    request: &Request,
    env: &Environment,
    home: &Path,
    state: &Path,
    cwd: &Path,
) -> (PathBuf, String) {
    if let Some(file) = &request.config {
        return (absolute(cwd, file), CONFIG_FLAG.to_owned());
    }
    let own = state.join(CONFIG_NAMES[0]);
    if request.state_dir.is_some() {
        return (config_in(state).unwrap_or(own), STATE_DIR_FLAG.to_owned());
    }
    if let Some((file, label)) = either(env, "CONFIG_PATH") {
        return (user_path(file, home, cwd), label);
    }
    let moved = either(env, "STATE_DIR");
    let in_state = moved.as_ref().and_then(|_| config_in(state));
    if let (Some(file), Some((_, label))) = (in_state, moved) {
        return (file, label);
    }
    let found = STATE_NAMES.iter().find_map(|name| config_in(&home.join(name)));
    (found.unwrap_or(own), "default".to_owned())
}

/// The file whose permissions the reference looks at. It differs from [`config_load`] when the state directory
/// was moved to one without a config, and when only `CLAWDBOT_CONFIG_PATH` is set beside a config in the state
/// directory.
fn config_audit(
    request: &Request,
    env: &Environment,
    home: &Path,
    state: &Path,
    load: &Path,
    cwd: &Path,
) -> PathBuf {
    if request.config.is_some() || request.state_dir.is_some() {
        return load.to_owned();
    }
    if let Some(file) = env.non_blank("OPENCLAW_CONFIG_PATH") {
        return user_path(file, home, cwd);
    }
    if let Some(file) = config_in(state) {
        return file;
    }
    if either(env, "STATE_DIR").is_some() {
        return state.join(CONFIG_NAMES[0]);
    }
    load.to_owned()
}

/// A `.env` file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Dotenv {
    #[serde(with = "wire::path")]
    folder: PathBuf,
    origin: Origin,
}

impl Dotenv {
    fn path(&self) -> PathBuf {
        self.folder.join(DOTENV)
    }
}

fn dotenv_files(cwd: &Path, state: &Path, env: &Environment, request: &Request, home: &Path) -> Vec<Dotenv> {
    let moved = request.state_dir.is_some() || either(env, "STATE_DIR").is_some();
    // Where only a directory of an old name exists, the gateway moves it, with the `.env` in it.
    let of_state = home.join(STATE_NAMES[0]);
    let of_state = if moved || !exists(&of_state) { state.to_owned() } else { of_state };
    let mut files = Vec::new();
    // A target that is named on the command line is nothing of the current directory's.
    let by_hand = request.names_a_place() || request.sysroot.is_some();
    if cwd != of_state && !by_hand {
        files.push(Dotenv { folder: cwd.to_owned(), origin: Origin::CwdDotenv });
    }
    files.push(Dotenv { folder: of_state, origin: Origin::StateDotenv });
    files
}

/// A state directory under another of the gateway's names, which a default audit passes over.
fn other_state_dir(state_dir: &Path, config: &Path, origin: &str, home: &Path) -> Option<Problem> {
    if origin != "default" {
        return None;
    }
    let mut others = STATE_NAMES.iter().map(|name| home.join(name));
    let other = others.find(|other| other != state_dir && exists(other) && !is_same(other, state_dir))?;
    let mode = sysroot::lstat(&other).map_or(0, |found| found.st_mode);
    let is_open = mode & 0o077 != 0;
    let open = if is_open { ", and other accounts of this machine can enter it" } else { "" };
    let looked_into = if config.starts_with(&other) {
        format!(
            "The gateway's config is {}, which is in use: move it into {} before anything there is deleted. This audit looked \
             at nothing else in it",
            config.display(),
            state_dir.display()
        )
    } else {
        "This audit did not look into it".to_owned()
    };
    let message = format!(
        "{}, the state directory of an earlier version, exists beside {}{open}. {looked_into}; credentials in it may still be \
         valid.",
        other.display(),
        state_dir.display()
    );
    Some(Problem::new(ProblemKind::OtherStateDir, message).on(other))
}

/// One is a link to the other.
fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| sysroot::stat(path).ok().map(|found| (found.st_dev, found.st_ino));
    identity(one).is_some() && identity(one) == identity(other)
}

/// The repository whose work tree one of the places lies in.
fn git_work_tree(places: [&PathBuf; 2]) -> Option<Problem> {
    let repository =
        |place: &PathBuf| place.ancestors().find(|folder| exists(&folder.join(".git"))).map(Path::to_owned);
    let (place, folder) = places.into_iter().find_map(|place| Some((place, repository(place)?)))?;
    let message = format!(
        "{} lies in the work tree of the git repository {}: one `git add` and one push publish its tokens.",
        place.display(),
        folder.display()
    );
    Some(Problem::new(ProblemKind::GitWorkTree, message).on(place.clone()))
}

/// What was read of `.env` files.
#[derive(Default)]
struct ReadDotenv {
    files: Vec<Identity>,
    /// Names of lines that were ignored.
    ignored: Vec<String>,
}

impl Installation {
    /// Reads them, none of them through a link, and says which objects they are.
    fn read_dotenv(&self, env: &mut Environment, problems: &mut Vec<Problem>) -> ReadDotenv {
        let mut read = ReadDotenv::default();
        for file in &self.dotenv {
            let bytes = match self.territory.read_own(&file.folder, Path::new(DOTENV), MAX_DOTENV_BYTES) {
                Ok(content) => {
                    read.files.push(content.object.identity);
                    content.bytes
                }
                Err(ReadError::NotFound(_)) => continue,
                Err(error) => {
                    problems.push(unread_dotenv(&error, file));
                    continue;
                }
            };
            for (name, value) in parse_dotenv(&String::from_utf8_lossy(&bytes)) {
                // The target's own `.env` may say where its credentials lie: the gateway obeys that, too.
                let own_credentials = file.origin == Origin::StateDotenv && name == OAUTH_DIR;
                if is_redirect(&name) && !own_credentials {
                    // A variable that is already set was never at risk.
                    let is_set = env.get(&name).is_some() || js_trim(&value).is_empty();
                    if !is_set && !self.is_named_by(&name, &value) {
                        problems.push(redirect_ignored(&name, file));
                        read.ignored.push(name);
                    }
                } else {
                    env.insert_missing(&name, &value, file.origin);
                }
            }
        }
        read
    }

    /// The variable names the very place that is audited anyway.
    fn is_named_by(&self, name: &str, value: &str) -> bool {
        let named = user_path(js_trim(value), &self.home, &self.cwd);
        match name {
            "OPENCLAW_STATE_DIR" | "CLAWDBOT_STATE_DIR" => named == self.state_dir,
            "OPENCLAW_CONFIG_PATH" | "CLAWDBOT_CONFIG_PATH" => named == self.config_load,
            "HOME" | "USERPROFILE" | "OPENCLAW_HOME" => named == self.home,
            _ => false,
        }
    }
}

fn unread_dotenv(error: &ReadError, file: &Dotenv) -> Problem {
    let message = format!("{error}; variables from it are missing in this audit.");
    Problem::new(ProblemKind::DotenvRefused, message).on(file.path())
}

fn redirect_ignored(name: &str, file: &Dotenv) -> Problem {
    let message = format!(
        "{} sets {name} to a place that is not the one audited here; this audit ignored the line. A program that obeys \
         it works with another installation.",
        file.path().display()
    );
    Problem::new(ProblemKind::RedirectIgnored, message).on(file.path())
}
