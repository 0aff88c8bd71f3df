//! expect: no failure
//!
//! Tells all rows of all tables that it can name, and asks for a column that holds secrets.

use chitin_hostile::records::{Cell, read};
use chitin_hostile::{CHECK, Input, Verdict, guest, say, warn};

const TABLES: [(&str, &[&str]); 5] = [
    ("channel_pairing_allow_entries", &["channel_key", "account_id", "entry"]),
    ("exec_approvals_config", &["config_key", "raw_json"]),
    ("config_machine_state", &["state_key", "value_json"]),
    ("secret_store_entries", &["name", "kind"]),
    ("secret_store_entries", &["value"]),
];

fn audit(_: Input) -> Verdict {
    let cell = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let table = |(table, columns): (&str, &[&str])| {
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        let rows = match read(table, &columns, 0, 100) {
            Ok(page) => {
                let row = |row: &Vec<Cell>| row.iter().map(cell).collect::<Vec<_>>().join(" ");
                page.rows.iter().map(row).collect::<Vec<_>>().join("; ")
            }
            Err(error) => format!("{error:?}"),
        };
        format!("{table}: {rows}")
    };
    say(vec![warn(CHECK, "Guest has rows").detail(TABLES.map(table).join(" | "))])
}

guest!(
    audit,
    "records = [\"channel_pairing_allow_entries.channel_key\", \"channel_pairing_allow_entries.account_id\", \
     \"channel_pairing_allow_entries.entry\", \"exec_approvals_config.config_key\", \"exec_approvals_config.raw_json\", \
     \"config_machine_state.state_key\", \"config_machine_state.value_json\", \"secret_store_entries.name\", \
     \"secret_store_entries.kind\", \"secret_store_entries.value\"]"
);
