//! Which commands nodes have, release by release (asked of the programs 2026.2.19, 2026.2.26, 2026.3.13, 2026.4.15, 2026.4.29,
//! 2026.5.7, 2026.5.12, 2026.5.28, 2026.7.35, 2026.8.1, 2026.8.2, 2026.9.1, 2026.9.3 and 2026.9.6; the steps between read in the
//! programs that lie there).

use chitin_policy_sdk::{Context, NotAssessed, Release};

/// A year, a month and a number in it.
type From = (u16, u8, u16);

const FIRST: From = (2026, 2, 17);

/// A command that the gateway passes on unless it is blocked, the first release that does so, and the first one that does no more.
const COMMANDS: [(&str, From, Option<From>); 49] = [
    ("canvas.present", FIRST, Some((2026, 5, 12))),
    ("canvas.hide", FIRST, Some((2026, 5, 12))),
    ("canvas.navigate", FIRST, Some((2026, 5, 12))),
    ("canvas.eval", FIRST, Some((2026, 5, 12))),
    ("canvas.snapshot", FIRST, Some((2026, 5, 12))),
    ("canvas.a2ui.push", FIRST, Some((2026, 5, 12))),
    ("canvas.a2ui.pushJSONL", FIRST, Some((2026, 5, 12))),
    ("canvas.a2ui.reset", FIRST, Some((2026, 5, 12))),
    ("camera.list", FIRST, None),
    ("camera.ptz.status", (2026, 8, 1), None),
    ("location.get", FIRST, None),
    ("device.info", FIRST, None),
    ("device.status", FIRST, None),
    ("device.permissions", (2026, 3, 2), None),
    ("device.health", (2026, 3, 2), None),
    (APPS, (2026, 6, 1), None),
    ("contacts.search", FIRST, None),
    ("calendar.events", FIRST, None),
    ("callLog.search", (2026, 3, 22), None),
    ("reminders.list", FIRST, None),
    ("photos.latest", FIRST, None),
    ("motion.activity", FIRST, None),
    ("motion.pedometer", FIRST, None),
    ("notifications.list", (2026, 2, 26), None),
    ("notifications.actions", (2026, 3, 2), None),
    ("sms.search", (2026, 3, 22), Some((2026, 3, 31))),
    ("mobile.ui.observe", (2026, 8, 1), None),
    ("mobile.ui.act", (2026, 8, 1), None),
    ("system.notify", FIRST, None),
    ("system.run", FIRST, None),
    ("system.run.prepare", (2026, 2, 26), None),
    ("system.which", FIRST, None),
    ("system.execApprovals.get", (2026, 9, 6), None),
    ("system.execApprovals.set", (2026, 9, 6), None),
    ("fs.listDir", (2026, 9, 6), None),
    ("terminal.upload", (2026, 9, 6), None),
    ("browser.proxy", FIRST, None),
    ("browser.proxy.upload.v1", (2026, 8, 1), None),
    ("mcp.tools.call.v1", (2026, 9, 6), None),
    ("agent.cli.claude.run.v1", (2026, 9, 6), None),
    ("screen.snapshot", (2026, 4, 22), None),
    ("desktop.stream", (2026, 8, 1), None),
    ("computer.act", (2026, 8, 1), None),
    ("watch.status", (2026, 8, 1), None),
    ("watch.notify", (2026, 8, 1), None),
    ("talk.ptt.start", (2026, 5, 12), None),
    ("talk.ptt.stop", (2026, 5, 12), None),
    ("talk.ptt.cancel", (2026, 5, 12), None),
    ("talk.ptt.once", (2026, 5, 12), None),
];

/// Commands that the gateway does not pass on unless the config adds them, and the first release that holds them dangerous.
const DANGEROUS: [(&str, From); 10] = [
    ("camera.snap", FIRST),
    ("camera.clip", FIRST),
    ("camera.ptz.control", (2026, 8, 1)),
    ("screen.record", FIRST),
    ("contacts.add", FIRST),
    ("calendar.add", FIRST),
    ("reminders.add", FIRST),
    ("sms.send", FIRST),
    ("sms.search", (2026, 3, 31)),
    ("health.summary", (2026, 8, 1)),
];

/// From this release on the dangerous ones count as known, too (2026.4.22 and 2026.4.29).
const DANGEROUS_KNOWN: From = (2026, 4, 29);

/// The command that the setup can switch off, and the first release where it can.
const APPS: &str = "device.apps";
const APPS_SWITCH: From = (2026, 8, 1);

/// Most commands that are named as alike.
const MAX_ALIKE: usize = 3;
/// Names of commands are shorter; others are like none.
const MAX_NAME: usize = 64;

fn since(release: Release, (year, month, patch): From) -> bool {
    release.since(year, month, patch)
}

/// The commands of a release.
pub struct Commands {
    release: Release,
    /// The setup has not switched it off.
    has_apps: Result<bool, NotAssessed>,
}

impl Commands {
    /// Those of the audited release. Needs the config key `/wizard/appRecommendations`.
    pub fn of(cx: &Context<'_>) -> Self {
        let release = cx.release();
        let switch = cx.config().at("wizard.appRecommendations");
        let has_apps =
            if since(release, APPS_SWITCH) { switch.is_false().map(|is_off| !is_off) } else { Ok(true) };
        Self { release, has_apps }
    }

