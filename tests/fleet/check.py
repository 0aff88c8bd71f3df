#!/usr/bin/env python3
"""Runs what docs/fleet.md is about, by the commands of that page: the Ansible role, the manifests of Kubernetes, the example on Ray, a collector.

usage: tests/fleet/check.py [--require-all] [STEP...]

  ansible     the role on hosts that are folders of this machine, and ansible-lint
  kubernetes  what kustomize makes of the overlays: its form, and the settings of each pod that keep it from harm
  pod         the command of such a pod, in what the pod would have: its mounts, a root that is read-only, its account (wants root)
  ray         a list of targets on two workers, one of which is killed
  collector   rotel, a collector of OpenTelemetry, is sent the results of a list

The program is target/debug/chitin, or $CHITIN. $POLICY names a component with a manifest that is added for the parts about policies of
others. Tools are installed into target/tools/fleet (or $CHITIN_TOOLS/fleet). What cannot be had is skipped; with --require-all that is a
failure.
"""
import argparse
import base64
import copy
import functools
import hashlib
import http.server
import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CHITIN") or REPOSITORY / "target/debug/chitin").absolute()
POLICY = os.environ.get("POLICY") and Path(os.environ["POLICY"]).absolute()
TOOLS = Path(os.environ.get("CHITIN_TOOLS") or REPOSITORY / "target/tools").absolute() / "fleet"
PACKAGES = {
    "ansible": ["ansible-core==2.19.14", "ansible-lint==26.10.1"],
    "kubernetes": ["kubernetes-validate==1.37.0", "PyYAML==6.0.3"],
    "ray": (REPOSITORY / "docs/examples/ray/requirements.txt").read_text().split(),
    "collector": ["rotel==0.0.1a15"],
}
PAGE = (REPOSITORY / "docs/fleet.md").read_text()
KUBERNETES = REPOSITORY / "runner/packaging/kubernetes"
# The oldest release that the manifests are for, and the newest.
RELEASES = ["1.31.0", "1.37.0"]
NO_DIGEST = "0" * 64

failed = []
parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
parser.add_argument("--require-all", action="store_true")
parser.add_argument("steps", nargs="*")
chosen = parser.parse_args()


def told(name, is_right, text=""):
    """Says how a check ended."""
    print(f"{'ok     ' if is_right else 'FAILED '}  {name}", flush=True)
    if not is_right:
        failed.append(name)
        print("\n".join(f"         | {line}" for line in str(text).strip().splitlines()[-40:]), flush=True)


def skip(name, reason):
    """Says that something was not checked."""
    print(f"skipped  {name}: {reason}", flush=True)
    if chosen.require_all:
        failed.append(name)


def run(command, **more):
    """Runs a command, and gives its exit code and what it printed."""
    more.setdefault("timeout", 900)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, str(error)
    return done.returncode, done.stdout.decode(errors="replace")


def install(name):
    """The folder of some Python packages; none where they cannot be had."""
    folder, packages = TOOLS / name, PACKAGES[name]
    done = folder / "installed"
    if done.exists() and done.read_text().split() == packages:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]
    code, said = run([*pip, "--target", folder, *packages])
    if code:
        return skip(name, (said.strip().splitlines() or ["pip failed"])[-1])
    done.write_text("\n".join(packages))
    return folder


def commands(start):
    """The commands of the page that begin so, as lists of words: no shell runs them."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    found = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.startswith(start)]
    assert found, f"docs/fleet.md has lost its commands that begin with {start}"
    return found


def tree(folder):
    """All that a folder holds, with modes, times and contents."""
    seen = {}
    for path in sorted(folder.rglob("*")):
        now = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(now.st_mode) else None
        seen[str(path.relative_to(folder))] = (stat.filemode(now.st_mode), now.st_uid, now.st_mtime_ns, content)
    return seen


def demo(home):
    """Makes the demo installation in a home folder."""
    subprocess.run([REPOSITORY / "tests/corpus/demo/install", home], check=True, stdout=subprocess.DEVNULL)
    return home / ".openclaw"


def own(folder, account):
    """Gives a folder, and all in it, to an account."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, account, account, follow_symlinks=False)


