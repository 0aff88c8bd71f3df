#!/usr/bin/env python3
"""Builds the example policies of docs/examples, runs each as a component of a stranger, and compares what it says. Then builds
what `chitin policy new` writes in each language, and runs its cases.

usage: tests/languages/check.py [--require-all] [EXAMPLE...]

The program is target/debug/chitin, or $CHITIN. An example whose tools cannot be had is skipped; with --require-all that is
a failure. The examples are one policy in several languages, so that the same is expected of each.
"""
import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CHITIN") or REPOSITORY / "target/debug/chitin").absolute()
# The name, and what builds it.
EXAMPLES = {
    "rust-sdk": ["rust-sdk/build.sh"],
    "rust-plain": ["rust-plain/build.sh"],
    "c": ["c/build.sh"],
    "javascript-quickjs": ["javascript/build.sh", "quickjs"],
    "javascript-starlingmonkey": ["javascript/build.sh", "starlingmonkey"],
    "python": ["python/build.sh"],
    "go": ["go/build.sh"],
}
# What `chitin policy new` writes, in each language, and the programs without which it does not build.
TEMPLATES = {
    "template-rust": ("rust", ["cargo"]),
    "template-rust-plain": ("rust-plain", ["cargo"]),
    "template-c": ("c", ["clang"]),
    "template-javascript": ("javascript", ["npm"]),
    "template-python": ("python", ["python3"]),
    "template-go": ("go", ["go"]),
}
# What a build.sh exits with where a tool is missing; the last line of its standard error says which.
MISSING = 77

BACKUP = "mine.backup_readable"
PROFILE = "mine.no_profile"
# A finding: its severity, and its one place.
FOUND = {
    BACKUP: ("warn", ("object", "openclaw.json.bak")),
    PROFILE: ("info", ("config", "/tools/profile")),
}
# What a variable gives is hidden where its name is that of a secret.
VARIABLES = "MINE_TOKEN=x9K2mQ7vR4tZ8wL3pN6sB1\n"


class Scene:
    """An installation, what the policy is granted, and for each check what must come out: "finding", "clean", or the kind
    of reason why it was not assessed, the end of the reason in words, and its place. (The words tell what the policy says
    from what the program adds where a policy is silent.)"""

    def __init__(self, grants, backup, profile, mode=0o644, config="{}", is_listable=True, code=0):
        self.grants, self.expected = grants, {BACKUP: backup, PROFILE: profile}
        self.mode, self.config, self.is_listable, self.code = mode, config, is_listable, code


SCENES = {
    "all granted": Scene(["all"], "finding", "finding"),
    "nothing wrong": Scene(["all"], "clean", "clean", mode=0o600, config='{"tools": {"profile": "messaging"}}'),
    "config withheld": Scene(["list:state"], "finding", ("withheld", "it was not granted config:/tools/profile", None)),
    "list withheld": Scene(["config:/tools/profile"], ("withheld", "it was not granted list:state", None), "finding"),
    "hidden, and not to be listed": Scene(
        ["all"],
        ("unreadable", "permission denied", ("object", "")),
        ("hidden", "a variable gives, which policies do not see", ("config", "/tools/profile")),
        config='{"tools": {"profile": "${MINE_TOKEN}"}}',
        is_listable=False,
        code=3,
    ),
}


def as_others_do():
    """Takes from root what lets it list every folder."""
    drop, capabilities = 24, (1, 2)  # PR_CAPBSET_DROP; CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    if os.geteuid() == 0:
        for capability in capabilities:
            ctypes.CDLL(None).prctl(drop, capability, 0, 0, 0)


def install(scene, home):
    """Makes the installation, and gives its state directory."""
    state = home / ".openclaw"
    state.mkdir(mode=0o700)
    for name, content, mode in [
        ("openclaw.json", scene.config, 0o600),
        (".env", VARIABLES, 0o600),
        ("openclaw.json.bak", "{}", scene.mode),
    ]:
        (state / name).write_text(content)
        (state / name).chmod(mode)
    if not scene.is_listable:
        state.chmod(0o300)
    return state


