//! The places of a report relative to a folder: a config in a repository lies elsewhere on every machine, and what is told of it
//! should not.

use crate::audit::finding::Location;
use crate::audit::report::Report;

impl Report {
    /// Tells all places below this folder relative to it, in texts, too.
    pub(crate) fn relative_to(&mut self, root: String) {
        let above = format!("{root}/");
        let text = |text: &mut String| *text = without(text, &above);
        let path = |path: &mut String| {
            if let Some(rel) = path.strip_prefix(&above) {
                *path = rel.to_owned();
            }
        };
        let place = |place: &mut Location| match place {
            Location::Config { file: Some(file), .. }
            | Location::Object { path: file, .. }
            | Location::Text { path: file, .. } => path(file),
            Location::Config { file: None, .. } | Location::Env { .. } => {}
        };
        for finding in self.all_findings_mut() {
            text(&mut finding.title);
            text(&mut finding.detail);
            finding.remediation.iter_mut().for_each(text);
            finding.locations.iter_mut().for_each(place);
        }
        for check in &mut self.assessment {
            check.reason.iter_mut().for_each(text);
            for open in &mut check.unassessed {
                text(&mut open.text);
                open.location.iter_mut().for_each(place);
            }
        }
        for part in &mut self.incomplete {
            text(&mut part.reason);
            part.location.iter_mut().for_each(place);
        }
        text(&mut self.exit.reason);
        path(&mut self.target.config_path);
        self.target.root = Some(root);
    }
}

/// The text without this beginning of paths, wherever a path begins with it.
fn without(text: &str, above: &str) -> String {
    // What may stand before a path that begins there. In the middle of another path it is another folder of the same name.
    let is_of_path = |c: char| c.is_alphanumeric() || "._-~/\\".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(above) {
        out.push_str(before);
        let last = if before.is_empty() { out.chars().next_back() } else { before.chars().next_back() };
        if last.is_some_and(is_of_path) {
            out.push_str(above);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_loses_its_beginning_where_it_begins_there() {
        for (text, expected) in [
            ("/r/a is open", "a is open"),
            ("see \"/r/a\", (/r/b) and /r/c.", "see \"a\", (b) and c."),
            ("/x/r/a and ~/r/a stay", "/x/r/a and ~/r/a stay"),
            ("/r and /rest/r/ stay", "/r and /rest/r/ stay"),
            ("é/r/a", "é/r/a"),
        ] {
            assert_eq!(without(text, "/r/"), expected, "{text}");
        }
    }
}
