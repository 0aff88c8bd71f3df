//! Skills of a workspace that come from somewhere else, or are too many to be looked through.

use std::collections::{BTreeSet, VecDeque};

use chitin_policy_sdk::context::unseen;
use chitin_policy_sdk::{
    Answer, Context, Entry, Finding, Kind, Location, NotAssessed, Path, StateError, Target, Verdict, warn,
};

const ESCAPE: &str = "skills.workspace.symlink_escape";
const TRUNCATED: &str = "skills.workspace.scan_truncated";
const CHECKS: [&str; 2] = [ESCAPE, TRUNCATED];

/// The file that makes a folder a skill.
const SKILL: &str = "SKILL.md";
/// Most skills of one workspace, and most folders that are entered for them (reference: 2026.9-delta 3.7).
const MAX_SKILLS: usize = 2_000;
const MAX_FOLDERS: usize = 40_000;

/// Escapes that are named; the rest is counted.
const NAMED: usize = 12;

/// Looks through the skills of each workspace.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let workspaces: Vec<Path> = cx.views_of("workspace").map(|view| Path::new(view, "")).collect();
    // Without it there are no views of workspaces.
    answer.checks(&CHECKS, cx.granted("stat:workspace/*/**").map(|()| None));
    if workspaces.is_empty() && answer.unassessed.is_empty() {
        answer.checks(
            &CHECKS,
            Err::<Option<Finding>, _>(NotAssessed::absent("the folders that agents work in")),
        );
    }
    let mut escapes = Escapes::default();
    for workspace in &workspaces {
        let mut search =
            Search { cx, answer: &mut answer, escapes: &mut escapes, skills: 0, seen: BTreeSet::new() };
        if let Some(finding) = search.look(workspace) {
            answer.findings.push(finding);
        }
    }
    answer.findings.extend(escapes.finding(cx));
    Ok(answer)
}

/// Skills that lie outside of their workspaces.
#[derive(Default)]
struct Escapes {
    count: usize,
    /// The link in the workspace, and its text.
    first: Vec<(Path, String)>,
}

impl Escapes {
    fn add(&mut self, path: Path, leads_to: &str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push((path, leads_to.to_owned()));
        }
    }

    fn finding(&self, cx: &Context<'_>) -> Option<Finding> {
        if self.count == 0 {
            return None;
        }
        let lines: Vec<String> = self
            .first
            .iter()
            .map(|(path, text)| format!("{} leads to {text}", cx.display_path(path)))
            .collect();
        Some(
            warn(ESCAPE, "A skill of a workspace is a link out of the workspace")
                .detail(
                    "Agents take instructions from skills that lie outside of the workspace they belong to: whoever can write \
                     there changes what the agent does, and nobody who looks at the workspace sees it.",
                )
                .list(&lines, self.count - self.first.len())
                .remediation(
                    "Replace each link by a copy of what it leads to, or install the skill once for all agents in the folder \
                     skills of the state directory",
                )
                .at_objects(self.first.iter().map(|(path, _)| path)),
        )
    }
}

/// The search for the skills of one workspace.
struct Search<'s, 'c, 'h> {
    cx: &'c Context<'h>,
    answer: &'s mut Answer,
    escapes: &'s mut Escapes,
    skills: usize,
    /// Folders that are or will be entered.
    seen: BTreeSet<String>,
}

