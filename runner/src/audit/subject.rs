//! What is audited: everything that is known of the target before the first policy runs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::audit::code::{self, is_of};
use crate::audit::finding::Location;
use crate::audit::plan::Planned;
use crate::audit::site::SiteRules;
use crate::audit::snippet::{Snippet, snippet};
use crate::audit::visible;
use crate::budget::Budget;
use crate::config::{Config, Mask, SecretSource, SecretString, SecretSubject, segments};
use crate::policy::manifest::EACH;
use crate::probe::{Gateway, Probe};
use crate::sandbox::{
    AwaitProbe, Close, Facts, Known, Literals, Measures, Permissions, Platform, ProbeResult, Problem,
    Progress, Release, Shared, Source, Variable, View,
};
use crate::settings::{Accepted, Settings};
use crate::target::records::Tables;
use crate::target::snapshot::{Guard, LookError, Metadata, Root, Snapshot};
use crate::target::{self, Environment, Located, Preview, js_trim};

/// Variables whose value is no secret: policies that may see them get it.
const PUBLIC_VARIABLES: [&str; 9] = [
    "OPENCLAW_GATEWAY_PORT",
    "CLAWDBOT_GATEWAY_PORT",
    "OPENCLAW_SERVICE_KIND",
    "OPENCLAW_HOME",
    "HOME",
    "USERPROFILE",
    "IRC_HOST",
    "IRC_NICK",
    "IRC_TLS",
];

/// What is installed from npm: the name of its views, where its records stand, and its folder in the state directory.
const INSTALLS: [(&str, &str, &str); 2] = [
    ("plugin-package", "/plugins/installs", "extensions"),
    ("hook-package", "/hooks/internal/installs", "hooks"),
];

/// The number of the view of the state directory.
const STATE: usize = 0;

/// The name of the view of the config, and of the family of views of what it includes.
pub(super) const CONFIG: &str = "config";
pub(super) const INCLUDE: &str = "include";

/// The number of the view of the credentials directory.
const CREDENTIALS: usize = 2;

/// Packages of one kind that are looked at: some hundred times an ordinary installation.
const MAX_PACKAGES: usize = 500;

/// Folders of agents that are looked at: some hundred times an ordinary installation.
const MAX_WORKSPACES: usize = 500;

/// The target of one audit, located and read.
pub struct Subject {
    /// Where everything is.
    pub located: Located,
    /// The config, and what is known about it.
    pub config: Arc<Config>,
    /// Seconds since the epoch, the same for the whole audit.
    pub now: u64,
    /// Slow and live checks were asked for, too.
    pub deep: bool,
    environment: Environment,
    problems: Vec<target::Problem>,
    /// Names and places of the views, by their numbers in the snapshot.
    views: BTreeMap<usize, (String, PathBuf)>,
    /// The numbers of all of them by their names, made for the first run.
    all_views: OnceLock<Arc<BTreeMap<String, usize>>>,
    /// The same as policies are given them.
    shown_views: OnceLock<Vec<View>>,
    family_gaps: BTreeMap<&'static str, String>,
    permissions: Permissions,
    accepted: Vec<Accepted>,
    site: SiteRules,
    honours_suppressions: bool,
    probe: Option<Probe>,
    mask: OnceLock<Mask>,
    shared: Arc<Shared>,
    other: Option<Arc<Subject>>,
}

/// What the subjects of one audit have in common: nothing is looked at once for each release.
struct Common {
    snapshot: Arc<Snapshot>,
    tables: Arc<Tables>,
    progress: Arc<Progress>,
    probe: Option<AwaitProbe>,
}