    fn all(&self) -> impl Iterator<Item = &'static str> {
        let release = self.release;
        let is_there = move |first: From, end: Option<From>| {
            since(release, first) && !end.is_some_and(|end| since(release, end))
        };
        let plain = COMMANDS.into_iter().filter(move |(_, first, end)| is_there(*first, *end));
        let known = since(release, DANGEROUS_KNOWN);
        plain.map(|(command, _, _)| command).chain(self.dangerous().filter(move |_| known))
    }

    /// The gateway passes it on, or would where the config adds it.
    ///
    /// # Errors
    /// Where a switch that decides it is not granted.
    pub fn is_known(&self, name: &str) -> Result<bool, NotAssessed> {
        let is_known = self.all().any(|command| command == name);
        if is_known && name == APPS { self.has_apps.clone() } else { Ok(is_known) }
    }

    /// Those that are dangerous.
    pub fn dangerous(&self) -> impl Iterator<Item = &'static str> + use<> {
        let release = self.release;
        DANGEROUS.into_iter().filter(move |(_, first)| since(release, *first)).map(|(command, _)| command)
    }

    /// Commands that may be meant by a name that is none: those that begin alike, else those that differ by few letters.
    pub fn like(&self, name: &str) -> Vec<&'static str> {
        if name.len() > MAX_NAME {
            return Vec::new();
        }
        let head = name.match_indices('.').nth(1).map_or(name, |(dot, _)| name.split_at(dot).0);
        let alike: Vec<&str> =
            self.all().filter(|command| command.starts_with(head)).take(MAX_ALIKE).collect();
        if !alike.is_empty() {
            return alike;
        }
        let limit = 4.min(name.chars().count() / 3);
        let mut near: Vec<(usize, &str)> =
            self.all().map(|command| (distance(name, command), command)).collect();
        near.retain(|(distance, _)| *distance <= limit);
        near.sort_unstable();
        near.into_iter().take(MAX_ALIKE).map(|(_, command)| command).collect()
    }
}

/// How many letters have to be added, taken away or changed to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, c) in one.chars().enumerate() {
        let mut next = vec![number + 1];
        for ((above, diagonal), known) in row.iter().skip(1).zip(&row).zip(&other) {
            let left = next.last().copied().unwrap_or_default();
            next.push((above + 1).min(left + 1).min(diagonal + usize::from(c != *known)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    fn of<R>((year, month, patch): From, ask: impl FnOnce(&Commands) -> R) -> R {
        MemoryHost::new("{}").release(year, month, patch).with(|cx| ask(&Commands::of(cx)))
    }

    #[test]
    fn each_release_has_its_own_commands() {
        for (release, known, dangerous) in [
            ((2026, 2, 19), 22, 7),
            ((2026, 2, 26), 24, 7),
            ((2026, 3, 13), 27, 7),
            ((2026, 3, 22), 29, 7),
            ((2026, 4, 15), 28, 8),
            ((2026, 4, 29), 37, 8),
            ((2026, 5, 7), 37, 8),
            ((2026, 5, 28), 33, 8),
            ((2026, 7, 35), 34, 8),
            ((2026, 8, 1), 44, 10),
            ((2026, 9, 3), 44, 10),
            ((2026, 9, 6), 50, 10),
        ] {
            let counts = of(release, |commands| (commands.all().count(), commands.dangerous().count()));
            assert_eq!(counts, (known, dangerous), "{release:?}");
        }
    }

    #[test]
    fn dangerous_commands_are_known_from_2026_4_29_on() {
        assert_eq!(of((2026, 4, 15), |commands| commands.is_known("camera.snap")), Ok(false));
        assert_eq!(of((2026, 4, 29), |commands| commands.is_known("camera.snap")), Ok(true));
        assert_eq!(of((2026, 5, 12), |commands| commands.is_known("canvas.eval")), Ok(false));
    }

    #[test]
    fn the_setup_can_switch_a_command_off() {
        let known = |config: &str, patch| {
            let host = MemoryHost::new(config).release(2026, 8, patch);
            host.with(|cx| Commands::of(cx).is_known(APPS))
        };
        assert_eq!(known("{}", 1), Ok(true));
        assert_eq!(known("{wizard: {appRecommendations: false}}", 1), Ok(false));
        let withheld = MemoryHost::new("{wizard: {}}").withhold("/wizard/appRecommendations");
        let ask = |host: MemoryHost| host.with(|cx| Commands::of(cx).is_known(APPS));
        assert!(ask(withheld.clone().release(2026, 9, 6)).is_err());
        assert_eq!(ask(withheld.release(2026, 7, 35)), Ok(true), "there is no such switch");
    }

    #[test]
    fn names_that_begin_alike_come_before_those_that_are_near() {
        let like = |name: &str| of((2026, 3, 13), |commands| commands.like(name));
        assert_eq!(like("canvas.a2ui"), ["canvas.a2ui.push", "canvas.a2ui.pushJSONL", "canvas.a2ui.reset"]);
        assert_eq!(
            like("canvas.a2ui.none"),
            ["canvas.a2ui.push", "canvas.a2ui.pushJSONL", "canvas.a2ui.reset"]
        );
        assert_eq!(like("system.rnu"), ["system.run"]);
        assert_eq!(like("camera.lst"), ["camera.list"]);
        assert!(like("x").is_empty() && like(&"x".repeat(10_000)).is_empty());
    }

    #[test]
    fn a_distance_counts_letters() {
        for (one, other, count) in
            [("", "", 0), ("a", "", 1), ("abc", "abd", 1), ("ab", "ba", 2), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(one, other), count, "{one} {other}");
        }
    }
}
