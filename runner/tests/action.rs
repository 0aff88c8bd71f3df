//! What others run of this repository: the steps of action.yml, as GitHub runs them, in a made-up repository with a pull request whose
//! author would like to choose the rule that it is judged by; and the hook of .pre-commit-hooks.yaml.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use chitin_test_support::with_manifest;

const CHITIN: &str = env!("CARGO_BIN_EXE_chitin");

/// What hostile texts try to make.
const PWNED: &str = "pwned";

/// A config without a finding that is critical.
const QUIET: &str = r#"{ gateway: { auth: { mode: "token", token: "c1f4b8e07a925d3610be47fa98d2c563" } } }
"#;

/// The same with a finding that is known on the base branch, `logging.redact_off`.
const KNOWN: &str = r#"{ gateway: { auth: { mode: "token", token: "c1f4b8e07a925d3610be47fa98d2c563" } },
  logging: { redactSensitive: "off" } }
"#;

/// The same with one more, `gateway.control_ui.insecure_auth`.
const WORSE: &str = r#"{ gateway: { auth: { mode: "token", token: "c1f4b8e07a925d3610be47fa98d2c563" },
    controlUi: { allowInsecureAuth: true } },
  logging: { redactSensitive: "off" } }
"#;

/// Settings that let everything pass.
const LAX: &str = "[severity]\n\"gateway.control_ui.insecure_auth\" = \"info\"\n\"config.insecure_or_dangerous_flags\" = \"info\"\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// action.yml, as far as it matters here.
#[derive(Default)]
struct Action {
    /// The inputs and their defaults.
    inputs: BTreeMap<String, String>,
    steps: Vec<Step>,
}

#[derive(Default)]
struct Step {
    id: String,
    env: Vec<(String, String)>,
    run: Option<String>,
}

impl Action {
    /// Reads the lines: each is a key with a value on the same line, and its blanks say below which it stands.
    fn read() -> Self {
        let mut action = Self::default();
        let (mut part, mut input) = (String::new(), String::new());
        for line in fs::read_to_string(root().join("action.yml")).unwrap().lines() {
            let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("not understood: {line}"));
            let value = value.trim().trim_matches('"').to_owned();
            match (part.as_str(), key.len() - key.trim_start().len(), key.trim()) {
                (_, 0, key) => key.clone_into(&mut part),
                ("inputs", 2, key) => key.clone_into(&mut input),
                ("inputs", 4, "default") => drop(action.inputs.insert(input.clone(), value)),
                ("runs", 4, "- name") => action.steps.push(Step::default()),
                ("runs", 6, "id") => action.steps.last_mut().unwrap().id = value,
                ("runs", 6, "run") => action.steps.last_mut().unwrap().run = Some(value_of_run(line)),
                ("runs", 8, name) if name.starts_with("CHITIN") => {
                    action.steps.last_mut().unwrap().env.push((name.to_owned(), value));
                }
                _ => {}
            }
        }
        action
    }
}

/// All behind `run: `, quotes and all.
fn value_of_run(line: &str) -> String {
    line.split_once("run: ").unwrap().1.to_owned()
}

/// The value of `${{ a || b }}`: the first of these that is not empty.
fn value(expression: &str, known: &BTreeMap<String, String>) -> String {
    let inner = expression.strip_prefix("${{ ").and_then(|rest| rest.strip_suffix(" }}"));
    let Some(inner) = inner else { return expression.to_owned() };
    let mut names = inner.split(" || ").map(|name| known.get(name).cloned().unwrap_or_default());
    names.find(|value| !value.is_empty()).unwrap_or_default()
}

/// A repository at its host, and a checkout of a pull request.
struct World(tempfile::TempDir);

/// What the action did.
struct Done {
    /// The exit code of the step that ended it.
    code: i32,
    /// All that its steps printed.
    text: String,
    /// What it shows as the summary of the job.
    summary: String,
    outputs: BTreeMap<String, String>,
}