/// The views by their numbers, and what is missing of a family of views, and why.
type Numbered = (BTreeMap<usize, (String, PathBuf)>, BTreeMap<&'static str, String>);

/// The places that policies may be shown.
struct Places {
    views: Vec<(String, Root)>,
    gaps: BTreeMap<&'static str, String>,
}

impl Places {
    /// Finds those of a target as a release has it.
    fn find(located: &Located, environment: &Environment, config: &Config, basis: &Basis) -> Self {
        let mut views = vec![
            ("state".to_owned(), Root::chosen(located.state_dir.clone())),
            (CONFIG.to_owned(), Root::facts(located.config_audit.clone())),
            ("credentials".to_owned(), Root::chosen(located.credentials_dir.clone())),
        ];
        let log = log_file(located, config);
        views.extend(log.map(|log| ("log".to_owned(), Root::log(log))));
        let includes = (0..).zip(&config.includes);
        views.extend(includes.map(|(number, path)| (include_view(number), Root::facts(path.clone()))));
        let packages = packages(located, &config.effective).into_iter();
        views.extend(packages.map(|(view, path)| (view, Root::package(path))));
        let workspaces = code::workspaces(located, environment, &config.effective, config.judged.release);
        let outlines = workspaces.iter().take(MAX_WORKSPACES);
        views.extend(outlines.map(|(id, path)| (format!("workspace/{id}"), Root::outline(path.clone()))));
        let mut gaps = BTreeMap::new();
        if workspaces.len() > MAX_WORKSPACES {
            let all = workspaces.len();
            let gap = format!(
                "workspaces limit: {MAX_WORKSPACES} allowed, {all} are there; the others were not looked at"
            );
            gaps.insert("workspace", gap);
        }
        if !basis.deep || located.is_config_alone() {
            return Self { views, gaps };
        }
        let is_over = || basis.budget.check().is_err();
        let owner = located.territory.owner();
        let code = code::find(located, &config.effective, &workspaces, owner, &is_over);
        gaps.extend(code.gaps);
        views.extend(code.found.into_iter().map(|found| (found.view, Root::found(found.path, found.object))));
        Self { views, gaps }
    }

    /// Gives each view the number of its root: the one that it has already where another release has the same view.
    fn numbered(self, roots: &mut Vec<(String, Root)>) -> Numbered {
        let known: HashMap<String, usize> =
            roots.iter().enumerate().map(|(number, (name, _))| (name.clone(), number)).collect();
        let number = |(name, root): (String, Root)| {
            let path = root.path().to_owned();
            let is_same = |number: &usize| roots.get(*number).is_some_and(|(_, known)| known.is(&root));
            let number = known.get(&name).copied().filter(is_same).unwrap_or_else(|| {
                roots.push((name.clone(), root));
                roots.len() - 1
            });
            (number, (name, path))
        };
        (self.views.into_iter().map(number).collect(), self.gaps)
    }
}

/// What an audit goes by, besides its target.
#[derive(Clone, Debug, Default)]
pub struct Basis {
    /// Seconds since the epoch, the same for the whole audit.
    pub now: u64,
    /// Makes the fingerprints of secrets comparable within this audit, and with nothing else.
    pub key: [u8; 32],
    /// What the site has decided.
    pub settings: Settings,
    /// Changes to imagine. The config must have been read with them.
    pub preview: Preview,
    /// Slow and live checks are asked for, too.
    pub deep: bool,
    /// The live probe of a deep audit.
    pub probe: Option<Probe>,
    /// Is told how far the runs are.
    pub progress: Arc<Progress>,
    /// What is left for taking stock.
    pub budget: Budget,
}

impl Subject {
    /// Takes stock of a target, by each release that it is judged by. `located_problems` are what locating it met.
    #[must_use]
    pub fn new(
        located: Located,
        environment: Environment,
        mut config: Config,
        located_problems: Vec<target::Problem>,
        basis: &Basis,
    ) -> Self {
        let other = config.other.take().map(|config| *config);
        let config = Arc::new(config);
        let mut roots: Vec<(String, Root)> = Vec::new();
        let mut places =
            |config: &Config| Places::find(&located, &environment, config, basis).numbered(&mut roots);
        let own = places(&config);
        let others = other.as_ref().map(places);
        let secret = located.dotenv.iter().chain(&config.objects).copied();
        let snapshot = Snapshot::new(roots.into_iter().map(|(_, root)| root), &basis.preview)
            .guarded(Guard::new(located.territory, secret));
        let common = Common {
            snapshot: Arc::new(snapshot),
            tables: Arc::new(tables(&config, other.as_ref())),
            progress: Arc::clone(&basis.progress),
            probe: basis.probe.clone().map(awaited),
        };
        let other = other.zip(others).map(|(config, numbered)| {
            let (located, environment) = (located.clone(), environment.clone());
            Arc::new(Self::of(located, environment, Arc::new(config), numbered, &common, basis))
        });
        let mut subject = Self { other, ..Self::of(located, environment, config, own, &common, basis) };
        subject.problems.splice(..0, located_problems);
        // Which workspaces and load paths there are, the config says.
        if let Some(gap) = subject.config_gap().filter(|_| basis.deep) {
            for family in EACH {
                let reason = subject.gap_reason(gap);
                subject.family_gaps.entry(family).or_insert(reason);
            }
        }
        subject
    }

    /// The target by one release.
    fn of(
        located: Located,
        environment: Environment,
        config: Arc<Config>,
        (views, family_gaps): Numbered,
        common: &Common,
        basis: &Basis,
    ) -> Self {
        let is_absent = |path: &Path| !located.state_exists && path.starts_with(&located.state_dir);
        let absent = views.iter().filter(|(_, (_, path))| is_absent(path)).map(|(view, _)| *view).collect();
        let is_beyond = |name: &str| {
            let is_of_config = name == CONFIG || is_of(name, INCLUDE);
            located.is_config_alone() && !(is_of_config && located.has_modes)
        };
        let beyond = views.iter().filter(|(_, (name, _))| is_beyond(name)).map(|(view, _)| *view).collect();
        let shared = Shared {
            snapshot: Arc::clone(&common.snapshot),
            secrets: known(&config, &basis.key),
            literals: literals(&located, &config),
            absent,
            beyond,
            tables: Arc::clone(&common.tables),
            owner: located.territory.owner(),
            now: basis.now,
            progress: Arc::clone(&common.progress),
            probe: common.probe.clone(),
        };
        let Settings { permissions, accepted, suppressions, severities, honour_config_suppressions, .. } =
            &basis.settings;
        Self {
            located,
            problems: config.problems.clone(),
            config,
            now: basis.now,
            deep: basis.deep,
            environment,
            views,
            all_views: OnceLock::new(),
            shown_views: OnceLock::new(),
            family_gaps,
            permissions: Permissions { directory: permissions.directory, file: permissions.file },
            accepted: accepted.clone(),
            site: SiteRules { suppressions: suppressions.clone(), severities: severities.clone() },
            honours_suppressions: *honour_config_suppressions,
            probe: basis.probe.clone(),
            mask: OnceLock::new(),
            shared: Arc::new(shared),
            other: None,
        }
    }

    /// What the live probe met, as it met it. None where the audit is not deep, or it takes longer than this.
    #[must_use]
    pub fn gateway(&self, within: Duration) -> Option<Gateway> {
        self.probe.as_ref()?.within(within)
    }

    /// The same target as the other release has it that something speaks for.
    #[must_use]
    pub fn other(&self) -> Option<&Arc<Self>> {
        self.other.as_ref()
    }

    /// What all runs of this audit share.
    #[must_use]
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The number of a view.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<usize> {
        self.views.iter().find(|(_, (known, _))| known == name).map(|(number, _)| *number)
    }

    /// The name of a view.
    #[must_use]
    pub fn view_name(&self, number: usize) -> Option<&str> {
        self.views.get(&number).map(|(name, _)| name.as_str())
    }

    /// The views and their numbers; of this family only the one view.
    #[must_use]
    pub fn view_numbers(&self, family: Option<&str>, only: Option<usize>) -> Arc<BTreeMap<String, usize>> {
        let numbers = |seen: &dyn Fn(usize, &str) -> bool| {
            let seen = self.views.iter().filter(|(number, (name, _))| seen(**number, name));
            Arc::new(seen.map(|(number, (name, _))| (name.clone(), *number)).collect())
        };
        match family {
            None => Arc::clone(self.all_views.get_or_init(|| numbers(&|_, _| true))),
            Some(family) => numbers(&|number, name| Some(number) == only || !is_of(name, family)),
        }
    }

    /// The numbers of a family's views.
    #[must_use]
    pub fn family(&self, family: &str) -> Vec<usize> {
        self.views.iter().filter(|(_, (name, _))| is_of(name, family)).map(|(number, _)| *number).collect()
    }

    /// Why a family of views that a policy is about lacks some that it should have; none where it has them all.
    #[must_use]
    pub fn family_gap(&self, planned: &Planned) -> Option<String> {
        let is_seen = |family: &str| {
            planned.manifest.policy.each.as_deref() == Some(family) || planned.granted.sees_family(family)
        };
        self.family_gaps.iter().find(|(family, _)| is_seen(family)).map(|(_, gap)| gap.clone())
    }

    /// The absolute path of an object.
    #[must_use]
    pub fn path(&self, view: usize, rel: &Path) -> PathBuf {
        let root = self.views.get(&view).map(|(_, path)| path.clone()).unwrap_or_default();
        if rel.as_os_str().is_empty() { root } else { root.join(rel) }
    }

    /// The permission bits of an object, in octal; those of the end where it is a link.
    #[must_use]
    pub fn mode(&self, view: usize, rel: &Path) -> Option<String> {
        let snapshot = &self.shared.snapshot;
        if self.shared.beyond.contains(&view) {
            return None;
        }
        let octal = |metadata: Metadata| format!("{:04o}", metadata.mode);
        match snapshot.stat(view, rel) {
            Ok(metadata) if metadata.kind != target::snapshot::Kind::Symlink => Some(octal(metadata)),
            _ => snapshot.resolve(view, rel).ok()?.metadata.map(octal),
        }
    }

    /// Resolves a config pointer to file, line and column.
    #[must_use]
    pub fn config_location(&self, pointer: &str) -> Location {
        let place = self.config.locate(pointer);
        let file =
            place.and_then(|place| self.config.files.get(place.file)).map(|file| visible::path(&file.path));
        let (line, column) = place.map_or((0, 0), |place| (place.line, place.column));
        let exact = place.is_some_and(|place| place.exact);
        let snippet = self.snippet(pointer);
        Location::Config {
            pointer: self.config.of_file(pointer).into_owned(),
            file,
            line,
            column,
            exact,
            snippet,
        }
    }

    /// The place of the state directory.
    pub(super) fn state_location(&self) -> Location {
        let path = visible::path(&self.located.state_dir);
        Location::Object { view: "state".to_owned(), rel: String::new(), path, mode: None }
    }

    /// The key and its value as the config has them; none where the value is not there.
    fn snippet(&self, pointer: &str) -> Option<Snippet> {
        let (file, range) = self.config.range(pointer).filter(|_| !pointer.is_empty())?;
        let key = segments(&self.config.of_file(pointer))?.pop();
        let shown = self.config.redact();
        // What policies see as it is in the config is no secret, and no variable's; but it may be the same text as one elsewhere, written
        // with escapes that no mask knows.
        let value = self.config.effective.pointer(pointer);
        let is_secrets = value.and_then(Value::as_str).is_some_and(|text| self.mask().apply(text) != text);
        let is_shown = !is_secrets && value.is_some() && shown.pointer(pointer) == value;
        snippet(&self.config.files.get(file)?.text, range, key.as_deref(), is_shown)
    }

    /// The values that no output may show.
    pub fn secret_values(&self) -> impl Iterator<Item = &str> {
        values(&self.config)
    }

    /// Masks them; made once, at the first text.
    #[must_use]
    pub fn mask(&self) -> &Mask {
        self.mask.get_or_init(|| Mask::new(self.secret_values()))
    }

    /// A path as policies see it: a config can put a secret into one.
    fn masked(&self, path: &Path) -> String {
        self.mask().apply(&path.to_string_lossy())
    }

    pub(super) fn input_views(&self, sees: impl Fn(&str) -> bool) -> Vec<View> {
        let one = |(name, path): &(String, PathBuf)| View { name: name.clone(), display: self.masked(path) };
        let all = self.shown_views.get_or_init(|| self.views.values().map(one).collect());
        all.iter().filter(|view| sees(&view.name)).cloned().collect()
    }

    pub(super) fn input_variables(&self, names: &[String]) -> Vec<Variable> {
        let variable = |name: &String| {
            let value = self.environment.get(name)?;
            let public = PUBLIC_VARIABLES.contains(&name.as_str());
            Some(Variable { name: name.clone(), value: public.then(|| value.to_owned()) })
        };
        names.iter().filter_map(variable).collect()
    }

    pub(super) fn input_problems(&self) -> Vec<Problem> {
        let problem = |problem: &target::Problem| {
            let place = problem.place.and_then(|place| Some((self.config.files.get(place.file)?, place)));
            let file = place.map(|(file, _)| &file.path).or(problem.path.as_ref());
            Problem {
                kind: problem.kind.as_str().to_owned(),
                message: self.mask().apply(&problem.message),
                pointers: problem
                    .pointer
                    .iter()
                    .chain(&problem.more)
                    .map(|pointer| self.config.of_policies(pointer).into_owned())
                    .collect(),
                file: file.map(|path| self.masked(path)),
                position: place.map(|(_, place)| (place.line, place.column)),
            }
        };
        self.problems.iter().map(problem).collect()
    }

    pub(super) fn release(&self) -> Release {
        let release = self.config.judged.release;
        Release { year: release.year, month: release.month, patch: release.patch }
    }

    /// The folders that the site may write paths relative to, as they are shown: the state directory, the config's, and the repository.
    pub(super) fn bases(&self) -> Vec<String> {
        let config = self.located.config_load.parent();
        let (state, repository) = (self.located.state_dir.as_path(), self.located.base.as_deref());
        [Some(state), config, repository].into_iter().flatten().map(visible::path).collect()
    }

    /// What the site says of findings.
    pub(super) fn site(&self) -> &SiteRules {
        &self.site
    }

    /// The site has decided that the suppressions of the config count.
    pub(super) fn honours_suppressions(&self) -> bool {
        self.honours_suppressions
    }

    pub(super) fn accepted(&self) -> &[Accepted] {
        &self.accepted
    }

    pub(super) fn permissions(&self) -> Permissions {
        self.permissions
    }

    pub(super) fn platform() -> Platform {
        Platform { os: std::env::consts::OS.to_owned(), arch: std::env::consts::ARCH.to_owned() }
    }

    /// There is neither a state directory nor a config.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        !self.config.present
            && matches!(self.shared.snapshot.stat(0, Path::new("")), Err(LookError::NotFound))
    }

    /// Why the config says less than it should; none where it was understood in full.
    #[must_use]
    pub fn config_gap(&self) -> Option<ConfigGap> {
        use target::ProblemKind as Kind;
        let any = |kinds: &[Kind]| self.problems.iter().any(|problem| kinds.contains(&problem.kind));
        // What cannot be opened at all, such as a link that leads to itself, does not even count as present.
        if !self.config.understood && (self.config.present || any(&[Kind::Unreadable])) {
            return Some(ConfigGap::Unknown);
        }
        // In a config that is understood, all of these are about includes; too large can also be a text that variables make too long.
        let lost = [
            Kind::IncludeFailed,
            Kind::IncludeEscape,
            Kind::IncludeCycle,
            Kind::IncludeTooDeep,
            Kind::Syntax,
            Kind::TooLarge,
            Kind::TooDeep,
        ];
        any(&lost).then_some(ConfigGap::Partial)
    }

    /// Why a check is not assessed where the config says less than it should, with the place of what is wrong first.
    #[must_use]
    pub fn gap_reason(&self, gap: ConfigGap) -> String {
        let refused = self.problems.iter().filter(|problem| problem.kind.refused_by_gateway());
        let place = refused.filter_map(|problem| problem.place).find_map(|place| {
            let file = self.config.files.get(place.file)?;
            Some(format!(": {}:{}:{}", visible::path(&file.path), place.line, place.column))
        });
        format!("{}{}", gap.reason(), place.unwrap_or_default())
    }
}