def ndjson(text):
    """The lines about findings, and those about targets."""
    lines = [json.loads(line) for line in text.split("\n") if line]
    return [line for line in lines if "kind" not in line], [line for line in lines if line.get("kind") == "target"]


def site(work):
    """Settings with a policy of others, and the policy's id; none where there is no component."""
    if not POLICY or not POLICY.exists():
        return None
    folder = work / "site"
    folder.mkdir()
    (folder / "chitin.toml").write_text("")
    environment = {"HOME": str(work / "home"), "PATH": os.environ["PATH"]}
    code, said = run([work / "chitin", "policy", "add", POLICY, "--yes", "--settings", folder / "chitin.toml"], env=environment)
    if code:
        return told("a policy is added", False, said)
    return folder, re.search(r'^id = "(.*)"', (folder / "chitin.lock").read_text(), re.MULTILINE).group(1)


# Ansible


def recap(said):
    """What the play says of each host at its end: how many tasks changed something, how many failed."""
    lines = re.findall(r"^(\S.*?)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=(\d+)", said, re.MULTILINE)
    return {host: (int(changed), int(bad)) for host, changed, bad in lines}


def check_ansible(work):
    packages = install("ansible")
    if not packages:
        return
    # A host is a folder. The names are what a host, a file and a config can be called by somebody who means harm.
    evil, worked_out = "{{ 31337 * 31337 }} $(touch pwned)", "982007569"
    two = "../two $(touch pwned)"
    program, digest = work / "chitin", hashlib.sha256((work / "chitin").read_bytes()).hexdigest()

    def host(name, targets, program_of="one", **more):
        (work / name / "bin").mkdir(parents=True)
        paths = {"chitin_program_path": f"{work}/{program_of}/bin/chitin", "chitin_settings_dir": f"{work}/{name}/etc/chitin"}
        return {**paths, "chitin_targets": targets, **more}

    one = demo(work / "one/home")
    (one / "credentials" / f"{evil}.json").write_text("{}")
    (one / "credentials" / f"{evil}.json").chmod(0o644)
    config = one / "openclaw.json"
    config.write_text(config.read_text().replace("{", "{ " + json.dumps(evil) + ": 1,", 1))
    clean = work / "two/home/.openclaw"
    clean.mkdir(mode=0o700, parents=True)
    (clean / "openclaw.json").write_text('{ gateway: { auth: { token: "c1f4b8e07a925d3610be47fa98d2c563" } } }\n')
    (clean / "openclaw.json").chmod(0o600)
    if os.geteuid() == 0:
        own(clean, 1234)
    broken = work / "broken/home/.openclaw"
    broken.mkdir(mode=0o700, parents=True)
    (broken / "openclaw.json").write_text("{ gateway: ")
    (broken / "openclaw.json").chmod(0o600)
    hosts = {
        "one": host("one", [{"stateDir": str(one), "id": "one"}]),
        two: host("two", [{"stateDir": str(clean), "id": "two"}]),
        "none": host("none", []),
        "gone": host("gone", [{"stateDir": str(work / "gone/nowhere"), "id": "gone"}]),
        "broken": host("broken", [{"stateDir": str(broken), "id": "broken"}]),
        "fresh": host("fresh", [], "fresh"),
    }
    added = site(work)
    if added:
        files = {f"chitin_{name}_src": str(added[0] / file) for name, file in
                 [("settings", "chitin.toml"), ("lock", "chitin.lock"), ("policies", "policies")]}
        hosts["policies"] = host("policies", [{"stateDir": str(one), "id": "policies"}], **files)
    results = work / "results"
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "chitin_program_src": str(program),
        "chitin_program_sha256": digest,
        "chitin_results_dir": str(results),
    }
    (work / "hosts.yml").write_text(json.dumps({"all": {"vars": variables, "hosts": hosts}}))
    (work / "ansible.cfg").write_text("")
    environment = {
        "ANSIBLE_CONFIG": str(work / "ansible.cfg"),
        "ANSIBLE_HOME": str(work / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "HOME": str(work / "home"),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{packages}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(packages),
    }
    dry, real = commands("ansible-playbook")

    def play(command, limit, **extra):
        more = ["--limit", limit, "--extra-vars", json.dumps(extra)]
        code, said = run([*command, *more], cwd=work, env=environment)
        return code, said, recap(said)

    def folders():
        return {name: tree(work / name) for name in ["one", "two", "none", "gone", "broken", "fresh"]}

    before = folders()
    code, said, ends = play(dry, "one")
    is_right = code == 0 and ends["one"][0] > 0 and folders() == before and not results.exists() and "would become" in said
    told("ansible: --check tells what would change, and changes nothing", is_right, said)

    code, said, ends = play(real, "one")
    modes = {name: tree(work / "one").get(name, "-")[0] for name in ["bin/chitin", "etc/chitin", "etc/chitin/chitin.toml"]}
    expected = {"bin/chitin": "-rwxr-xr-x", "etc/chitin": "drwxr-xr-x", "etc/chitin/chitin.toml": "-rw-r--r--"}
    is_right = modes == expected and ends["one"][0] > 0
    told("ansible: the program and its settings are installed, for its owner to change", is_right, f"{modes}\n{said}")

    everyone = "all:!fresh:!policies"
    play(real, everyone)
    before = folders()
    code, said, ends = play(real, everyone)
    changed = {name: now[0] for name, now in ends.items() if now[0]}
    told("ansible: a second run changes nothing", len(ends) == 5 and not changed and folders() == before, f"{changed}\n{said}")
    gate = [ends[name][1] for name in hosts if name in ends]
    told("ansible: the gate fails four hosts and passes one", code == 2 and gate == [1, 0, 1, 1, 1], said)
    verdicts = {"one": 1, two: 0, "none": 4, "gone": 2, "broken": 3}
    words = ["exit 1, findings at or above critical", "exit 0, no finding", "exit 4, nothing to audit", "exit 2, unusable", "exit 3, incomplete"]
    told("ansible: each exit code is told in words", all(word in said for word in words), said)

    safe = "_._two___touch_pwned_-" + hashlib.sha256(two.encode()).hexdigest()[:16]
    names = {f"{name}.{kind}" for name in ["one", "none", "gone", "broken", safe] for kind in ["ndjson", "sarif"]}
    there = {path.name for path in results.iterdir()}
    told("ansible: the results are one file a host and format, by a name that is no path", there == names, there ^ names)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in results.iterdir()}
    told("ansible: nobody else reads them", modes == {0o600} and stat.S_IMODE(results.stat().st_mode) == 0o700, modes)
    codes = {}
    for name in verdicts:
        file = safe if name == two else name
        codes[name] = ndjson((results / f"{file}.ndjson").read_text())[1][0]["exit"]["code"]
        assert json.loads((results / f"{file}.sarif").read_text())["version"] == "2.1.0"
    told("ansible: they hold the verdicts", codes == verdicts, codes)
    kept = [(results / f"one.{kind}").read_text() for kind in ["ndjson", "sarif"]]
    is_right = all(evil in text and worked_out not in text + said for text in kept)
    is_right = is_right and not list(work.rglob("pwned")) + list((REPOSITORY / "runner/packaging/ansible").rglob("pwned"))
    told("ansible: what is named like a template or a command is kept as it is, and does nothing", is_right, said)

    code, said, ends = play(real, "one", chitin_passing_codes=[0, 1])
    told("ansible: a site lets findings pass", code == 0 and ends["one"] == (0, 0), said)
    code, said, ends = play(real, "one", chitin_fail_on="all")
    told("ansible: a value that is none is refused", code != 0 and "value of chitin_fail_on must be one of" in said, said)
    code, said, ends = play(real, "one", chitin_targets=[{"stateDir": "relative"}])
    told("ansible: so is a path that is relative", code != 0 and "absolute" in said, said)

    def serve():
        handler = functools.partial(type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None}), directory=work)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    with serve() as server:
        address = {"chitin_program_src": "", "chitin_program_url": f"http://127.0.0.1:{server.server_address[1]}/chitin"}
        before = folders()
        for name, source in [("a file", {}), ("an address", address)]:
            code, said, ends = play(real, "fresh", chitin_program_sha256=NO_DIGEST, **source)
            is_right = ends["fresh"][1] == 1 and folders()["fresh"] == before["fresh"] and NO_DIGEST in said
            told(f"ansible: a program from {name} with another digest is not installed", is_right, said)
        code, said, ends = play(real, "fresh", chitin_passing_codes=[4], **address)
        is_right = code == 0 and (work / "fresh/bin/chitin").read_bytes() == program.read_bytes()
        told("ansible: it is installed from an address", is_right, said)
        server.shutdown()
    # What was exchanged on the host is put right before it runs.
    marker = work / "ran"
    (work / "fresh/bin/chitin").write_text(f"#!/bin/sh\ntouch {marker}\n")
    code, said, ends = play(real, "fresh", chitin_passing_codes=[4])
    told("ansible: one that was exchanged is replaced, and does not run", code == 0 and ends["fresh"][0] > 0 and not marker.exists(), said)
    (work / "fresh/bin").chmod(0o777)
    code, said, ends = play(real, "fresh", chitin_passing_codes=[4])
    told("ansible: no program runs from a folder that everybody can change", code != 0 and "everybody can write" in said, said)

    if added:
        play(real, "policies")
        before = tree(work / "policies")
        code, said, ends = play(real, "policies")
        ran = {finding["unmapped"]["policy"] for finding in ndjson((results / "policies.ndjson").read_text())[0]}
        is_right = ends["policies"][0] == 0 and added[1] in ran and tree(work / "policies") == before
        told("ansible: a policy of others runs as the lock pins it", is_right, said)
    else:
        skip("ansible: a policy of others", "POLICY names no component")
    same = (REPOSITORY / "runner/packaging/chitin.toml").read_bytes()
    copies = ["ansible/roles/chitin/files/chitin.toml", "kubernetes/base/chitin.toml"]
    is_right = all((REPOSITORY / "runner/packaging" / name).read_bytes() == same for name in copies)
    told("ansible, kubernetes: the settings are those of the package", is_right)
    lint = ["ansible-lint", "--offline", "--strict", "--profile", "production", "."]
    code, said = run(lint, cwd=shutil.copytree(REPOSITORY / "runner/packaging/ansible", work / "lint"), env=environment)
    told("ansible: the role and the playbooks, by ansible-lint", code == 0, said)


