//! expect: inconclusive: NotGranted NotGranted Ok(0)
//!
//! Reads columns that it does not declare, of a table that it may see one column of.

use chitin_hostile::{Input, Verdict, guest, kept_out, records};

const TABLE: &str = "channel_pairing_allow_entries";

fn audit(_: Input) -> Verdict {
    let read = |columns: &[&str]| {
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        match records::read(TABLE, &columns, u32::MAX, u32::MAX) {
            Ok(page) => format!("Ok({})", page.rows.len()),
            Err(error) => format!("{error:?}").trim_start_matches("Error::").to_owned(),
        }
    };
    kept_out([read(&["entry"]), read(&["channel_key", "entry"]), read(&["channel_key"])].join(" "))
}

guest!(audit, "records = [\"channel_pairing_allow_entries.channel_key\"]");