impl World {
    /// The base branch `main` has these files, and the branch `change` those on top of them.
    fn new(main: &[(&str, &str)], change: &[(&str, &str)]) -> Self {
        // Nobody else can read what is checked out.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        let world = Self(tempfile::tempdir().unwrap());
        for folder in ["home", "programs", "temp", "origin"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        world.git("origin", &["init", "-q", "-b", "main"]);
        world.write("origin", main);
        world.commit();
        world.git("origin", &["checkout", "-q", "-b", "change"]);
        world.write("origin", change);
        world.commit();
        let origin = format!("file://{}", world.path("origin").display());
        world.git("", &["clone", "-q", "--depth=1", "--branch=change", &origin, "checkout"]);
        // In place of the download.
        world.program("curl", &format!(
            "echo \"$@\" >>{0}/asked\nwhile [ $# -gt 0 ]; do [ \"$1\" = --output ] && cp {0}/download \"$2\"; shift; done",
            world.0.path().display()
        ));
        world.downloads(&format!("exec {CHITIN} \"$@\""));
        world
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.0.path().join(rel)
    }

    fn write(&self, folder: &str, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.path(folder).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn commit(&self) {
        self.git("origin", &["add", "--all"]);
        self.git("origin", &["commit", "-q", "--allow-empty", "-m", "x"]);
    }

    fn command(&self, program: &str, folder: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path(folder)).env_clear().env("HOME", self.path("home"));
        command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.path("programs").display()));
        command.env("SOURCE_DATE_EPOCH", "1771545600");
        command
    }

    fn git(&self, folder: &str, arguments: &[&str]) {
        let ann = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"];
        let output = self.command("git", folder).args(ann).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs the program itself.
    fn chitin(&self, folder: &str, arguments: &[&str]) {
        let output = self.command(CHITIN, folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path("programs").join(name);
        fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What is downloaded as the program is this script.
    fn downloads(&self, script: &str) {
        fs::write(self.path("download"), format!("#!/bin/bash\n{script}\n")).unwrap();
    }

    /// The digest of what is downloaded.
    fn digest(&self) -> String {
        let output = self.command("sha256sum", "").arg("download").output().unwrap();
        String::from_utf8(output.stdout).unwrap().split_once(' ').unwrap().0.to_owned()
    }

    /// Has GitHub run the action for a pull request into `main`, with these inputs.
    fn run(&self, inputs: &[(&str, &str)]) -> Done {
        self.run_on(&[("github.base_ref", "main")], inputs)
    }

    /// The same for an event that has these values.
    fn run_on(&self, event: &[(&str, &str)], inputs: &[(&str, &str)]) -> Done {
        let action = Action::read();
        let mut known: BTreeMap<String, String> =
            event.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        known.insert("github.token".to_owned(), "a-token".to_owned());
        for (name, default) in &action.inputs {
            known.insert(format!("inputs.{name}"), value(default, &known));
        }
        let digest = self.digest();
        for (name, given) in [("version", "1.2.3"), ("sha256", &digest)].iter().chain(inputs) {
            assert!(action.inputs.contains_key(*name), "there is no input {name}");
            known.insert(format!("inputs.{name}"), (*given).to_owned());
        }
        let mut done =
            Done { code: 0, text: String::new(), summary: String::new(), outputs: BTreeMap::new() };
        for step in &action.steps {
            let Some(run) = &step.run else { continue };
            let files = ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY", "script"]
                .map(|name| (name, self.path("temp").join(format!("of-{name}"))));
            for (_, path) in &files {
                fs::write(path, "").unwrap();
            }
            fs::write(&files[4].1, run).unwrap();
            let mut command = self.command("bash", "checkout");
            command.args(["--noprofile", "--norc", "-eo", "pipefail"]).arg(&files[4].1);
            command.envs(files.iter().map(|(name, path)| (*name, path)));
            command.env("GITHUB_SERVER_URL", "https://github.com");
            command.env("GITHUB_ACTION_PATH", root()).env("GITHUB_WORKSPACE", self.path("checkout"));
            command.env("RUNNER_TEMP", self.path("temp"));
            command.envs(step.env.iter().map(|(name, expression)| (name, value(expression, &known))));
            let output = command.output().unwrap();
            done.text +=
                &[output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
            for line in fs::read_to_string(&files[0].1).unwrap().lines() {
                let (name, given) = line.split_once('=').unwrap();
                known.insert(format!("steps.{}.outputs.{name}", step.id), given.to_owned());
                done.outputs.insert(name.to_owned(), given.to_owned());
            }
            done.summary += &fs::read_to_string(&files[3].1).unwrap();
            for (name, path) in &files[1..3] {
                assert_eq!(fs::read_to_string(path).unwrap(), "", "{name}");
            }
            done.code = output.status.code().unwrap();
            if done.code != 0 {
                break;
            }
        }
        done
    }

    /// Writes a baseline of a config to a file of the world, and gives its text.
    fn baseline(config: &str) -> String {
        let world = Self::new(&[("openclaw.json", config)], &[]);
        world.chitin("checkout", &["baseline", "write", "known.json", "--config", "openclaw.json"]);
        fs::read_to_string(world.path("checkout/known.json")).unwrap()
    }
}

const GATE: [(&str, &str); 3] =
    [("settings", "ci/chitin.toml"), ("baseline", "known.json"), ("fail-on", "warn")];

#[test]
fn nothing_of_the_caller_is_part_of_a_script() {
    let action = Action::read();
    assert_eq!(action.inputs.len(), 10, "{:?}", action.inputs);
    assert_eq!(action.steps.len(), 4);
    for step in &action.steps {
        assert!(step.run.as_ref().is_none_or(|run| !run.contains("${{") && run != "|"), "{:?}", step.run);
        assert!(step.env.iter().all(|(_, value)| value.starts_with("${{ ") && value.ends_with(" }}")));
    }
    let text = fs::read_to_string(root().join("action.yml")).unwrap();
    for used in text.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, used)| used) {
        let (_, commit) = used.split_once('@').unwrap();
        let commit = commit.split(' ').next().unwrap();
        assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{used}");
    }
}

#[test]
fn the_author_of_a_pull_request_does_not_choose_its_rule() {
    let [known, all] = [KNOWN, WORSE].map(World::baseline);
    let main = [("openclaw.json", KNOWN), ("known.json", &known), ("ci/chitin.toml", "")];
    let change = [("openclaw.json", WORSE), ("known.json", &*all), ("ci/chitin.toml", LAX)];
    let world = World::new(&main, &change);
    let done = world.run(&GATE);
    assert_eq!(done.code, 1, "{}", done.text);
    assert_eq!(done.outputs["exit-code"], "1");
    assert!(done.text.contains("\n::warning file="), "{}", done.text);
    for shown in [&done.text, &done.summary] {
        assert!(shown.contains("gateway.control_ui.insecure_auth"), "{shown}");
    }
    assert!(done.text.contains("settings: ci/chitin.toml of the branch main counts"), "{}", done.text);
    assert!(fs::metadata(&done.outputs["sarif-file"]).unwrap().len() > 100);
    // In a merge queue, too.
    let queued = [("github.event.merge_group.base_ref", "refs/heads/main")];
    assert_eq!(world.run_on(&queued, &GATE).code, 1);
    // A pull request into a branch of its author's own is judged by the branch that the input names.
    let own = [("github.base_ref", "change")];
    assert_eq!(world.run_on(&own, &[&GATE[..], &[("base", "main")]].concat()).code, 1);
    // These would have opened the gate; merged, they do.
    for event in [&own[..], &[]] {
        let done = world.run_on(event, &GATE);
        assert_eq!(done.code, 0, "{}", done.text);
    }
    // What is known on the base branch fails nothing.
    let world = World::new(&main, &[]);
    let done = world.run(&GATE);
    assert_eq!((done.code, &*done.outputs["exit-code"]), (0, "0"), "{}", done.text);
    // Nor does it open an alert.
    for (file, has_it) in [("sarif-file", true), ("upload-file", false)] {
        let text = fs::read_to_string(&done.outputs[file]).unwrap();
        assert_eq!(text.contains("logging.redact_off"), has_it, "{file}");
    }
}

#[test]
fn what_is_not_on_the_base_branch_is_none_and_told() {
    let all = World::baseline(WORSE);
    let change = [("openclaw.json", WORSE), ("known.json", &*all), ("ci/chitin.toml", LAX)];
    let world = World::new(&[("openclaw.json", KNOWN)], &change);
    let done = world.run(&GATE);
    assert_eq!(done.code, 1, "{}", done.text);
    for told in ["settings: there is no ci/chitin.toml in", "baseline: there is no known.json in"] {
        assert!(done.text.contains(&format!("::warning title=Chitin::{told}")), "{}", done.text);
    }
    let done = world.run(&[&GATE[..], &[("base", "gone")]].concat());
    assert!(done.code == 2 && done.text.contains("the branch gone cannot be fetched"), "{}", done.text);
}

#[test]
fn policies_that_are_added_come_from_the_base_branch() {
    let manifest = "[policy]\nid = \"theirs\"\nversion = \"1.0.0\"\nsummary = \"One of somebody else\"\n[[check]]\n\
                    id = \"hostile.finding\"\nseverity = \"critical\"\nsummary = \"It says so\"\n\
                    [capabilities]\nconfig = [\"/tools\"]\n";
    let world = World::new(&[("openclaw.json", QUIET)], &[]);
    fs::write(world.path("theirs.wasm"), with_manifest(manifest)).unwrap();
    world.chitin("", &["policy", "add", "theirs.wasm", "--yes"]);
    world.git("origin", &["checkout", "-q", "main"]);
    world.chitin("", &["policy", "vendor", "origin/ci"]);
    world.commit();
    let inputs = [("settings", "ci/chitin.toml")];
    let done = world.run(&inputs);
    assert!(done.code == 0 && done.text.contains("hostile.finding"), "{}", done.text);
    // A link would name a file of the machine that the action runs on.
    fs::remove_file(world.path("origin/ci/chitin.toml")).unwrap();
    symlink("/etc/hostname", world.path("origin/ci/chitin.toml")).unwrap();
    world.commit();
    let done = world.run(&inputs);
    assert!(done.code == 2 && done.text.contains("ci/chitin.toml is no file in"), "{}", done.text);
}

#[test]
fn hostile_inputs_do_nothing() {
    let world = World::new(&[("openclaw.json", QUIET), ("known.json", "{}")], &[]);
    let texts = [
        format!("\"; touch {PWNED}; \""),
        format!("$(touch {PWNED})"),
        format!("`touch {PWNED}`"),
        format!("a\ntouch {PWNED}\n::error::b"),
        format!("a\"\nprogram=touch {PWNED}"),
        "--exit-zero".to_owned(),
        "-x".to_owned(),
        "../origin/known.json".to_owned(),
        "a/../../x".to_owned(),
        "/etc/passwd".to_owned(),
        ".git/config".to_owned(),
        ":(top)*".to_owned(),
        "* main".to_owned(),
    ];
    for input in ["config", "settings", "baseline", "fail-on", "base", "version", "sha256", "build"] {
        for text in &texts {
            // The branch is looked for where something is to be taken from it.
            let done = world.run(&[("settings", "chitin.toml"), (input, text)]);
            // A file of an odd name that is not there is none.
            let is_odd_name = ["settings", "baseline"].contains(&input) && !text.contains('\n');
            let is_path = ["-", "..", "a/..", "/", ".git"].iter().any(|start| text.starts_with(start));
            assert_eq!(done.code == 0, is_odd_name && !is_path, "{input} {text}: {}", done.text);
            assert!(
                done.code == 0
                    || done.text.contains("::error title=Chitin::")
                    || done.text.contains("error:")
            );
            assert!(!done.text.contains("\n::error::b"), "{input} {text}: {}", done.text);
            let known = |name: &String| {
                ["program", "exit-code", "sarif-file", "upload-file"].contains(&name.as_str())
            };
            assert!(done.outputs.keys().all(known), "{input} {text}: {:?}", done.outputs);
            for folder in ["checkout", "temp", "home", ""] {
                assert!(!world.path(folder).join(PWNED).exists(), "{input} {text}");
            }
        }
    }
    assert!(!root().join(PWNED).exists());
    for (link, target) in [("outside.json", "../origin/openclaw.json"), ("passwd.json", "/etc/passwd")] {
        symlink(target, world.path("checkout").join(link)).unwrap();
        let done = world.run(&[("config", link)]);
        assert!(done.code == 2 && done.text.contains("leads out of the repository"), "{}", done.text);
    }
}

#[test]
fn nothing_runs_that_has_another_digest_than_the_one_that_is_given() {
    let world = World::new(&[("openclaw.json", QUIET)], &[]);
    let asked = || fs::read_to_string(world.path("asked")).unwrap_or_default();
    for (inputs, told) in [
        (&[("version", ""), ("sha256", "")][..], "give version and sha256 of a release"),
        (&[("sha256", "")][..], "sha256: give the digest of chitin-1.2.3-"),
        (&[("sha256", "abc")][..], "64 hexadecimal digits"),
        (&[("version", "latest")][..], "version: give three numbers"),
        (&[("build", "yes")][..], "build: give true or false"),
    ] {
        let done = world.run(inputs);
        assert!(done.code == 2 && done.text.contains(told), "{}", done.text);
        assert_eq!(asked(), "", "it asked for something");
    }
    let digest = world.digest();
    world.downloads(&format!("touch {}; exec {CHITIN} \"$@\"", world.path(PWNED).display()));
    let done = world.run(&[("sha256", &digest)]);
    assert!(done.code == 2 && done.text.contains("it was not run"), "{}", done.text);
    assert!(!world.path(PWNED).exists() && done.outputs.is_empty());
    assert!(
        asked().contains("https://github.com/chitin-audit/chitin/releases/download/v1.2.3/chitin-1.2.3-")
    );
    let done = world.run(&[]);
    assert!(done.code == 0 && world.path(PWNED).exists(), "{}", done.text);
}

#[test]
fn the_hook_audits_each_file_that_pre_commit_names() {
    let text = fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap();
    let hook: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.trim_start_matches("- ").trim().split_once(": ")).collect();
    assert_eq!(text.lines().filter(|line| line.starts_with("- ")).count(), 1, "there is one hook");
    assert_eq!((hook["id"], hook["language"], hook["args"]), ("chitin", "script", "[\"--\"]"));
    let world = World::new(
        &[("openclaw.json", QUIET), ("b/openclaw.json5", KNOWN), ("--settings=c/openclaw.json", QUIET)],
        &[],
    );
    let run = |arguments: &[&str]| {
        let mut command = world.command(root().join(hook["entry"]).to_str().unwrap(), "checkout");
        let programs = Path::new(CHITIN).parent().unwrap().display();
        let output = command.env("PATH", format!("{programs}:/usr/bin:/bin")).args(arguments).output();
        let output = output.unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code().unwrap(), text)
    };
    let files = ["openclaw.json", "b/openclaw.json5", "--settings=c/openclaw.json"];
    let (code, text) = run(&[&["--"], &files[..]].concat());
    assert!(code == 0 && text.matches("exit 0: ").count() == 3, "{text}");
    let (code, text) =
        run(&[&["--fail-on=warn", "--policy", "logging-redaction", "--"], &files[..]].concat());
    assert!(code == 1 && text.matches("exit 0: ").count() == 2, "{text}");
    assert!(text.contains("logging.redact_off"), "{text}");
    let (code, text) = run(&files);
    assert!(code == 2 && text.contains("have to end with \"--\""), "{text}");
}