# Kubernetes


def problems(document):
    """What a document lacks of the settings that keep a pod from harm."""
    pod = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    security = pod.get("securityContext", {})
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    yield "automountServiceAccountToken", pod.get("automountServiceAccountToken") is False
    for name in ["hostNetwork", "hostPID", "hostIPC"]:
        yield name, pod.get(name) is False
    yield "runAsNonRoot", security.get("runAsNonRoot") is True and security.get("runAsUser", 0) > 0 and security.get("runAsGroup", 0) > 0
    yield "seccompProfile", security.get("seccompProfile") == {"type": "RuntimeDefault"}
    yield "no fsGroup", "fsGroup" not in security
    yield "one container", len(pod["containers"]) == 1 and not pod.get("initContainers")
    yield "restartPolicy", pod.get("restartPolicy") == "Never"
    for container in pod["containers"]:
        security = container.get("securityContext", {})
        yield "allowPrivilegeEscalation", security.get("allowPrivilegeEscalation") is False
        yield "privileged", security.get("privileged") is False
        yield "readOnlyRootFilesystem", security.get("readOnlyRootFilesystem") is True
        yield "capabilities", security.get("capabilities") == {"drop": ["ALL"]}
        yield "nothing of its own instead", not {"runAsUser", "runAsNonRoot", "seccompProfile"} & set(security)
        yield "limits", {"cpu", "memory", "ephemeral-storage"} <= set(container.get("resources", {}).get("limits", {}))
        yield "a digest", re.search(r"@sha256:[0-9a-f]{64}$", container["image"]) is not None
        yield "no shell", "command" not in container and all(isinstance(word, str) for word in container["args"])
        for mount in container["volumeMounts"]:
            volume = volumes[mount["name"]]
            yield f"{mount['mountPath']} is read-only", mount.get("readOnly") is True or "emptyDir" in volume
    for volume in volumes.values():
        kind = next(key for key in volume if key != "name")
        yield f"a volume of kind {kind}", kind in {"configMap", "projected", "image", "persistentVolumeClaim", "hostPath", "emptyDir"}
        yield "a claim is read-only", kind != "persistentVolumeClaim" or volume[kind].get("readOnly") is True
        yield "the digest of a volume", kind != "image" or re.search(r"@sha256:[0-9a-f]{64}$", volume[kind]["reference"]) is not None
        yield "the folder of a node is there", kind != "hostPath" or volume[kind].get("type") == "Directory"
        yield "the size of a folder in memory", kind != "emptyDir" or "sizeLimit" in volume[kind]


