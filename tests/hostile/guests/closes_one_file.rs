//! expect: no failure
//!
//! A stranger who does nothing wrong: it proposes to close one file, and asks for a part of the config besides.
//! `runner/tests/attacks/fixes.rs` takes capabilities from it.

use chitin_hostile::{Finding, Fix, Input, SetMode, Verdict, guest, harmless, path, say, state};

fn audit(_: Input) -> Verdict {
    let target = path("state", "old.bak");
    let open = state::stat(&target).ok().map(|metadata| metadata.mode).filter(|mode| mode & 0o077 != 0);
    let cure = |expected| Fix::SetMode(SetMode { target: target.clone(), expected, mode: 0o600 });
    let finding = |expected| Finding { fixes: vec![cure(expected)], ..harmless() }.at_object(&target);
    say(open.map(finding).into_iter().collect())
}

guest!(audit, "config = [\"/gateway\"]\nfiles = [\"stat:state/*\"]\nfixes = [\"set-mode\"]");
