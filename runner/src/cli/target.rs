//! The flags that say what is looked at, and finding it; shared by `audit`, `fix` and `undo`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chitin::audit::Planned;
use chitin::budget::{self, Budget, Cut, GRACE};
use chitin::config::SecretString;
use chitin::config::release::Release;
use chitin::confine::Asked;
use chitin::probe;
use chitin::sandbox::Code;
use chitin::settings::{Placed, Settings, SettingsError};
use chitin::target::snapshot::{Identity, Metadata};
use chitin::target::{Environment, Installation, LocateError, Request, Scope, absolute, find, sysroot};
use chitin::wording::shell_word;
use chitin::worker::Wanted;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use rustix::fs::{Mode, OFlags};

use super::user_error;

/// Which installation.
#[derive(Args, Clone)]
pub(super) struct TargetArguments {
    /// The state directory [default: as OpenClaw itself finds it, usually ~/.openclaw]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The config file [default: the one in the state directory]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How much to look at: an installation with its state directory, or a config alone [default: config, where --config alone
    /// names a file that lies in no state directory]
    #[arg(long, value_name = "SCOPE", value_parser = PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)).map(|name| scope(&name)))]
    scope: Option<Scope>,
    /// The profile NAME, whose state directory is ~/.openclaw-NAME
    #[arg(long, value_name = "NAME", conflicts_with = "dev")]
    profile: Option<String>,
    /// The profile "dev"
    #[arg(long)]
    dev: bool,
    /// The release of OpenClaw that it is judged by, such as 2026.5.18; 2026.5 stands for the newest of that month [default:
    /// told by the installed package, the config and the state directory]
    #[arg(long, value_name = "RELEASE")]
    openclaw_version: Option<Release>,
    /// What your site has decided [default: the first that exists of `chitin/chitin.toml` in `$XDG_CONFIG_HOME` or ~/.config, and
    /// /etc/chitin/chitin.toml]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// What `--root` names, for commands that have it.
    #[arg(skip)]
    root: Option<PathBuf>,
}

/// In which file system, for commands that change nothing.
#[derive(Args, Clone)]
pub(super) struct RootArguments {
    /// The folder that all paths of the target are below: an unpacked image, a mounted disk. Links stay in it, accounts are those of
    /// its own /etc/passwd, and nothing of this machine has a part in it
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl RootArguments {
    /// The target in this file system.
    pub(super) fn around(&self, target: &TargetArguments) -> TargetArguments {
        TargetArguments { root: self.root.clone(), ..target.clone() }
    }
}

/// How long it may take.
#[derive(Args, Clone, Copy)]
pub(super) struct LimitArguments {
    /// End what has not ended by then, such as a file system that hangs, with what there is; from 1s to 24h [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = time_limit)]
    time_limit: Option<Duration>,
}

impl LimitArguments {
    /// Time on the wall for one audit.
    pub(super) fn wall(self) -> Duration {
        self.time_limit.unwrap_or(budget::TIME_LIMIT)
    }
}

/// Where the target lies, and what the command line and the environment say of it.
pub(super) struct Found {
    pub installation: Installation,
    pub environment: Environment,
    /// The directory that the program was started in is gone.
    pub nowhere: bool,
}

/// How the live gateway is asked.
#[derive(Args, Clone)]
pub(super) struct ProbeArguments {
    /// Show the gateway this token, whatever the config and the environment say
    #[arg(long, value_name = "TOKEN", requires = "deep")]
    token: Option<String>,
    /// Show the gateway this password, whatever the config and the environment say
    #[arg(long, value_name = "PASSWORD", requires = "deep")]
    password: Option<String>,
    /// How long the gateway is waited for, from 250ms to 1m [default: 5s]
    #[arg(long, value_name = "TIME", requires = "deep", value_parser = timeout)]
    timeout: Option<Duration>,
    /// Let a gateway on another machine, which a target that you named with --state-dir or --config names, be shown that
    /// target's credentials, and --token and --password
    #[arg(long, requires = "deep")]
    trust_target: bool,
}

impl ProbeArguments {
    /// The same for the probe.
    pub(super) fn options(&self) -> probe::Options {
        let secret = |text: &Option<String>| text.as_deref().map(SecretString::new);
        probe::Options {
            token: secret(&self.token),
            password: secret(&self.password),
            timeout: self.timeout.unwrap_or(probe::DEFAULT_TIMEOUT),
            trust_target: self.trust_target,
            ..probe::Options::default()
        }
    }
}

/// The scope of this name, which is one of them.
fn scope(name: &str) -> Scope {
    Scope::ALL.into_iter().find(|scope| scope.as_str() == name).unwrap_or_default()
}

/// A time within the probe's bounds.
fn timeout(text: &str) -> Result<Duration, String> {
    duration(text, "5s or 800ms", [probe::MIN_TIMEOUT, probe::MAX_TIMEOUT])
}

/// A time within an audit's bounds.
fn time_limit(text: &str) -> Result<Duration, String> {
    duration(text, "90s or 10m", [budget::MIN_TIME_LIMIT, budget::MAX_TIME_LIMIT])
}

/// A time from the least to the most; an example of it for the error.
fn duration(text: &str, example: &str, [least, most]: [Duration; 2]) -> Result<Duration, String> {
    let time =
        humantime::parse_duration(text).map_err(|error| format!("{error}; write for example {example}"))?;
    if (least..=most).contains(&time) {
        return Ok(time);
    }
    // humantime would write 24 hours as "1day".
    let shown = |time: Duration| match time.as_secs() {
        seconds if seconds > 0 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        _ => humantime::format_duration(time).to_string(),
    };
    Err(format!("it must be from {} to {}", shown(least), shown(most)))
}

impl TargetArguments {
    /// What the site has decided. To be asked before the target is located: root that becomes the owner of the target cannot
    /// read root's own settings any more.
    pub(super) fn settings(&self) -> anyhow::Result<Placed> {
        settings(self.settings.as_deref())
    }