def lacking(document):
    return [name for name, is_right in problems(document) if not is_right]


def rendered(work):
    """What kustomize makes of each overlay of the page, and of the first one with policies of others; none where a tool is missing."""
    packages = install("kubernetes")
    if not packages:
        return None
    sys.path.insert(0, str(packages))
    kubectl = shutil.which("kubectl")
    if not kubectl:
        return skip("kubernetes", "there is no kubectl (Debian: apt-get install kubernetes-client)")
    code, said = run([kubectl, "version", "--client", "--output=json"])
    version = re.search(r'"gitVersion": "v1\.(\d+)', said)
    if not version or int(version.group(1)) < 27:
        return skip("kubernetes", "kubectl is older than 1.27, and its kustomize does not know all that is used")
    made = {}
    for command in commands("kubectl kustomize"):
        made[Path(command[-1]).name] = run(command, cwd=work)
    folder = work / "kubernetes"
    shutil.copytree(KUBERNETES, folder)
    overlay = folder / "overlays/volume/kustomization.yaml"
    text = overlay.read_text()
    added = site(work)
    for component in ["policies-image", "policies-configmap"]:
        if component == "policies-configmap":
            if not added:
                skip("kubernetes: policies by ConfigMap", "POLICY names no component")
                continue
            beside = folder / "components/policies-configmap"
            shutil.copytree(added[0], beside, dirs_exist_ok=True)
            digest = next((beside / "policies").glob("sha256-*.policy")).name[7:71]
            (beside / "kustomization.yaml").write_text((beside / "kustomization.yaml").read_text().replace(NO_DIGEST, digest))
        commented = "#components:\n#  - ../../components/policies-image\n"
        assert commented in text, "the overlay has lost its line on policies"
        overlay.write_text(text.replace(commented, f"components:\n  - ../../components/{component}\n"))
        made[component] = run([kubectl, "kustomize", overlay.parent])
    return packages, made, added


