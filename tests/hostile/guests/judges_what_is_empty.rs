//! expect: no failure
//!
//! Takes what is absent from the config for something that is missing, and may look at files, too.

use chitin_hostile::{Finding, Input, Location, Verdict, guest, harmless, path, say, state};

fn audit(_: Input) -> Verdict {
    let place = Location::Config("/tools/profile".to_owned());
    let object = state::list_entries(&path("state", "")).map(|_| Location::Object(path("state", "")));
    let mut findings = vec![Finding { locations: vec![place], ..harmless() }];
    findings.extend(object.ok().map(|object| Finding { locations: vec![object], ..harmless() }));
    say(findings)
}

guest!(audit, "config = [\"/tools\"]\nfiles = [\"list:state\"]");
