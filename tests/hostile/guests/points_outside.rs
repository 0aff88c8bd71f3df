//! expect: refused: it names "credentials/oauth.json", in a view that it was not given
//!
//! Names an object in a view that it cannot see.

use chitin_hostile::{Input, Verdict, guest, harmless, path, say};

fn audit(_: Input) -> Verdict {
    say(vec![harmless().at_object(&path("credentials", "oauth.json"))])
}

guest!(audit, "files = [\"stat:state\"]");
