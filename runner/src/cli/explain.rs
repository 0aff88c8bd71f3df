//! `chitin explain`: the page of the policy that a check belongs to.

use chitin::config::release::ReleaseRange;
use chitin::policy::catalog::BUILTIN;
use chitin::wording::nearest;
use clap::Args;

use super::{show, user_error};

#[derive(Args)]
pub(super) struct Arguments {
    /// A check id, for example `gateway.bind_no_auth`; or a policy's id
    #[arg(value_name = "CHECK-ID")]
    check: String,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let id = arguments.check.as_str();
    for builtin in BUILTIN {
        let manifest = builtin.manifest()?;
        let check = manifest.find(id);
        if check.is_none() && manifest.policy.id != id {
            continue;
        }
        show(|out| {
            if let Some(check) = check {
                let releases: Vec<&str> = check.releases.iter().map(ReleaseRange::as_str).collect();
                let releases =
                    if releases.is_empty() { String::new() } else { format!(" [{}]", releases.join(", ")) };
                writeln!(out, "{} ({}){releases}: {}\n", id, check.severity, check.summary)?;
            }
            write!(out, "{}", builtin.page)
        })?;
        return Ok(0);
    }
    let mut known = Vec::new();
    for builtin in BUILTIN {
        known.extend(builtin.manifest()?.checks.into_iter().map(|check| check.id));
    }
    let help = nearest(id, known).map_or_else(
        || "`chitin policy list` names the policies, `chitin policy inspect ID` the checks of one".to_owned(),
        |nearest| format!("did you mean `chitin explain {nearest}`?"),
    );
    Err(user_error(format!("there is no check \"{id}\""), help))
}
