//! Plugins whose code can do harm. One run sees one plugin.

mod entries;

use chitin_policy_sdk::scan::{self, Words};
use chitin_policy_sdk::{Context, Finding, Path, Verdict, critical, listing, warn};

use entries::Entry;

/// Most entry points with a finding of their own.
const MAX_HIDDEN: usize = 20;

/// Scans the plugin, beginning with what it says that it starts in.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut findings = Vec::new();
    for view in cx.views().iter().filter(|view| view.name.starts_with("plugin/")) {
        let name = view.display.rsplit('/').next().unwrap_or_default();
        let (entries, unread) = match entries::read(cx, view) {
            Ok(entries) => (entries, None),
            Err(unread) => (Vec::new(), Some(unread)),
        };
        let package = Path::new(&view.name, "package.json");
        findings.extend(judge(&package, name, &entries));
        let named: Vec<Path> = entries.into_iter().filter_map(|entry| entry.path).collect();
        let mut scan = scan::folder(cx, &view.name, &named);
        if let Some((package, why)) = unread {
            scan.leave_out(&package, why);
        }
        let removal = format!("remove it with `openclaw plugins uninstall {name}`");
        let words = Words { check: "plugins.code_safety", what: "Plugin", name, removal: &removal };
        findings.extend(scan::findings(cx, &scan, &words));
    }
    Ok(findings)
}

/// The findings about the entries themselves: by their texts alone.
fn judge(package: &Path, name: &str, entries: &[Entry]) -> Vec<Finding> {
    let hidden: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.path.is_some() && entry.is_hidden())
        .map(|entry| entry.text.as_str())
        .collect();
    // A package may name any number of them; the last finding names what is left.
    let (single, rest) = hidden.split_at(hidden.len().min(MAX_HIDDEN));
    let rest = (!rest.is_empty()).then_some(rest);
    let mut findings: Vec<Finding> = single
        .chunks(1)
        .chain(rest)
        .map(|entries| {
            warn("plugins.code_safety.entry_path", "A plugin starts in a hidden or installed file")
                .detail(format!(
                    "The plugin {name} names {} as entry point. Nobody expects code of its own there, and scanners pass \
                     over such folders; this one is scanned here.",
                    listing::words(entries)
                ))
                .remediation("Read that file. If the plugin is yours, keep its entry points in an ordinary source folder.")
                .at_object(package)
        })
        .collect();
    let escaping: Vec<&str> =
        entries.iter().filter(|entry| entry.path.is_none()).map(|entry| entry.text.as_str()).collect();
    if !escaping.is_empty() {
        findings.push(
            critical("plugins.code_safety.entry_escape", "A plugin names code outside its own folder")
                .detail(format!(
                    "The plugin {name} names {} as entry points: whatever lies there by then would run in the gateway, and \
                     an update of the plugin can point it anywhere.",
                    listing::words(&escaping)
                ))
                .remediation(format!(
                    "Correct openclaw.extensions in its package.json, or run: openclaw plugins uninstall {name}"
                ))
                .at_object(package),
        );
    }
    findings
}

chitin_policy_sdk::policy!(audit);