    /// Finds the installation, and reads nothing of it. Wherever it looks, a file system may hang.
    pub(super) fn find(&self, budget: &Budget) -> anyhow::Result<Result<Found, Cut>> {
        let arguments = self.clone();
        let allowed = budget::READING.min(budget.allowed());
        match budget.aside(budget::READING_NAME, allowed, move |_| arguments.look(true)) {
            Ok(found) => Ok(Ok(found?)),
            Err(cut) => Ok(Err(cut)),
        }
    }

    fn look(&self, become_owner: bool) -> anyhow::Result<Found> {
        if let Some(root) = &self.root {
            return self.look_below(root, become_owner);
        }
        let here = std::env::current_dir().ok().filter(|here| here.is_absolute());
        for (flag, path) in [("--state-dir", &self.state_dir), ("--config", &self.config)] {
            let Some(path) = path else { continue };
            if here.is_none() && path.is_relative() {
                let what = format!("cannot use {flag} {}: the current directory is gone", path.display());
                return Err(user_error(what, "name an absolute path, or change to a directory that exists"));
            }
            if let Err(error) = path.symlink_metadata() {
                let help = format!(
                    "name an existing path, or leave {flag} out to use what OpenClaw itself would use"
                );
                return Err(user_error(format!("cannot use {flag} {}: {error}", path.display()), help));
            }
            let found = match path.metadata() {
                Ok(found) => found,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let what =
                        format!("cannot use {flag} {}: it is a link to what is not there", path.display());
                    return Err(user_error(what, "name a path that leads somewhere"));
                }
                // What lies at its end may not be looked at from here; then the audit says so.
                Err(_) => continue,
            };
            let (is_wrong, what, help) = match flag {
                "--state-dir" => (!found.is_dir(), "it is no folder", "--config FILE names a config"),
                _ => (found.is_dir(), "it is a folder", "--state-dir DIR names an installation"),
            };
            if is_wrong {
                return Err(user_error(format!("cannot use {flag} {}: {what}", path.display()), help));
            }
        }
        let (state_dir, config) = (self.state_dir.clone(), self.config.clone());
        let request = self.request(state_dir, config, become_owner);
        let cwd = here.as_deref().unwrap_or(Path::new(NOWHERE));
        let mut environment = Environment::from_process();
        let installation = find(&request, &mut environment, cwd).map_err(|error| unlocated(&error))?;
        Ok(Found { installation, environment, nowhere: here.is_none() })
    }

    /// The same below a folder. Of this process's environment nothing counts.
    fn look_below(&self, root: &Path, become_owner: bool) -> anyhow::Result<Found> {
        let unusable = |flag: &str, path: &Path, why: String, help: String| {
            user_error(format!("cannot use {flag} {}: {why}", path.display()), help)
        };
        let (flags, real) = (OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, root.canonicalize());
        let opened = rustix::fs::open(root, flags, Mode::empty()).map_err(std::io::Error::from);
        let (folder, real) = opened.and_then(|folder| Ok((folder, real?))).map_err(|error| {
            let help = "name the folder that an image was unpacked to, or that a disk is mounted at";
            unusable("--root", root, error.to_string(), help.to_owned())
        })?;
        sysroot::enter(folder);
        let top = Path::new("/");
        let inside = |flag: &str, path: &Option<PathBuf>| {
            let Some(path) = path else { return Ok(None) };
            let named = absolute(top, path);
            sysroot::lstat(&named).map_err(|errno| {
                let error = std::io::Error::from(errno);
                let below = path.strip_prefix(root).or_else(|_| path.strip_prefix(&real));
                let help = match below {
                    Ok(below) if path.is_absolute() || root.is_relative() => {
                        format!("paths are those below --root: write {flag} {}", shell_word(top.join(below)))
                    }
                    _ => format!(
                        "name a path below --root, or leave {flag} out to look in each home directory there"
                    ),
                };
                unusable(flag, path, error.to_string(), help)
            })?;
            Ok::<_, anyhow::Error>(Some(named))
        };
        let (state_dir, config) =
            (inside("--state-dir", &self.state_dir)?, inside("--config", &self.config)?);
        let request = Request { sysroot: Some(real), ..self.request(state_dir, config, become_owner) };
        let mut environment = [("PATH", PATH_OF_IMAGES)].into_iter().collect();
        let installation = find(&request, &mut environment, top).map_err(|error| unlocated(&error))?;
        Ok(Found { installation, environment, nowhere: false })
    }

