//! What a database says of a table: the words that made it. Of SQL only so much is understood as names the columns.

use crate::error::Error;
use crate::record::Cell;

/// A column of a table.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// It is another name for a row's number.
    pub(crate) is_number: bool,
    /// Whole numbers in it are stored for others.
    pub(crate) is_real: bool,
    /// What rows have in it that are older than the column; none where that is not understood.
    pub(crate) default: Option<Cell>,
}

/// A piece of SQL.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name or a number without quotes.
    Word(String),
    /// A name in quotes.
    Name(String),
    /// A text.
    Text(String),
    /// Any other sign.
    Sign(char),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own.eq_ignore_ascii_case(word))
    }

    fn name(&self) -> Option<&str> {
        match self {
            // Long ago names could be written like texts, too.
            Self::Word(name) | Self::Name(name) | Self::Text(name) => Some(name),
            Self::Sign(_) => None,
        }
    }
}

/// Words that end a column's type.
const CONSTRAINTS: [&str; 11] = [
    "CONSTRAINT",
    "PRIMARY",
    "NOT",
    "NULL",
    "UNIQUE",
    "CHECK",
    "DEFAULT",
    "COLLATE",
    "REFERENCES",
    "GENERATED",
    "AS",
];

/// Words that begin what is no column.
const RULES: [&str; 5] = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];

/// The name by which a table was made; none where that is not understood.
pub(crate) fn made(sql: &str) -> Option<String> {
    let tokens = tokens(sql);
    let at = tokens.iter().position(|token| token.is("TABLE"))?;
    tokens.get(at + 1)?.name().map(str::to_owned)
}

/// The columns of a table, in the order that its rows have them in.
pub(crate) fn columns(sql: &str) -> Result<Vec<Column>, Error> {
    let not_understood = || Error::unknown("the words that made the table are not understood");
    let tokens = tokens(sql);
    let begin = tokens.iter().position(|token| *token == Token::Sign('(')).ok_or_else(not_understood)?;
    let (head, rest) = tokens.split_at(begin);
    if !head.iter().any(|token| token.is("TABLE")) || head.iter().any(|token| token.is("VIRTUAL")) {
        return Err(Error::unknown("the table is kept by other code, not in the database"));
    }
    let (items, options) = items(rest).ok_or_else(not_understood)?;
    if options.iter().any(|token| token.is("WITHOUT")) {
        return Err(Error::unknown("the table has no row numbers, which is not read"));
    }
    let mut columns = Vec::new();
    for item in &items {
        let first = item.first().ok_or_else(not_understood)?;
        if RULES.iter().any(|rule| first.is(rule)) {
            if let Some(name) = primary_key(item) {
                for column in columns
                    .iter_mut()
                    .filter(|column: &&mut (Column, bool)| column.0.name.eq_ignore_ascii_case(name))
                {
                    column.0.is_number = column.1;
                }
            }
        } else {
            let name = first.name().ok_or_else(not_understood)?;
            columns.push(column(name, item.get(1..).unwrap_or_default())?);
        }
    }
    Ok(columns.into_iter().map(|(column, _)| column).collect())
}

/// What stands between the commas of the outermost brackets, and what stands behind these.
fn items(tokens: &[Token]) -> Option<(Vec<&[Token]>, &[Token])> {
    let (mut items, mut depth, mut begin) = (Vec::new(), 0_usize, 1);
    for (number, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    items.push(tokens.get(begin..number)?);
                    return Some((items, tokens.get(number + 1..)?));
                }
            }
            Token::Sign(',') if depth == 1 => {
                items.push(tokens.get(begin..number)?);
                begin = number + 1;
            }
            _ => {}
        }
    }
    None
}

/// The only column of a primary key that is given by a rule of the table.
fn primary_key(rule: &[Token]) -> Option<&str> {
    let place = rule
        .windows(2)
        .position(|pair| matches!(pair, [one, other] if one.is("PRIMARY") && other.is("KEY")))?;
    match rule.get(place + 2..)? {
        [Token::Sign('('), name, Token::Sign(')'), ..] => name.name(),
        [Token::Sign('('), name, order, Token::Sign(')'), ..] if order.is("ASC") || order.is("DESC") => {
            name.name()
        }
        _ => None,
    }
}

/// A column by what stands behind its name, and whether it would be a row's number as a primary key.
fn column(name: &str, tokens: &[Token]) -> Result<(Column, bool), Error> {
    let end =
        tokens.iter().position(|token| CONSTRAINTS.iter().any(|word| token.is(word))).unwrap_or(tokens.len());
    let (kind, rules) = tokens.split_at(end);
    let kind: Vec<String> = kind.iter().filter_map(Token::name).map(str::to_ascii_uppercase).collect();
    let kind = kind.join(" ");
    let can_be_number = kind == "INTEGER";
    let has = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    let is_whole = has(&["INT"]);
    let is_text = !is_whole && has(&["CHAR", "CLOB", "TEXT"]);
    let is_real = !is_whole && !is_text && !has(&["BLOB"]) && has(&["REAL", "FLOA", "DOUB"]);
    let mut column = Column { name: name.to_owned(), is_number: false, is_real, default: Some(Cell::Null) };
    let mut depth = 0_usize;
    for (number, token) in rules.iter().enumerate() {
        let next = |further: usize| rules.get(number + further);
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ if token.is("GENERATED") || token.is("AS") => {
                return Err(Error::unknown("the table has columns that are worked out, which is not read"));
            }
            _ if token.is("PRIMARY") => {
                let falls = next(2).is_some_and(|order| order.is("DESC"));
                column.is_number = can_be_number && !falls;
            }
            _ if token.is("DEFAULT") => {
                column.default = match (next(1), next(2)) {
                    (Some(Token::Text(text)), _) if is_text => Some(Cell::Text(text.clone())),
                    (Some(word), _) if word.is("NULL") => Some(Cell::Null),
                    (Some(Token::Word(word)), end) if is_whole && end != Some(&Token::Sign('.')) => {
                        word.parse().ok().map(Cell::Integer)
                    }
                    _ => None,
                };
            }
            _ => {}
        }
    }
    Ok((column, can_be_number))
}