/// How much of the config is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigGap {
    /// All of it.
    Unknown,
    /// An include.
    Partial,
}

impl ConfigGap {
    /// The reason why a check is not assessed.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "the config could not be read",
            Self::Partial => "a part of the config could not be read",
        }
    }
}

/// The file of `logging.file`; none where it is not set or names another user's home.
fn log_file(located: &Located, config: &Config) -> Option<PathBuf> {
    let text = js_trim(config.effective.pointer("/logging/file")?.as_str()?);
    if text.is_empty() {
        return None;
    }
    if text.starts_with('~') {
        return target::expand_home(text, &located.home);
    }
    Some(target::absolute(&located.cwd, Path::new(text)))
}

/// The `package.json` of everything that the config records as installed from npm, numbered like its records. The view
/// is that one file: whatever folder a record names, nothing else of it can be seen.
fn packages(located: &Located, config: &Value) -> Vec<(String, PathBuf)> {
    let mut views = Vec::new();
    for (view, pointer, folder) in INSTALLS {
        let records = config.pointer(pointer).and_then(Value::as_object).into_iter().flatten().enumerate();
        let from_npm = records.filter(|(_, (_, record))| record.get("source") == Some(&Value::from("npm")));
        views.extend(from_npm.take(MAX_PACKAGES).map(|(number, (id, record))| {
            let path = match record.get("installPath").and_then(Value::as_str) {
                Some(path) => located.cwd.join(path),
                // An id is a name, also where it begins with "/".
                None => located.state_dir.join(folder).join(id.trim_start_matches('/')),
            };
            (format!("{view}/{number}"), target::normalise(&path.join("package.json")))
        }));
    }
    views
}