def audit(component, scene, home):
    """Gives the report and the exit code."""
    state = install(scene, home)
    command = [PROGRAM, "audit", "--json", "--state-dir", state, "--policy", component]
    for grant in scene.grants:
        command += ["--grant", grant]
    environment = {"HOME": str(home), "PATH": os.environ.get("PATH", "")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, preexec_fn=as_others_do)
    state.chmod(0o700)
    if not done.stdout:
        raise RuntimeError(f"exit code {done.returncode}, no report: {done.stderr.strip()}")
    return json.loads(done.stdout), done.returncode


def place_of(location):
    return location and (location["kind"], location.get("pointer", location.get("rel")))


def differences(report, code, scene):
    """What differs from what is expected, in words."""
    states = {entry["checkId"]: entry for entry in report["assessment"]}
    if set(states) != set(scene.expected):
        yield f"the checks are {sorted(states)}"
        return
    for check, expected in scene.expected.items():
        findings = [finding for finding in report["findings"] if finding["checkId"] == check]
        said = [(finding["severity"], *map(place_of, finding["locations"])) for finding in findings]
        if said != ([FOUND[check]] if expected == "finding" else []):
            yield f"{check} has the findings {said}"
        state = states[check]
        reasons = [(open["kind"], open["text"], place_of(open.get("location"))) for open in state.get("unassessed", [])]
        if isinstance(expected, str):
            is_so = state["status"] == expected and not reasons
        else:
            kind, words, place = expected
            is_so = state["status"] == "not-assessed" and len(reasons) == 1
            is_so = is_so and (reasons[0][0], reasons[0][2]) == (kind, place) and reasons[0][1].endswith(words)
        if not is_so:
            yield f"{check} is {state['status']} {reasons}, expected is {expected}"
    if code != scene.code:
        yield f"the exit code is {code}, expected is {scene.code} ({report['incomplete']})"