def check_kubernetes(work):
    found = rendered(work)
    if not found:
        return
    import yaml

    packages, made, _ = found
    for name, (code, text) in made.items():
        if code:
            told(f"kubernetes: {name}, by kustomize", False, text)
            continue
        file = work / f"{name}.yaml"
        file.write_text(text)
        for release in RELEASES:
            validate = [packages / "bin/kubernetes-validate", "--kubernetes-version", release, "--strict", "--quiet", file]
            code, said = run([sys.executable, *validate], env={**os.environ, "PYTHONPATH": str(packages)})
            told(f"kubernetes: {name} is of the form of {release}", code == 0, said)
        documents = list(yaml.safe_load_all(text))
        jobs = [document for document in documents if document["kind"] == "CronJob"]
        strange = {document["kind"] for document in documents} - {"CronJob", "ConfigMap", "NetworkPolicy", "Namespace"}
        told(f"kubernetes: the pods of {name} have no right that they do not need", jobs and not strange and not any(map(lacking, jobs)),
             [strange, *map(lacking, jobs)])
        walls = [document["spec"] for document in documents if document["kind"] == "NetworkPolicy"]
        closed = [wall for wall in walls if wall["policyTypes"] == ["Ingress", "Egress"] and not {"ingress", "egress"} & set(wall)]
        labels = [job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"].items() for job in jobs]
        told(f"kubernetes: the network is closed to the pods of {name}",
             all(any(wall["podSelector"]["matchLabels"].items() <= label for wall in closed) for label in labels), walls)
    # The check itself: it sees each setting that is taken away.
    job = next(document for document in yaml.safe_load_all(made["volume"][1]) if document["kind"] == "CronJob")
    unseen = []
    for path in [["automountServiceAccountToken"], ["hostPID"], ["securityContext", "seccompProfile"], ["securityContext", "runAsNonRoot"],
                 ["containers", 0, "securityContext", "capabilities"], ["containers", 0, "securityContext", "readOnlyRootFilesystem"],
                 ["containers", 0, "securityContext", "allowPrivilegeEscalation"], ["containers", 0, "resources", "limits"],
                 ["containers", 0, "volumeMounts", 0, "readOnly"]]:
        changed = copy.deepcopy(job)
        place = changed["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
        if not lacking(changed):
            unseen.append(path)
    told("kubernetes: a pod that lacks one of them is seen", not unseen, unseen)


# What the kubelet does with the mounts of a pod: all read-only but a folder in memory, and a root that holds the program alone. A program
# that is not static gets the libraries of this machine. No word is part of the script.
POD = """
root=$1 account=$2
shift 2
mount --bind "$root" "$root"
for folder in /lib /lib64 /usr/lib; do
    [ ! -d "$folder" ] || { mkdir -p "$root$folder" && mount --bind "$folder" "$root$folder" && mount -o remount,bind,ro "$root$folder"; }
done
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do
    mkdir -p "$root$2" && mount --bind "$3" "$root$2" && mount -o "remount,bind,$1" "$root$2"
    shift 3
done
shift
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs "$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v chroot)" --userspec="$account" --groups= "$root" "$@"
"""


def volume_of(folder, sources):
    """Writes ConfigMaps as the kubelet mounts them: links to a folder that is exchanged as a whole. A source is a ConfigMap, and its items."""
    data = folder / "..2026"
    data.mkdir(parents=True)
    folder.chmod(0o777)
    for config, items in sources:
        files = {name: text.encode() for name, text in config.get("data", {}).items()}
        files.update({name: base64.b64decode(text) for name, text in config.get("binaryData", {}).items()})
        for name, path in items or [(name, name) for name in files]:
            (data / path).parent.mkdir(exist_ok=True)
            (data / path).write_bytes(files[name])
            (data / path).chmod(0o444)
    (folder / "..data").symlink_to("..2026")
    for path in data.iterdir():
        (folder / path.name).symlink_to(f"..data/{path.name}")


def check_pod(work):
    if os.geteuid() != 0 or run(["unshare", "--mount", "--net", "--pid", "--fork", "true"])[0]:
        return skip("pod", "it wants root, and namespaces")
    found = rendered(work)
    if not found:
        return
    import yaml

    _, made, added = found
    for name in ["volume", "policies-configmap"]:
        if name not in made:
            continue
        documents = list(yaml.safe_load_all(made[name][1]))
        maps = {document["metadata"]["name"]: document for document in documents if document["kind"] == "ConfigMap"}
        job = next(document for document in documents if document["kind"] == "CronJob")
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        base = work / f"pod-{name}"
        root = base / "root"
        (root / "usr/bin").mkdir(parents=True)
        (root / "proc").mkdir()
        shutil.copy2(work / "chitin", root / "usr/bin/chitin")
        mounts = []
        for mount in pod["containers"][0]["volumeMounts"]:
            volume = next(volume for volume in pod["volumes"] if volume["name"] == mount["name"])
            source = base / volume["name"]
            if "configMap" in volume:
                volume_of(source, [(maps[volume["configMap"]["name"]], None)])
            elif "projected" in volume:
                parts = [part["configMap"] for part in volume["projected"]["sources"]]
                volume_of(source, [(maps[part["name"]], [(item["key"], item["path"]) for item in part.get("items", [])]) for part in parts])
            elif "emptyDir" in volume:
                source.mkdir()
                source.chmod(0o1777)
            else:
                demo(source)
                own(source, pod["securityContext"]["runAsUser"])
            mounts += ["ro" if mount.get("readOnly") else "rw", mount["mountPath"], str(source)]
        account = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
        before = tree(base / "state")
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-euc", POD, "-", root, account, *mounts, "--"]
        done = subprocess.run([*command, "/usr/bin/chitin", *pod["containers"][0]["args"]], capture_output=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, timeout=600)
        said = done.stdout.decode() + done.stderr.decode()
        findings, targets = ndjson(done.stdout.decode())
        ends = [(target["id"], target["exit"]["code"], target["assessed"]) for target in targets]
        is_right = ends == [("team-a/openclaw", 1, True)] and done.returncode == 1
        told(f"pod: {name} is assessed in full by its owner, on a root that is read-only", is_right, said)
        told(f"pod: {name} is left as it was", tree(base / "state") == before)
        if name == "policies-configmap":
            ran = {finding["unmapped"]["policy"] for finding in findings}
            told("pod: a policy of others runs as the lock pins it", added[1] in ran, said)


# Ray


def check_ray(work):
    packages = install("ray")
    if not packages:
        return
    sys.path.insert(0, str(packages))
    import pyarrow.parquet

    targets = []
    original = demo(work / "home-of-all")
    for number in range(240):
        home = work / "data" / f"{number:04}"
        shutil.copytree(original, home / ".openclaw", symlinks=True)
        target = {"config": str(home / ".openclaw/openclaw.json")} if number % 10 == 0 else {"stateDir": str(home / ".openclaw")}
        targets.append({**target, "id": f"{number} \u2028 \"{{}}"})
    # One that is not there, and one that is a second name of another.
    targets.append({"stateDir": str(work / "data/nowhere"), "id": "nowhere"})
    (work / "data/again").symlink_to(work / "data/0001/.openclaw")
    targets.append({"stateDir": str(work / "data/again"), "id": "again"})
    (work / "targets.jsonl").write_text("".join(json.dumps(target) + "\n" for target in targets))
    ids = sorted(target["id"] for target in targets)
    environment = {
        "HOME": str(work / "home"),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(packages),
        "RAY_TMPDIR": str(work / "ray"),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    (command,) = commands("python3 docs/examples/ray/audit.py")
    command[0] = sys.executable
    cores = sorted(os.sched_getaffinity(0))

    def begin(results, workers):
        words = [results if word == "results" else word for word in command]
        keep = functools.partial(os.sched_setaffinity, 0, cores[:workers])
        log = (work / f"{results}.log").open("w")
        return subprocess.Popen([*words, "--workers", str(workers)], cwd=work, env=environment, stdout=log, stderr=log, preexec_fn=keep)

    def said(results):
        return (work / f"{results}.log").read_text()

    def table(results):
        return pyarrow.parquet.read_table(work / results).to_pylist()

    speeds = []
    for workers in [1, 2]:
        if len(cores) < workers:
            skip(f"ray: {workers} workers", "there are fewer processors")
            continue
        results = f"results-{workers}"
        code = begin(results, workers).wait(timeout=600)
        rows = table(results) if code == 2 else []
        told(f"ray: {workers} workers give each target one row", code == 2 and sorted(row["id"] for row in rows) == ids, said(results))
        line = next((line for line in said(results).splitlines() if "targets/s" in line), "no speed")
        print(f"         {workers} workers, a core each: {line}", flush=True)
        speeds += [float(line.split()[0])] if line[0].isdigit() else []
    if len(speeds) == 2:
        print(f"         two workers are {speeds[1] / speeds[0]:.2f} times as fast as one")
    by_id = {row["id"]: row for row in rows}
    told("ray: the rows hold the verdicts", by_id and by_id["nowhere"]["exit"] == 2 and not by_id["nowhere"]["assessed"]
         and all(by_id[f"{number} \u2028 \"{{}}"]["exit"] == 1 and by_id[f"{number} \u2028 \"{{}}"]["findings"] for number in range(240)))

    # A worker is what has started the program in a batch; nothing else is killed.
    def worker():
        for process in Path("/proc").glob("[0-9]*"):
            try:
                is_ours = os.readlink(process / "exe") == str(work / "chitin")
                if is_ours and b"--targets" in (process / "cmdline").read_bytes().split(b"\0"):
                    return int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue

    driver, killed = begin("results", min(2, len(cores))), None
    begun = time.monotonic()
    while driver.poll() is None and killed is None and time.monotonic() - begun < 120:
        if list((work / "results").glob("*.parquet")):
            killed = worker()
            if killed:
                os.kill(killed, signal.SIGKILL)
        time.sleep(0.02)
    there = len(list((work / "results").glob("*.parquet")))
    code = driver.wait(timeout=600)
    rows = table("results") if code == 2 else []
    is_right = killed and there < len(targets) / 20 and sorted(row["id"] for row in rows) == ids
    told("ray: a worker that is killed loses no target, and none counts twice", is_right, said("results"))
    before = tree(work / "results")
    code = begin("results", 1).wait(timeout=600)
    is_right = code == 2 and " 0 of them to do" in said("results") and tree(work / "results") == before
    told("ray: a second run audits nothing again", is_right, said("results"))


def check_collector(work):
    packages = install("collector")
    if not packages:
        return
    for number in range(3):
        demo(work / f"home-{number}")
    states = [work / f"home-{number}/.openclaw" for number in range(3)]
    (work / "list").write_text("".join(f"{state}\n" for state in states))
    (command,) = commands("OTEL_EXPORTER_OTLP_HEADERS=")
    name, value = command.pop(0).split("=", 1)
    counts = "chitin_findings chitin_checks chitin_policies_not_assessed chitin_audit_exit_code chitin_audit_timestamp_seconds"
    for kind, wanted in [("logs", ["chitin.check.id", *map(str, states)]), ("metrics", [*counts.split(), *map(str, states)])]:
        ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        grpc, http = [f"127.0.0.1:{port.getsockname()[1]}" for port in ports]
        for port in ports:
            port.close()
        log = work / f"{kind}.log"
        receives = ["--otlp-grpc-endpoint", grpc, "--otlp-http-endpoint", http]
        shows = ["--exporter", "blackhole", "--debug-log", kind, "--debug-log-verbosity", "detailed"]
        with log.open("w") as out:
            agent = subprocess.Popen([packages / "rotel/rotel-agent", "start", *receives, *shows], stdout=out, stderr=out)
        try:
            waits(lambda: is_open(http))
            words = [PROGRAM, *command[1:-1], f"http://{http}"]
            code, said = run(words, cwd=work, env={"HOME": str(work / "home"), "PATH": os.environ["PATH"], name: value})
            waits(lambda: all(word in log.read_text() for word in wanted))
        finally:
            agent.terminate()
            agent.wait()
        missing = [word for word in wanted if word not in log.read_text()]
        told(f"collector: rotel understands the {kind} of each target", code == 1 and not missing, f"{code} {said[-2000:]} {missing}")


def is_open(address):
    """Somebody listens there."""
    host, port = address.split(":")
    with socket.socket() as tried:
        return tried.connect_ex((host, int(port))) == 0


def waits(is_so, seconds=20):
    """Waits until something is so, for as long at most."""
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until:
        time.sleep(0.05)


STEPS = {
    "ansible": check_ansible,
    "kubernetes": check_kubernetes,
    "pod": check_pod,
    "ray": check_ray,
    "collector": check_collector,
}


def main():
    if not set(chosen.steps) <= set(STEPS):
        parser.error(f"the steps are {', '.join(STEPS)}")
    if not PROGRAM.exists():
        sys.exit(f"error: {PROGRAM} does not exist; `make build` makes it, and CHITIN names another")
    TOOLS.mkdir(parents=True, exist_ok=True)
    for name in chosen.steps or STEPS:
        with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
            # Other accounts audit what is theirs below it.
            work = Path(folder).resolve()
            work.chmod(0o711)
            (work / "home").mkdir()
            for linked in ["runner", "docs"]:
                (work / linked).symlink_to(REPOSITORY / linked)
            # One program for the whole step, whatever is built meanwhile.
            shutil.copy2(PROGRAM, work / "chitin")
            STEPS[name](work)
    print(f"check-fleet: {'FAILED: ' + ', '.join(failed) if failed else 'all passed'}")
    return bool(failed)


sys.exit(main())