/// What may be told of each hidden value.
fn known(config: &Config, key: &[u8]) -> BTreeMap<String, Known> {
    let mut all = BTreeMap::new();
    for secret in &config.secrets {
        let name = match &secret.subject {
            // A number where a text belongs has no length.
            SecretSubject::Pointer(pointer) if !is_text(config, pointer) => continue,
            SecretSubject::Pointer(pointer) => pointer.clone(),
            SecretSubject::Env(name) => format!("env:{name}"),
        };
        let source = match secret.source {
            SecretSource::Literal => Source::Literal,
            SecretSource::Environment => Source::Environment,
            SecretSource::Reference => Source::Reference,
        };
        let is_variable = config.is_hidden_variable(&name);
        let facts = facts(secret.value.expose(), source, key);
        all.insert(name, Known { facts, is_variable });
    }
    all
}

/// Whether a secret is spelled out in the config file or an include, by its view.
fn literals(located: &Located, config: &Arc<Config>) -> BTreeMap<String, Literals> {
    let includes = (0..).zip(&config.includes).map(|(number, path)| (include_view(number), path));
    let files = includes.chain([(CONFIG.to_owned(), &located.config_audit)]);
    let of_file = |(view, path): (String, &PathBuf)| {
        let (config, path) = (Arc::clone(config), path.clone());
        (view, Literals::new(Box::new(move || config.has_literals(&path))))
    };
    files.map(of_file).collect()
}