/// The pieces of a text of SQL; what has no end goes to the end.
fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '-' if rest.peek() == Some(&'-') => while rest.next().is_some_and(|c| c != '\n') {},
            '/' if rest.peek() == Some(&'*') => {
                rest.next();
                let mut before = ' ';
                for c in rest.by_ref() {
                    if (before, c) == ('*', '/') {
                        break;
                    }
                    before = c;
                }
            }
            '"' | '`' | '\'' | '[' => {
                let end = if c == '[' { ']' } else { c };
                let mut text = String::new();
                while let Some(next) = rest.next() {
                    // A quote that is written twice is one of the text's own.
                    if next == end && (c == '[' || rest.next_if_eq(&end).is_none()) {
                        break;
                    }
                    text.push(next);
                }
                tokens.push(if c == '\'' { Token::Text(text) } else { Token::Name(text) });
            }
            _ if is_of_word(c) => {
                let mut word = String::from(c);
                while let Some(next) = rest.next_if(|next| is_of_word(*next)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            _ if c.is_ascii_whitespace() => {}
            _ => tokens.push(Token::Sign(c)),
        }
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sql: &str) -> Vec<String> {
        columns(sql).unwrap().into_iter().map(|column| column.name).collect()
    }

    #[test]
    fn a_table_was_made_by_a_name() {
        for (sql, name) in [
            ("CREATE TABLE t(a)", Some("t")),
            ("create table \"t u\" (a)", Some("t u")),
            ("CREATE VIRTUAL TABLE v USING fts5(a)", Some("v")),
            ("CREATE", None),
            ("", None),
        ] {
            assert_eq!(made(sql).as_deref(), name, "{sql}");
        }
    }

    #[test]
    fn columns_are_named_in_many_ways() {
        let sql = "CREATE TABLE \"a(b\" (\n  one TEXT NOT NULL, -- (two, three\n \"t w,o\" VARCHAR(10, 2) DEFAULT ('x,)'),\n\
                   [three]  /* , four */ ,`f``our` INTEGER CHECK (`f``our` IN (1, 2)), 'five', \u{e9}t\u{e9} ANY,\n\
                   CONSTRAINT c CHECK (one <> 'PRIMARY KEY (three)'), PRIMARY KEY (one, [three]), FOREIGN KEY (one) REFERENCES x(y)\n) STRICT";
        assert_eq!(names(sql), ["one", "t w,o", "three", "f`our", "five", "\u{e9}t\u{e9}"]);
    }

    #[test]
    fn a_primary_key_can_be_a_number_of_rows() {
        for (sql, expected) in [
            ("CREATE TABLE t(a INTEGER PRIMARY KEY, b)", true),
            ("CREATE TABLE t(a integer CONSTRAINT x PRIMARY KEY ASC AUTOINCREMENT, b)", true),
            ("CREATE TABLE t(a INTEGER, b, PRIMARY KEY(A))", true),
            ("CREATE TABLE t(a INTEGER, b, CONSTRAINT x PRIMARY KEY(\"a\" DESC))", true),
            ("CREATE TABLE t(a INTEGER PRIMARY KEY DESC, b)", false),
            ("CREATE TABLE t(a INT PRIMARY KEY, b)", false),
            ("CREATE TABLE t(a INTEGER, b, PRIMARY KEY(a, b))", false),
            ("CREATE TABLE t(a INTEGER, b, UNIQUE(a))", false),
        ] {
            let columns = columns(sql).unwrap();
            assert_eq!(columns.first().map(|column| column.is_number), Some(expected), "{sql}");
        }
    }

    #[test]
    fn what_a_row_lacks_is_known_or_not() {
        let sql = "CREATE TABLE t(a, b TEXT DEFAULT 'it''s', c INT DEFAULT 5, d INT DEFAULT 5.5, e TEXT DEFAULT 5, \
                   f INT DEFAULT NULL, g DEFAULT (1 + 1), h INT DEFAULT -1)";
        let columns = columns(sql).unwrap();
        let defaults: Vec<Option<Cell>> = columns.into_iter().map(|column| column.default).collect();
        let text = Some(Cell::Text("it's".to_owned()));
        let null = Some(Cell::Null);
        assert_eq!(defaults, [null.clone(), text, Some(Cell::Integer(5)), None, None, null, None, None]);
    }

    #[test]
    fn what_is_not_read_is_said() {
        for sql in [
            "",
            "CREATE TABLE t",
            "CREATE TABLE t(a",
            "CREATE TABLE t(a, , b)",
            "CREATE TABLE t(a PRIMARY KEY) WITHOUT ROWID",
            "CREATE TABLE t(a, b AS (a + 1))",
            "CREATE TABLE t(a, b INT GENERATED ALWAYS AS (a) STORED)",
            "CREATE VIRTUAL TABLE t USING fts5(a)",
            "CREATE TABLE t(\"a",
            "CREATE TABLE t(((((",
        ] {
            assert!(matches!(columns(sql), Err(Error::NotUnderstood(_))), "{sql}");
        }
    }
}
