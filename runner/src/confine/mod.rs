//! The wall behind the sandbox: what a process of this program can still do when its engine, its compiler or one of its
//! parsers is somebody else's. The only place that names landlock, seccomp, resource limits and capabilities.
//!
//! A process enters a [`Profile`] and never leaves it. Each profile is a list of what stays possible; everything else is
//! refused by the kernel. Where a kernel lacks one of the means, the others hold, and the [`Confinement`] says what is missing.

mod descriptors;
mod files;
mod limits;
mod means;
mod system_calls;
mod trap;

use std::fmt;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use descriptors::forget_inherited;
pub use limits::{hide, obey_modes};
pub use means::{Limit, Means, means};
pub use system_calls::{evaluate_calls, name_of};
pub use trap::{STATUS, call_in};

/// What a process is for, and so what stays possible in it.
#[derive(Debug)]
pub enum Profile<'a> {
    /// Reads the target and runs policies, layer 1: reading beneath these roots, and answering its supervisor.
    Read {
        /// The directories and files that may be opened for reading, as handles.
        roots: &'a [OwnedFd],
    },
    /// The same, layer 2, from the first policy on: reading beneath these roots only, and no further layer.
    Evaluate {
        /// The directories that may be read.
        roots: &'a [OwnedFd],
    },
    /// Compiles a component: standard input, standard output, memory, and nothing else.
    Compile,
    /// Talks to a gateway over a connection that stands already.
    Probe,
}

/// How much confinement the operator asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Asked {
    /// All of it, or no audit.
    Required,
    /// All that this kernel has.
    #[default]
    BestEffort,
    /// None: everything runs in one process that may do what its user may.
    Off,
}

/// A part of the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The target is read, and policies run, in a process of their own.
    Process,
    /// No new privileges, and no capability of root's but that of reading.
    Privileges,
    /// Files are opened for reading beneath the target only, and none is changed.
    Files,
    /// No network, no other program, no other process, no system call but those that an audit needs.
    SystemCalls,
}

impl Layer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Process, Self::Privileges, Self::Files, Self::SystemCalls];
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Process => "process",
            Self::Privileges => "privileges",
            Self::Files => "files",
            Self::SystemCalls => "system-calls",
        })
    }
}

/// A part of the wall that does not stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which one.
    pub layer: Layer,
    /// Why.
    pub reason: String,
}

/// What was asked for, what holds, and what does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// What the operator asked for.
    pub asked: Asked,
    /// What holds.
    pub holds: Vec<Layer>,
    /// What does not, and why.
    pub missing: Vec<Missing>,
}

impl Confinement {
    /// Nothing holds, for one reason.
    #[must_use]
    pub fn none(asked: Asked, reason: &str) -> Self {
        let missing = Layer::ALL.map(|layer| Missing { layer, reason: reason.to_owned() });
        Self { asked, holds: Vec::new(), missing: missing.into() }
    }

    /// What became of each layer that a process of its own entered.
    #[must_use]
    pub fn of(asked: Asked, entered: Vec<(Layer, Result<(), String>)>) -> Self {
        let mut confinement = Self { asked, holds: vec![Layer::Process], missing: Vec::new() };
        for (layer, became) in entered {
            match became {
                Ok(()) => confinement.holds.push(layer),
                Err(reason) => confinement.missing.push(Missing { layer, reason }),
            }
        }
        // What is missing for any reason does not hold.
        let Self { holds, missing, .. } = &mut confinement;
        holds.retain(|layer| !missing.iter().any(|missing| missing.layer == *layer));
        confinement
    }

    /// It answers what was asked, and says of every layer whether it holds.
    #[must_use]
    pub fn is_answer_to(&self, asked: Asked) -> bool {
        let is_told = |layer: &Layer| {
            self.holds.contains(layer) != self.missing.iter().any(|missing| missing.layer == *layer)
        };
        self.asked == asked && Layer::ALL.iter().all(is_told)
    }

    /// What is missing, in one line; none where nothing is.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let mut parts: Vec<(String, &str)> = Vec::new();
        for Missing { layer, reason } in &self.missing {
            match parts.iter_mut().find(|(_, known)| known == reason) {
                Some((layers, _)) => *layers = format!("{layers}, {layer}"),
                None => parts.push((layer.to_string(), reason)),
            }
        }
        let told: Vec<String> = parts.iter().map(|(layers, reason)| format!("{layers} ({reason})")).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// Enters a profile, for good. What this kernel lacks is told, and the rest holds.
#[must_use]
pub fn enter(profile: &Profile<'_>) -> Vec<(Layer, Result<(), String>)> {
    let mut entered = Vec::new();
    let roots: &[OwnedFd] = match profile {
        Profile::Read { roots } | Profile::Evaluate { roots } => roots,
        Profile::Compile | Profile::Probe => &[],
    };
    // The first layer gave them up already, and took the system calls for it away.
    if !matches!(profile, Profile::Evaluate { .. }) {
        entered.push((Layer::Privileges, limits::enter()));
    }
    entered.push((Layer::Files, files::enter(roots)));
    // Last, because the others take system calls that it forbids.
    entered.push((Layer::SystemCalls, system_calls::enter(profile)));
    entered
}

impl Asked {
    /// Their names, as the command line and the settings have them.
    pub const NAMES: [&str; 3] = [Self::Required.as_str(), Self::BestEffort.as_str(), Self::Off.as_str()];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::BestEffort => "best-effort",
            Self::Off => "off",
        }
    }
}

impl From<Asked> for String {
    fn from(asked: Asked) -> Self {
        asked.as_str().to_owned()
    }
}

impl TryFrom<String> for Asked {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Required, Self::BestEffort, Self::Off];
        let named = all.into_iter().find(|asked| asked.as_str() == text);
        named.ok_or_else(|| format!("\"{text}\" is none of \"required\", \"best-effort\" and \"off\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_one_line_with_each_reason_once() {
        let all = Confinement::none(Asked::Off, "--confine off");
        assert_eq!(all.told().unwrap(), "process, privileges, files, system-calls (--confine off)");
        let entered = vec![
            (Layer::Privileges, Ok(())),
            (Layer::Files, Err("this kernel has no landlock".to_owned())),
            (Layer::SystemCalls, Ok(())),
        ];
        let some = Confinement::of(Asked::BestEffort, entered);
        assert_eq!(some.holds, [Layer::Process, Layer::Privileges, Layer::SystemCalls]);
        assert_eq!(some.told().unwrap(), "files (this kernel has no landlock)");
        assert_eq!(Confinement::of(Asked::Required, Vec::new()).told(), None);
    }
}