/// The tables of the target. What either release takes for a secret is masked in them.
fn tables(config: &Arc<Config>, other: Option<&Config>) -> Tables {
    let more: Vec<SecretString> = other.map_or_else(Vec::new, |other| {
        let own: HashSet<&str> = values(config).collect();
        values(other).filter(|value| !own.contains(value)).map(SecretString::new).collect()
    });
    let (config, mask) = (Arc::clone(config), OnceLock::new());
    let shown = move |text: &str| {
        let all = || values(&config).chain(more.iter().map(SecretString::expose));
        mask.get_or_init(|| Mask::new(all())).apply(&Config::shown_text(text))
    };
    Tables::new(STATE, CREDENTIALS, Box::new(shown))
}

/// The values of the secrets of a config.
fn values(config: &Config) -> impl Iterator<Item = &str> {
    config.secrets.iter().map(|secret| js_trim(secret.value.expose()))
}

/// The probe's result as policies get it.
fn awaited(probe: Probe) -> AwaitProbe {
    Arc::new(move |time| {
        let Gateway { url, ok, error, close, .. } = probe.within(time)?;
        let close = close.map(|close| Close { code: close.code, reason: close.reason });
        Some(ProbeResult { url, ok, error, close })
    })
}

/// The view of an included file.
fn include_view(number: usize) -> String {
    format!("{INCLUDE}/{number}")
}

