//! expect: no failure

use chitin_hostile::{Finding, Input, Location, Verdict, guest, harmless, path, say, state};

/// Uses up what the runner remembers of absent names, and then names one link as a place so often that to resolve it each
/// time would take hours where that is dear.
fn audit(_: Input) -> Verdict {
    let long = format!("{}/", "n".repeat(250)).repeat(15);
    for number in 0..6_000 {
        let _ = state::stat(&path("state", &format!("{long}{number}")));
    }
    let places = vec![Location::Object(path("state", "s")); 100];
    say((0..50).map(|_| Finding { locations: places.clone(), ..harmless() }).collect())
}

guest!(audit, "files = [\"stat:state/**\", \"stat:state\"]");
