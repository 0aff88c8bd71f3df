//! The report as Markdown, for a summary of a job or a comment on a pull request. Nothing that a stranger wrote becomes markup, a link or a
//! mention.

use std::borrow::Cow;
use std::io::{self, Write};

use super::place::{is_known, said_by, target};
use super::{Format, without_commands_in_markup};
use crate::audit::finding::{Finding, Location};
use crate::audit::open::Class;
use crate::audit::{Exit, Report, Suppressed, worst};
use crate::policy::manifest::Severity;

/// What stands behind the last finding has as much of it.
const REST: usize = 1 << 10;
/// As many findings stand open; the others are folded.
const OPEN: usize = 20;
/// What a CI's Markdown shows as nothing, and what keeps it from seeing a mention, a reference or a link.
const BREAK: &str = "&#8203;";

/// The worst first, up to `most` bytes.
pub struct Markdown {
    /// What it may take, in bytes.
    pub most: usize,
}

impl Markdown {
    /// GitHub takes as much from one step, in bytes.
    pub const MOST: usize = 1 << 20;
}

impl Default for Markdown {
    fn default() -> Self {
        Self { most: Self::MOST }
    }
}

impl Format for Markdown {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        let mut page = Page { text: String::new(), most: self.most.saturating_sub(REST), left_out: 0 };
        if reports.len() > 1 {
            let Exit { code, reason } = worst(reports);
            page.add(&format!("# {} targets\n\n**exit {code}: {}**\n\n", reports.len(), prose(&reason)));
        }
        for report in reports {
            page.report(report);
        }
        if page.left_out > 0 {
            let (left_out, most) = (page.left_out, self.most);
            let told =
                format!("\n**{left_out} parts of the report are left out: it may take {most} bytes.**\n");
            page.text.push_str(&told);
        }
        out.write_all(page.text.as_bytes())
    }

    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        without_commands_in_markup(written)
    }
}

/// What is written so far.
struct Page {
    text: String,
    most: usize,
    left_out: usize,
}