/// The value is a string, or lies in a secret store.
fn is_text(config: &Config, pointer: &str) -> bool {
    config.effective.pointer(pointer).is_some_and(|value| value.is_string() || value.is_object())
}

/// Texts that stand where nobody chose a secret: what a script writes that had none, and the examples that the program's
/// documentation gives and its gateway refuses (reference: 2026.9-delta 3.2).
const WELL_KNOWN: [&str; 5] = [
    "undefined",
    "null",
    "change-me-to-a-long-random-token",
    "change-me-now",
    "change-me-to-a-strong-password",
];

fn facts(value: &str, source: Source, key: &[u8]) -> Facts {
    let trimmed = js_trim(value);
    let class = |c: char| match c {
        c if c.is_lowercase() => 1,
        c if c.is_uppercase() => 2,
        c if c.is_numeric() => 4,
        _ => 8,
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let known = || Measures {
        units: count(trimmed.encode_utf16().count()),
        bytes: count(trimmed.len()),
        padded: trimmed.len() != value.len(),
        placeholder: trimmed.starts_with("${") && trimmed.ends_with('}'),
        well_known: WELL_KNOWN.contains(&trimmed),
        classes: trimmed.chars().map(class).fold(0, |all, class| all | class),
        fingerprint: fingerprint(trimmed, key),
    };
    // Of what is kept elsewhere only the text of a variable is known.
    Facts { source, measures: (source != Source::Reference || !value.is_empty()).then(known) }
}

/// Equal for equal texts; without the key it says nothing about the text.
fn fingerprint(text: &str, key: &[u8]) -> u64 {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return 0 };
    mac.update(text.as_bytes());
    let digest = mac.finalize().into_bytes();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn located() -> Located {
        let path = PathBuf::from;
        Located {
            home: path("/home/a"),
            state_dir: path("/home/a/.openclaw"),
            state_exists: true,
            config_load: path("/home/a/.openclaw/openclaw.json"),
            config_audit: path("/home/a/.openclaw/openclaw.json"),
            config_exists: true,
            credentials_dir: path("/home/a/.openclaw/credentials"),
            origin: String::new(),
            config_origin: String::new(),
            cwd: path("/work"),
            territory: target::Territory::of(0),
            scope: target::Scope::Installation,
            has_modes: true,
            base: None,
            sysroot: None,
            dotenv: Vec::new(),
            dotenv_path: path("/home/a/.openclaw/.env"),
            ignored: Vec::new(),
        }
    }

    #[test]
    fn an_install_is_looked_for_where_its_record_says_and_else_where_installs_go() {
        let config = json!({
            "plugins": {"installs": {
                "copied": {"source": "path"},
                "foo": {"source": "npm"},
                "@scope/foo": {"source": "npm", "installPath": null},
                "elsewhere": {"source": "npm", "installPath": "/opt/x/../elsewhere"},
                "relative": {"source": "npm", "installPath": "custom/foo"},
                "here": {"source": "npm", "installPath": ""},
                "odd": 5,
            }},
            "hooks": {"internal": {"installs": {"hk": {"source": "npm", "installPath": 5}}}},
        });
        let views = packages(&located(), &config);
        let views: Vec<(&str, &str)> =
            views.iter().map(|(name, path)| (name.as_str(), path.to_str().unwrap())).collect();
        assert_eq!(
            views,
            [
                ("plugin-package/1", "/home/a/.openclaw/extensions/foo/package.json"),
                ("plugin-package/2", "/home/a/.openclaw/extensions/@scope/foo/package.json"),
                ("plugin-package/3", "/opt/elsewhere/package.json"),
                ("plugin-package/4", "/work/custom/foo/package.json"),
                ("plugin-package/5", "/work/package.json"),
                ("hook-package/0", "/home/a/.openclaw/hooks/hk/package.json"),
            ]
        );
    }

    #[test]
    fn a_record_can_name_no_other_file_and_not_without_end() {
        for (id, path) in
            [("/etc", "/home/a/.openclaw/hooks/etc/package.json"), ("../../../../etc", "/etc/package.json")]
        {
            let config = json!({"hooks": {"internal": {"installs": {id: {"source": "npm"}}}}});
            assert_eq!(packages(&located(), &config), [("hook-package/0".to_owned(), PathBuf::from(path))]);
        }
        let endless: Value = (0..10_000).map(|id| (id.to_string(), json!({"source": "npm"}))).collect();
        let config = json!({"plugins": {"installs": endless}});
        assert_eq!(packages(&located(), &config).len(), MAX_PACKAGES);
    }

    #[test]
    fn facts_measure_the_trimmed_value() {
        let facts = facts(" aB3\u{1f600} ", Source::Literal, b"k").measures.unwrap();
        assert_eq!((facts.units, facts.bytes, facts.padded, facts.classes), (5, 7, true, 15));
    }

    #[test]
    fn a_placeholder_is_a_variable_that_nothing_filled_in() {
        let placeholder = |value: &str| facts(value, Source::Literal, b"k").measures.unwrap().placeholder;
        assert!(placeholder(" ${NAME} ") && placeholder("${a}x${b}") && placeholder("${}"));
        assert!(
            !placeholder("x${NAME}") && !placeholder("${NAME}x") && !placeholder("${") && !placeholder("")
        );
    }

    #[test]
    fn what_everybody_knows_is_told_from_secrets() {
        let known = |value: &str| facts(value, Source::Literal, b"k").measures.unwrap().well_known;
        assert!(known(" null ") && known("undefined") && known("change-me-now"));
        assert!(!known("Null") && !known("change-me") && !known(""));
    }

    #[test]
    fn a_fingerprint_compares_within_one_audit_only() {
        assert_eq!(fingerprint("a", b"one"), fingerprint("a", b"one"));
        assert_ne!(fingerprint("a", b"one"), fingerprint("b", b"one"));
        assert_ne!(fingerprint("a", b"one"), fingerprint("a", b"two"));
    }
}