impl Search<'_, '_, '_> {
    /// The finding of a workspace that has more than is looked at.
    fn look(&mut self, workspace: &Path) -> Option<Finding> {
        let start = workspace.join("skills");
        match self.cx.host().stat(&start) {
            // The gateway of these releases passes over a link, too.
            Ok(metadata) if metadata.kind == Kind::Directory => {}
            Ok(_) | Err(StateError::NotFound | StateError::WrongKind) => return None,
            Err(error) => {
                self.open(unseen(self.cx, "stat", &start, &error));
                return None;
            }
        }
        self.seen.insert(start.rel.clone());
        let mut queue = VecDeque::from([start.clone()]);
        let mut folders = 0;
        while let Some(folder) = queue.pop_front() {
            if self.skills >= MAX_SKILLS || folders >= MAX_FOLDERS {
                return Some(self.truncated(&start));
            }
            folders += 1;
            match self.cx.host().list(&folder) {
                Ok(entries) => entries.iter().for_each(|entry| self.entry(&folder, entry, &mut queue)),
                // It was removed while the folders were read.
                Err(StateError::NotFound) => {}
                Err(error) => self.open(unseen(self.cx, "list", &folder, &error)),
            }
        }
        None
    }

    fn open(&mut self, reason: NotAssessed) {
        self.answer.checks(&CHECKS, Err::<Option<Finding>, _>(reason));
    }

    fn truncated(&self, start: &Path) -> Finding {
        warn(TRUNCATED, "A workspace has more skills than were looked through")
            .detail(format!(
                "{} has more than {MAX_SKILLS} skills or {MAX_FOLDERS} folders. Whether those beyond are links out of the \
                 workspace was not looked at, and so many skills are more than anybody has read.",
                self.cx.display_path(start)
            ))
            .remediation("Remove the skills that no agent of this workspace uses, and audit again")
            .at_object(start)
    }

    fn entry(&mut self, folder: &Path, entry: &Entry, queue: &mut VecDeque<Path>) {
        if entry.name.starts_with('.') || entry.name == "node_modules" {
            return;
        }
        let path = folder.join(&entry.name);
        match entry.metadata.kind {
            Kind::Directory => self.enter(path, queue),
            Kind::File if entry.name == SKILL => self.skills += 1,
            Kind::Symlink => self.link(path, entry.name == SKILL, queue),
            Kind::File | Kind::Other => {}
        }
    }

    fn enter(&mut self, folder: Path, queue: &mut VecDeque<Path>) {
        if self.seen.insert(folder.rel.clone()) {
            queue.push_back(folder);
        }
    }

    fn link(&mut self, path: Path, is_skill: bool, queue: &mut VecDeque<Path>) {
        let link = match self.cx.host().resolve(&path) {
            Ok(link) => link,
            Err(StateError::NotFound) => return,
            Err(error) => return self.open(unseen(self.cx, "stat", &path, &error)),
        };
        let kind = link.metadata.map(|end| end.kind);
        match (link.target, link.end, kind) {
            (Target::Inside, Some(end), Some(Kind::Directory)) => self.enter(end, queue),
            (Target::Inside, _, Some(Kind::File)) => self.skills += usize::from(is_skill),
            (Target::Outside, _, Some(Kind::File)) if is_skill => {
                self.skills += 1;
                self.escapes.add(path, &link.text);
            }
            (Target::Outside, _, Some(Kind::Directory)) => self.leads_out(&path, &link.text),
            (Target::Inside | Target::Outside, _, None) | (Target::Inside, None, _) => {
                self.open(unseen(self.cx, "stat", &path, &StateError::Denied));
            }
            _ => {}
        }
    }

    /// A folder outside of the workspace cannot be listed, but whether it is a skill itself can be seen.
    fn leads_out(&mut self, path: &Path, text: &str) {
        let is_skill = match self.cx.host().resolve(&path.join(SKILL)) {
            Ok(link) => link.metadata.is_some_and(|end| end.kind == Kind::File),
            Err(StateError::NotFound) => false,
            Err(error) => return self.open(unseen(self.cx, "stat", &path.join(SKILL), &error)),
        };
        if is_skill {
            self.skills += 1;
            return self.escapes.add(path.clone(), text);
        }
        let what = format!("what {} leads to, outside of the workspace", self.cx.display_path(path));
        self.answer.leave_open(ESCAPE, NotAssessed::absent(what).at(Location::Object(path.clone())));
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];
    const ESCAPED: &str = "skills.workspace.symlink_escape:warn";
    const TOO_MANY: &str = "skills.workspace.scan_truncated:warn";
    const VIEW: &str = "workspace/0";

    fn host() -> MemoryHost {
        MemoryHost::new("{}").release(2026, 9, 6).file(VIEW, "skills/ok/SKILL.md", 0o644, "")
    }

    #[test]
    fn what_lies_in_the_workspace_is_fine() {
        assert_eq!(host().ids(audit), NOTHING);
        assert_eq!(MemoryHost::new("{}").view(VIEW, "/w").ids(audit), NOTHING, "it has no skills");
        let inside = host()
            .file(VIEW, "shared/SKILL.md", 0o644, "")
            .symlink(VIEW, "skills/folder", Some("shared"))
            .symlink(VIEW, "skills/one/SKILL.md", Some("shared/SKILL.md"))
            .symlink(VIEW, "skills/up", Some("skills"))
            .symlink(VIEW, "skills/gone", None);
        assert_eq!(inside.ids(audit), NOTHING);
    }

    #[test]
    fn a_skill_that_is_a_link_out_is_named() {
        let folder = host()
            .file("elsewhere", "x/SKILL.md", 0o644, "")
            .symlink_out(VIEW, "skills/evil", "elsewhere", "x")
            .symlink_out(VIEW, "skills/evil/SKILL.md", "elsewhere", "x/SKILL.md");
        let finding = folder.findings(audit).remove(0);
        assert_eq!(finding.check_id, ESCAPE);
        assert!(
            finding.detail.ends_with("\n- /workspace/0/skills/evil leads to /elsewhere/x"),
            "{}",
            finding.detail
        );
        assert_eq!(finding.locations, [Location::Object(Path::new(VIEW, "skills/evil"))]);
        let file = host().file("elsewhere", "SKILL.md", 0o644, "").symlink_out(
            VIEW,
            "skills/deep/er/SKILL.md",
            "elsewhere",
            "SKILL.md",
        );
        assert_eq!(file.ids(audit), [ESCAPED]);
        let other =
            host().file("elsewhere", "x.md", 0o644, "").symlink_out(VIEW, "skills/x.md", "elsewhere", "x.md");
        assert_eq!(other.ids(audit), NOTHING, "it is no skill");
        let hidden = host()
            .file("elsewhere", "SKILL.md", 0o644, "")
            .symlink_out(VIEW, "skills/.a/SKILL.md", "elsewhere", "SKILL.md")
            .symlink_out(VIEW, "skills/node_modules/SKILL.md", "elsewhere", "SKILL.md");
        assert_eq!(hidden.ids(audit), NOTHING, "those are passed over");
    }

    #[test]
    fn a_folder_out_there_that_cannot_be_listed_is_not_called_clean() {
        let host =
            host().directory("elsewhere", "x", 0o755).symlink_out(VIEW, "skills/data", "elsewhere", "x");
        assert_eq!(host.ids(audit), ["skills.workspace.symlink_escape:not assessed"]);
        assert!(host.unassessed(audit)[0].contains("absent"), "{:?}", host.unassessed(audit));
    }

    #[test]
    fn many_escapes_are_one_finding_and_each_workspace_is_looked_at() {
        let host =
            (0..20).fold(MemoryHost::new("{}").file("elsewhere", "SKILL.md", 0o644, ""), |host, number| {
                let view = format!("workspace/{}", number % 2);
                host.symlink_out(&view, &format!("skills/s{number}/SKILL.md"), "elsewhere", "SKILL.md")
            });
        let findings = host.findings(audit);
        assert_eq!((findings.len(), findings[0].locations.len()), (1, NAMED));
        assert!(findings[0].detail.ends_with("\n- and 8 more"), "{}", findings[0].detail);
    }

    #[test]
    fn more_skills_than_are_looked_at_are_told() {
        let host = |count: usize| {
            (0..count).fold(MemoryHost::new("{}"), |host, number| {
                host.file(VIEW, &format!("skills/s{number}/SKILL.md"), 0o644, "")
            })
        };
        assert_eq!(host(2_000).ids(audit), NOTHING);
        assert_eq!(host(2_001).ids(audit), [TOO_MANY]);
    }

    #[test]
    fn a_folder_of_skills_that_is_a_link_or_a_file_is_passed_over() {
        let linked =
            MemoryHost::new("{}").file(VIEW, "x/SKILL.md", 0o644, "").symlink(VIEW, "skills", Some("x"));
        assert_eq!(linked.ids(audit), NOTHING);
        assert_eq!(MemoryHost::new("{}").file(VIEW, "skills", 0o644, "").ids(audit), NOTHING);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_clean() {
        let open = CHECKS.map(|check| format!("{check}:not assessed"));
        for host in [
            host().deny(VIEW, "skills"),
            host().directory(VIEW, "skills/bad", 0o755).ungranted("list:workspace/*/skills/bad"),
            host().ungranted("stat:workspace/*/**").ungranted("list:workspace/*/**"),
            MemoryHost::new("{}").release(2026, 9, 6),
        ] {
            assert_eq!(host.ids(audit)[..2], open);
        }
    }
}