    fn request(&self, state_dir: Option<PathBuf>, config: Option<PathBuf>, become_owner: bool) -> Request {
        let profile = self.profile.clone().or(self.dev.then(|| "dev".to_owned()));
        Request { state_dir, config, profile, scope: self.scope, sysroot: None, become_owner }
    }

    /// The state directory, so that no cache is made in it. It is too early to become its owner, or to tell what is wrong with it.
    pub(super) fn state(&self, budget: &Budget) -> Option<Identity> {
        let arguments = self.clone();
        let look = move || {
            let found = arguments.look(false).ok()?;
            sysroot::stat(&found.installation.state_dir).ok().map(|stat| Metadata::from(&stat).identity)
        };
        budget.aside_within(GRACE, look).ok().flatten()
    }

    /// The config file that it names on this machine.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref().filter(|_| self.root.is_none())
    }

    /// It is about another file system than this machine's.
    pub(super) fn is_below_root(&self) -> bool {
        self.root.is_some()
    }

    /// It names a target.
    pub(super) fn is_named(&self) -> bool {
        self.state_dir.is_some()
            || self.config.is_some()
            || self.profile.is_some()
            || self.dev
            || self.root.is_some()
    }

    /// What it names, as far as that tells one target from another: a config may be a link, which its own folder goes with.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        let named = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| named(path));
        let config = self.config.as_ref().map(|config| {
            let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty());
            real(folder.unwrap_or(Path::new("."))).join(config.file_name().unwrap_or_default())
        });
        vec![self.state_dir.as_deref().map(real).unwrap_or_default(), config.unwrap_or_default()]
    }

    /// This path, by its real name, lies in it.
    pub(super) fn holds(&self, path: &Path) -> bool {
        let state = self.state_dir.as_ref().and_then(|state| state.canonicalize().ok());
        state.is_some_and(|state| path.starts_with(state))
    }

    /// The same for a target of this name.
    pub(super) fn with(&self, state_dir: Option<PathBuf>, config: Option<PathBuf>) -> Self {
        Self { state_dir, config, ..self.clone() }
    }

    /// The release that it is to be judged by.
    pub(super) fn release(&self) -> Option<Release> {
        self.openclaw_version
    }
}

/// The settings that count, where the command line may name others.
pub(in crate::cli) fn settings(named: Option<&Path>) -> anyhow::Result<Placed> {
    // The process's own environment: the target's .env files must not choose the rule they are judged by.
    Settings::find(named, &Environment::from_process()).map_err(|error| {
        let help = match error {
            SettingsError::Final(_) => {
                "leave --settings out; whoever looks after this machine can change that"
            }
            _ => "docs/settings.md says what can be set; --settings FILE names another file",
        };
        user_error(error.to_string(), help)
    })
}

/// Where the programs of an image lie: what Debian gives to its accounts.
const PATH_OF_IMAGES: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn unlocated(error: &LocateError) -> anyhow::Error {
    user_error(error.to_string(), "see `chitin audit --help`")
}

/// Stands for the working directory where there is none. Nothing lies there: the name is the one that systems give to the
/// home of accounts that have none, and only root could make it.
const NOWHERE: &str = "/nonexistent/working-directory";

/// The policies of a plan, as a worker is told of them.
pub(super) fn wanted(plan: &[Arc<Planned>]) -> Vec<Wanted> {
    let one = |planned: &Arc<Planned>| match &planned.code {
        Ok(Code::Builtin(number)) => Wanted::Builtin(*number),
        code => Wanted::Strange {
            manifest: Box::new((*planned.manifest).clone()),
            granted: Box::new((*planned.granted).clone()),
            origin: planned.origin,
            code: code.as_ref().map_err(Clone::clone).and_then(|code| {
                let extent = code.file().map(|file| file.extent().clone());
                extent.ok_or_else(|| "it has no code".to_owned())
            }),
        },
    };
    plan.iter().map(one).collect()
}

/// How much the process is confined that reads the target.
#[derive(Args, Clone, Copy)]
pub(super) struct ConfineArguments {
    /// How much the process that reads the target is confined by the kernel: all of it or no audit, all that this kernel has,
    /// or nothing [default: best-effort]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(Asked::NAMES).try_map(|how| how.parse::<Asked>()))]
    confine: Option<Asked>,
}

impl ConfineArguments {
    /// The same, or what the site has decided.
    pub(super) fn asked(self, settings: &Settings) -> Asked {
        self.confine.or(settings.confine).unwrap_or_default()
    }
}

/// The audit's time: `SOURCE_DATE_EPOCH` where it is set, so that two runs give the same bytes.
pub(super) fn now() -> anyhow::Result<u64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.trim().parse().map_err(|_| {
            user_error(
                format!("SOURCE_DATE_EPOCH is \"{text}\", which is no number of seconds"),
                "unset it, or set it to seconds since 1970, for example $(git log -1 --format=%ct)",
            )
        }),
        Err(_) => Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs()),
    }
}
