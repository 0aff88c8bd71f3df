//! expect: no failure
//!
//! Says again and again how a secret begins that may stand in the config, so that each text has to be compared with all
//! secrets at each place.

use chitin_hostile::{Finding, Input, Location, Verdict, guest, harmless, say};

fn audit(_: Input) -> Verdict {
    let detail = "s3cr3t-valuX".repeat(250);
    let finding = |number| Finding {
        title: format!("t{number}"),
        detail: detail.clone(),
        locations: vec![Location::Env("SECRET".to_owned()); 10],
        ..harmless()
    };
    say((0..300).map(finding).collect())
}

guest!(audit);
