//! expect: inconclusive: WrongKind WrongKind WrongKind ThroughLink ThroughLink ThroughLink ThroughLink WrongKind ThroughLink WrongKind WrongKind
//!
//! Follows symbolic links out of its view, in circles and to the processes; reads what is no file. All have names of code, so
//! that not the name keeps it out.

use chitin_hostile::{Input, Verdict, got, guest, kept_out, name, path, state};

const PLACES: [&str; 11] = [
    "out.js",
    "outside.js",
    "way.js",
    "way.js/plain.js",
    "outside.js/secret.js",
    "self.js/environ.js",
    "circle.js/x.js",
    "circle.js",
    "dangling.js/x.js",
    "pipe.js",
    "socket.js",
];

fn audit(_: Input) -> Verdict {
    let mut met = Vec::new();
    for place in PLACES {
        let place = path("state", &format!("hooks/{place}"));
        match (state::read(&place, 1_000), state::list_entries(&place)) {
            (Err(error), Err(listed)) if error == listed => met.push(name(&error)),
            answers => return got(format!("{place:?}: {answers:?}")),
        }
    }
    kept_out(met.join(" "))
}

guest!(audit, "files = [\"stat:state/**\", \"list:state/**\", \"read:state/**\"]");