def is_obeyed():
    """Whether this account is held to the modes of folders at all."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o300)
        listing = [sys.executable, "-c", "import os, sys; os.listdir(sys.argv[1])", folder]
        done = subprocess.run(listing, stderr=subprocess.DEVNULL, preexec_fn=as_others_do)
        os.chmod(folder, 0o700)
        return done.returncode != 0


def check(component, scenes):
    """Whether the component says in all scenes what it should."""
    is_right = True
    for name, scene in scenes.items():
        with tempfile.TemporaryDirectory() as home:
            try:
                wrong = list(differences(*audit(component, scene, Path(home)), scene))
            except (RuntimeError, ValueError, KeyError) as error:
                wrong = [str(error)]
        for line in wrong:
            print(f"  {name}: {line}")
        is_right = is_right and not wrong
    return is_right


def template(name):
    """Writes a folder, builds it, and runs its cases. Gives whether all went well; none where a tool is missing."""
    language, needed = TEMPLATES[name]
    missing = [program for program in needed if not shutil.which(program)]
    if missing and not (language == "c" and os.environ.get("CC")):
        print(f"{name}: skipped, missing: {', '.join(missing)}", flush=True)
        return None
    print(f"{name}: building", flush=True)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "made-here"
        for arguments in (["new", "made-here", "--lang", language, "--dir"], ["build"], ["test"], ["check"]):
            done = subprocess.run([PROGRAM, "policy", *arguments, folder], capture_output=True, text=True)
            if done.returncode != 0:
                print(*(f"  {line}" for line in (done.stdout + done.stderr).splitlines()[-40:]), sep="\n")
                print(f"{name}: FAILED, chitin policy {arguments[0]}", flush=True)
                return False
        bench = subprocess.run([PROGRAM, "policy", "bench", "--json", folder], capture_output=True, text=True)
        if bench.returncode != 0:
            print(f"  {bench.stderr.strip()}\n{name}: FAILED, chitin policy bench", flush=True)
            return False
    print(f"{name}: ok, {figures(json.loads(bench.stdout))}", flush=True)
    return True


def figures(measured):
    """The row of docs/policies.md: size, compile time, code, run, fuel, memory."""
    cases = measured["cases"]
    run, fuel, memory = (max(case[key] for case in cases) for key in ("medianMicroseconds", "fuel", "memoryBytes"))
    return (
        f"{measured['componentBytes'] / 1024:.0f} kB, compiled in {measured['compileMilliseconds'] / 1000:.1f} s to"
        f" {measured['codeBytes'] / 1024:.0f} kB, run {run / 1000:.1f} ms, fuel {fuel:,}, memory {memory / (1 << 20):.1f} MiB"
    )


def guest_library():
    """Packs the guest library as crates.io would have it, and builds a policy on that alone, without a network."""
    name = "guest-library"
    print(f"{name}: building", flush=True)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        steps = [
            (["cargo", "package", "--quiet", "--offline", "--no-verify", "--allow-dirty", "--package", "chitin-policy-sdk",
              "--target-dir", work / "packed"], REPOSITORY),
            (["sh", "-c", "tar xzf packed/package/chitin-policy-sdk-*.crate && mv chitin-policy-sdk-* library"], work),
            ([PROGRAM, "policy", "new", "made-here", "--dir", work / "made-here"], work),
            (["sh", "-c", "rm -r made-here/vendor/chitin-policy-sdk && mv library made-here/vendor/chitin-policy-sdk"], work),
            (["cargo", "build", "--quiet", "--offline", "--release", "--target", "wasm32-wasip2"], work / "made-here"),
        ]
        for command, folder in steps:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode != 0:
                print(*(f"  {line}" for line in (done.stdout + done.stderr).splitlines()[-40:]), sep="\n")
                print(f"{name}: FAILED, {command[0]}", flush=True)
                return False
    print(f"{name}: ok", flush=True)
    return True


def main():
    arguments = argparse.ArgumentParser(description="Builds and checks the example policies of docs/examples.")
    arguments.add_argument("--require-all", action="store_true", help="fail where an example cannot be built for want of a tool")
    arguments.add_argument("example", nargs="*", help=f"only these of {', '.join([*EXAMPLES, *TEMPLATES])}")
    arguments = arguments.parse_args()
    known = [*EXAMPLES, *TEMPLATES, "guest-library"]
    unknown = [name for name in arguments.example if name not in known]
    if unknown:
        sys.exit(f"error: there is no example {', '.join(unknown)}; there are {', '.join(known)}")
    if not os.access(PROGRAM, os.X_OK):
        sys.exit(f"error: there is no program {PROGRAM}; run `make build`, or name one in $CHITIN")
    scenes = dict(SCENES)
    if not is_obeyed():
        scenes = {name: scene for name, scene in scenes.items() if scene.is_listable}
        print("this account may list every folder: the scenes with one that it may not are left out")
    passed, failed, skipped = 0, 0, 0
    for name in arguments.example or known:
        if name in TEMPLATES or name == "guest-library":
            is_right = template(name) if name in TEMPLATES else guest_library()
            passed, failed, skipped = passed + (is_right is True), failed + (is_right is False), skipped + (is_right is None)
            continue
        script, *options = EXAMPLES[name]
        print(f"{name}: building", flush=True)
        start = time.monotonic()
        built = subprocess.run([REPOSITORY / "docs/examples" / script, *options], capture_output=True, text=True)
        lines = built.stderr.strip().splitlines()
        if built.returncode == MISSING:
            print(f"{name}: skipped, {lines[-1] if lines else 'a tool is missing'}", flush=True)
            skipped += 1
            continue
        if built.returncode != 0:
            print(*(f"  {line}" for line in lines[-40:]), sep="\n")
            print(f"{name}: FAILED, it does not build", flush=True)
            failed += 1
            continue
        component = Path(built.stdout.splitlines()[-1])
        middle = time.monotonic()
        is_right = check(component, scenes)
        times = f"built in {middle - start:.0f} s, {len(scenes)} audits in {time.monotonic() - middle:.0f} s"
        print(f"{name}: {'ok' if is_right else 'FAILED'}, {component.stat().st_size:,} bytes, {times}", flush=True)
        passed, failed = passed + is_right, failed + (not is_right)
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    if failed or (skipped and arguments.require_all) or not passed + skipped:
        sys.exit(1)


if __name__ == "__main__":
    main()
