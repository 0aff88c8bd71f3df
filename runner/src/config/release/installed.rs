//! The package of OpenClaw that is installed, as its own `package.json` says it. Only a fixed list of places is looked at, and
//! only for an audit of the caller's own installation: what runs for others is not on this caller's `PATH`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::release::Release;
use crate::target::{Environment, Located, Origin, read_in_target, real_path, sysroot};

/// The program, and the name of its package.
const NAME: &str = "openclaw";
/// Where npm puts a global package, seen from the folder above the one of the program.
const BESIDE: &str = "lib/node_modules/openclaw";
/// Where the published container image has it.
const IMAGE: &str = "/app";
/// Longest `package.json` that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A package that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Installed {
    pub release: Release,
    /// Its folder.
    pub folder: PathBuf,
}

/// The package that the caller's `openclaw` belongs to; in a container image, or below `--root`, that of the image.
pub(in crate::config) fn callers(located: &Located, env: &Environment) -> Option<Installed> {
    // In a file system of its own, what it has is what its accounts run.
    let is_callers = located.may_use(Origin::Process) && !located.territory.is_anothers();
    if !is_callers && located.sysroot.is_none() {
        return None;
    }
    let path = env.get("PATH").filter(|_| env.origin("PATH") == Some(Origin::Process)).unwrap_or_default();
    let on_path = path.split(':').map(Path::new).filter(|folder| folder.is_absolute());
    match on_path.map(|folder| folder.join(NAME)).find(|program| sysroot::exists(program)) {
        // What the caller runs decides, also where it is not understood.
        Some(program) => of_program(&program),
        None => package(Path::new(IMAGE), &read_own),
    }
}

/// The package that the installer for one user puts into the state directory. Whoever writes there can write another one.
pub(in crate::config) fn in_state(located: &Located) -> Option<Installed> {
    let state_dir = &located.state_dir;
    let read = |path: &Path| {
        let rel = path.strip_prefix(state_dir).ok()?;
        located.territory.read_beneath(state_dir, rel, MAX_BYTES).ok().map(|content| content.bytes)
    };
    package(&state_dir.join(BESIDE), &read)
}

/// The program is a link into its package, or stands beside the folder of global packages.
fn of_program(program: &Path) -> Option<Installed> {
    let real = real_path(program).ok()?;
    let within = real.ancestors().find(|folder| folder.ends_with(Path::new("node_modules").join(NAME)));
    let beside = || Some(program.parent()?.parent()?.join(BESIDE));
    package(&within.map(Path::to_owned).or_else(beside)?, &read_own)
}

fn read_own(path: &Path) -> Option<Vec<u8>> {
    read_in_target(path, MAX_BYTES).ok()
}

fn package(folder: &Path, read: &dyn Fn(&Path) -> Option<Vec<u8>>) -> Option<Installed> {
    let package: Value = serde_json::from_slice(&read(&folder.join("package.json"))?).ok()?;
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    let release = Release::of_stamp(text("version")?).filter(|_| text("name") == Some(NAME))?;
    Some(Installed { release, folder: folder.to_owned() })
}