impl Page {
    /// Adds a part in full, or counts it as left out.
    fn add(&mut self, part: &str) {
        let part = without_commands_in_markup(part);
        if self.text.len() + part.len() <= self.most {
            self.text.push_str(&part);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds parts below a heading; those behind the first ones are folded.
    fn list(&mut self, heading: &str, open: usize, parts: impl ExactSizeIterator<Item = String>) {
        let (all, left_out) = (parts.len(), self.left_out);
        if all == 0 {
            return;
        }
        self.add(&format!("### {heading}\n\n"));
        let is_folded = all > open && self.left_out == left_out;
        for (number, part) in parts.enumerate() {
            if is_folded && number == open {
                // Its end has a place in any case.
                let more = format!("<details><summary>{} more</summary>\n\n", all - open);
                self.text.push_str(&more);
            }
            self.add(&part);
        }
        if is_folded {
            self.text.push_str("\n</details>\n");
        }
        self.add("\n");
    }

    fn report(&mut self, report: &Report) {
        let summary = report.summary;
        let Exit { code, reason } = &report.exit;
        let release = report.target.release.as_ref();
        let release = release.map_or("of an unknown release", |release| &release.version);
        self.add(&format!(
            "## OpenClaw {} in {}\n\n**exit {code}: {}**\n\n\
             | severity | findings |\n| --- | --- |\n| critical | {} |\n| warn | {} |\n| info | {} |\n\n",
            prose(release),
            code_span(target(report)),
            prose(reason),
            summary.critical,
            summary.warn,
            summary.info,
        ));
        let mut open = OPEN;
        for severity in Severity::ALL {
            let of = |known| {
                let is_one =
                    move |finding: &&Finding| finding.severity == severity && is_known(finding) == known;
                report.findings.iter().filter(is_one)
            };
            let found: Vec<&Finding> = of(false).chain(of(true)).collect();
            self.list(&capital(severity.as_str()), open, found.iter().map(|finding| item(finding)));
            open = open.saturating_sub(found.len());
        }
        let missing = report.incomplete.iter().map(|part| {
            let policy =
                part.policy.as_ref().map_or(String::new(), |policy| format!("{}: ", code_span(policy)));
            format!("- {policy}{}\n", prose(&part.reason))
        });
        self.list("Not assessed", OPEN, missing);
        let unassessed = report.assessment.iter().flat_map(|check| &check.unassessed);
        let out_of_reach: Vec<_> = unassessed.filter(|open| open.class == Class::OutOfReach).collect();
        let lines = out_of_reach
            .iter()
            .map(|open| format!("- {}: {}\n", code_span(&open.check_id), prose(&open.text)));
        self.list("Out of reach", 0, lines);
        let suppressed = report.suppressed.iter().map(|Suppressed { finding, suppression }| {
            let until =
                suppression.expires.as_ref().map_or(String::new(), |day| format!(" until {}", prose(day)));
            let reason = suppression.reason.as_deref().unwrap_or("no reason given");
            let by = suppression.by.told();
            let (id, title) = (code_span(&finding.check_id), prose(&finding.title));
            format!("- {id} {title}<br>\n  suppressed by {by}{until}: {}\n", prose(reason))
        });
        self.list("Suppressed", 0, suppressed);
        let gone = report.gone.iter().map(|gone| {
            let count = if gone.count > 1 { format!(" ({} times)", gone.count) } else { String::new() };
            format!("- {} at {}{count}\n", code_span(&gone.check_id), prose(&gone.place))
        });
        self.list("Gone since the baseline", OPEN, gone);
    }
}

/// A finding as an item of a list.
fn item(finding: &Finding) -> String {
    let known = if is_known(finding) { " (known)" } else { "" };
    let mut lines =
        vec![format!("- {} **{}**{known}", code_span(&finding.check_id), prose(finding.title.trim()))];
    lines.extend(
        finding.locations.iter().map(Location::display).map(|place| format!("at {}", code_span(&place))),
    );
    lines.extend(finding.detail.lines().map(prose));
    lines.extend(finding.remediation.iter().map(|text| format!("**Fix:** {}", prose(text))));
    lines.extend(said_by(finding).map(|text| prose(&text)));
    // One paragraph, so that no line of it begins a block.
    format!("{}\n", lines.join("<br>\n  "))
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Text that Markdown shows as it is, on one line.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut before, mut run) = (' ', 0_usize);
    for (at, c) in text.char_indices() {
        let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
        let next = rest.chars().next().unwrap_or(' ');
        let head = text.get(..at).unwrap_or_default().trim_start();
        match c {
            '\n' => out.push_str("<br>"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '-' | '!' | '|'
            | '~' | '$' | '=' | '^' | '"' => {
                out.extend(['\\', c]);
            }
            // At the beginning of a line, behind a number or nothing, they begin an item of a list.
            '.' | ':' if head.bytes().all(|byte| byte.is_ascii_digit()) => out.extend(['\\', c]),
            _ => out.push(c),
        }
        // Mentions and references of GitHub and GitLab: @a #1 !1 $1 %1 &1 ~a ^a, GH-1 and ABC-1; links: https: and www. and mailto:; :smile:.
        let is_mark = "@#!$%&~^:".contains(c) && !next.is_whitespace();
        let is_number = c == '-' && before.is_ascii_alphabetic() && next.is_ascii_digit();
        // Seven digits of a commit are a link to it.
        run = if c.is_ascii_hexdigit() { run + 1 } else { 0 };
        let is_commit = run.is_multiple_of(6) && run > 0 && next.is_ascii_hexdigit();
        let is_host = c.eq_ignore_ascii_case(&'w') && next == '.' && before.eq_ignore_ascii_case(&'w');
        if is_mark || is_number || is_commit || is_host {
            out.push_str(BREAK);
        }
        before = c;
    }
    out
}

/// Text as code, on one line. Its fence is longer than any run of backticks in it.
fn code_span(text: &str) -> String {
    let text = text.replace('\n', " ");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A backtick at the end would be one of the fence, and of two spaces one is taken away.
    let is_bare = !text.starts_with(['`', ' ']) && !text.ends_with(['`', ' ']) && !text.is_empty();
    let space = if is_bare { "" } else { " " };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::super::sample;
    use super::*;

    fn write(reports: &[Report]) -> String {
        let mut out = Vec::new();
        Markdown::default().write(reports, &mut out).unwrap();
        Markdown::default().without_commands(&String::from_utf8(out).unwrap()).into_owned()
    }

    /// The text that a reader sees, where nothing else is made of it.
    fn shown(markdown: &str) -> Result<String, String> {
        let mut text = String::new();
        // Quotes that a reader makes prettier are the same text.
        for event in Parser::new_ext(markdown, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
            match event {
                Event::Text(part) | Event::Code(part) => text.push_str(&part),
                Event::SoftBreak | Event::HardBreak => text.push('\n'),
                Event::Start(Tag::Paragraph) | Event::End(_) => {}
                Event::InlineHtml(part) if &*part == "<br>" => text.push('\n'),
                other => return Err(format!("{other:?}")),
            }
        }
        Ok(text.replace('\u{200b}', ""))
    }

    #[test]
    fn prose_is_shown_as_it_is() {
        for text in [
            sample::EVIL,
            "1. one",
            "12) two",
            "# heading",
            "- item",
            "+ item",
            "> quote",
            "===",
            "---",
            "| a | b |",
            "```sh",
            "    code",
            "[^1]: note",
            "[l]: http://e.example",
            "<!-- a -->",
            "&lt; &#65; &copy;",
            "a\\",
            "http://e.example/?a=b&c=d",
        ] {
            assert_eq!(shown(&format!("x {}", prose(text))).unwrap(), format!("x {text}"));
            assert_eq!(
                shown(&format!("x<br>\n{}", prose(text))).unwrap(),
                format!("x\n\n{}", text.trim_start())
            );
        }
    }

    #[test]
    fn code_is_shown_as_it_is() {
        for text in [sample::EVIL, "a`b", "``", "`", " a ", "a\\", "a``b`"] {
            assert_eq!(shown(&format!("x {} y", code_span(text))).unwrap(), format!("x {text} y"));
        }
    }

    #[test]
    fn nobody_is_mentioned_and_nothing_is_a_reference_or_a_link() {
        let text = write(&[sample::hostile()]);
        // Code is not looked at.
        let mut is_code = false;
        for event in Parser::new_ext(&text, Options::all()) {
            is_code = matches!(event, Event::Code(_));
            let Event::Text(part) = event else { continue };
            for mark in ["@root", "#1", "GH-2", "ABC-123", "deadbee1", "www.", "https://", ":smile:", "a@e"] {
                assert!(!part.contains(mark), "{mark} in {part}");
            }
        }
        assert!(!is_code);
    }

    #[test]
    fn nothing_of_a_stranger_is_markup() {
        let allowed = ["<br>", "<details>", "<summary>", "</summary>", "</details>"];
        for event in Parser::new_ext(&write(&[sample::hostile(), sample::clean()]), Options::all()) {
            match event {
                Event::Start(tag) => {
                    let ours = matches!(
                        tag,
                        Tag::Paragraph
                            | Tag::Heading { .. }
                            | Tag::List(None)
                            | Tag::Item
                            | Tag::Strong
                            | Tag::Table(_)
                            | Tag::TableHead
                            | Tag::TableRow
                            | Tag::TableCell
                            | Tag::HtmlBlock
                    );
                    assert!(ours, "{tag:?}");
                }
                Event::Html(part) | Event::InlineHtml(part) => {
                    let rest = allowed.iter().fold(part.to_string(), |text, tag| text.replace(tag, ""));
                    assert!(!rest.contains('<'), "{part}");
                }
                Event::InlineMath(_) | Event::DisplayMath(_) | Event::FootnoteReference(_) | Event::Rule => {
                    panic!("{event:?}")
                }
                _ => {}
            }
        }
    }

    #[test]
    fn what_is_too_long_is_left_out_and_counted() {
        let mut report = sample::hostile();
        report.findings = vec![sample::finding("a.b", Severity::Warn, vec![sample::in_config()]); 2_000];
        let text = write(&[report]);
        assert!(text.len() <= Markdown::MOST && text.len() > Markdown::MOST - 4 * REST, "{}", text.len());
        assert!(text.contains("parts of the report are left out"), "{}", &text[text.len() - 200..]);
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    }
}
