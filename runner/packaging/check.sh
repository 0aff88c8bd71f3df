#!/usr/bin/env bash
# Tries what `make dist` makes. Steps, in this order; without names all of them:
#
#   reproducible  builds in this folder and in a copy of it elsewhere, and compares the bytes
#   program       the static program: what it is linked with and says of its builder, its version, an audit, its manual, an
#                 installation of it (install.sh)
#   package       looks into the Debian package
#   units         systemd's word on the units, and whether an audit calls only what they allow
#   apparmor      the syntax of the profile
#   container     builds the image, and runs it on a read-only root as a user without rights
#
# All but the first one take target/dist as it is. What is not installed is skipped, and said so; --require-all makes
# that a failure. The exit code is 1 where something failed.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd -P)
cd "$root"
here=$root/runner/packaging
dist=$root/target/dist
build=${CARGO_TARGET_DIR:-$root/target}/dist-build
machine=$(uname -m)
all="reproducible program package units apparmor container"
require_all=
failed=()
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

ok() { echo "ok       $*"; }
fail() { echo "FAILED   $*"; failed+=("$*"); }
skip() {
    echo "skipped  $*"
    if [ -n "$require_all" ]; then failed+=("$* (--require-all)"); fi
}
# Runs a command, and says what it printed where it failed.
expect() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then ok "$what"; else
        fail "$what"
        sed 's/^/         | /' "$work/said" | tail -n 20
    fi
}
have() { command -v "$1" >/dev/null 2>&1; }
# Finds a file of target/dist, the last one where there are several, and puts it into `found`.
made() { # PATTERN
    found=$(find "$dist" -maxdepth 1 -name "$1" 2>/dev/null | sort | tail -n 1)
    if [ -z "$found" ]; then
        fail "target/dist has a $1 (make dist)"
        return 1
    fi
}

step_reproducible() {
    "$here/dist.sh"
    local copy=$build/copy/another-folder
    rm -rf "$build/copy" && mkdir -p "$copy"
    # What is under version control, as it is now, where there is version control; else all but what was built.
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard
    else
        find . -path ./target -prune -o -type f -print0
    fi | tar --create --null --files-from - --ignore-failed-read | tar --extract --directory "$copy"
    local epoch
    epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
    env -u CARGO_TARGET_DIR CHITIN_TOOLS="${CHITIN_TOOLS:-$root/target/tools}" SOURCE_DATE_EPOCH="$epoch" \
        TARGETS="${TARGETS:-}" "$copy/runner/packaging/dist.sh"
    expect "two builds in two folders give the same bytes" diff "$dist/SHA256SUMS" "$copy/target/dist/SHA256SUMS"
    rm -rf "$build/copy"
}

step_program() {
    local program
    made "chitin-*-$machine-linux" || return 0
    program=$found
    expect "SHA256SUMS fits" bash -c 'cd "$1" && sha256sum --quiet --check SHA256SUMS' - "$dist"
    echo "         $(basename "$program"): $(stat -c %s "$program") bytes"
    no_interpreter() { readelf --program-headers --dynamic "$program" >"$work/elf" && ! grep -E 'INTERP|NEEDED' "$work/elf"; }
    expect "the program is static" no_interpreter
    no_symbols() { ! readelf --symbols "$program" | grep -q "symtab"; }
    expect "the program is stripped" no_symbols
    # Of this checkout, of the home that the toolchain lies in, and of cargo's own.
    no_folders() {
        local folder
        for folder in "$root" "${CARGO_HOME:-$HOME/.cargo}" "${RUSTUP_HOME:-$HOME/.rustup}"; do
            ! grep --text --only-matching --fixed-strings "$folder" "$program" | sort | uniq -c | grep . || return 1
        done
    }
    expect "the program names no folder of whoever built it" no_folders
    listed() { objcopy --dump-section ".dep-v0=$work/crates" "$program" "$work/copy" && python3 -c '
import json, sys, zlib
packages = json.loads(zlib.decompress(open(sys.argv[1], "rb").read()))["packages"]
names = {package["name"] for package in packages}
assert {"chitin", "wasmtime", "cap-std"} <= names, names' "$work/crates"; }
    expect "the program lists its crates (cargo auditable)" listed
    local sbom=$program.cdx.json
    bill() { python3 -c '
import json, sys
bill = json.load(open(sys.argv[1]))
assert bill["bomFormat"] == "CycloneDX", bill["bomFormat"]
assert bill["metadata"]["component"]["name"] == "chitin"
parts = {(part["name"], part["version"]) for part in bill["components"]}
assert {"wasmtime", "gateway-auth", "wit-bindgen"} <= {name for name, _ in parts}, parts
known = {tuple(line.split()) for line in open(sys.argv[2])}
assert parts <= known, f"not in Cargo.lock: {parts - known}"' "$sbom" "$work/locked"; }
    awk -F '"' '/^name = /{ name = $2 } /^version = /{ print name, $2 }' Cargo.lock >"$work/locked"
    expect "the SBOM is one, and fits Cargo.lock" bill
    version() { [ "$("$program" --version)" = "chitin $(basename "$program" | cut -d- -f2)" ]; }
    expect "--version" version
    tests/corpus/demo/install "$work/demo"
    audit() {
        local code=0
        "$program" audit --json --state-dir "$work/demo/.openclaw" >"$work/report.json" || code=$?
        cat "$work/report.json"
        [ "$code" = 1 ] && python3 -c '
import json, sys
report = json.load(open(sys.argv[1]))
assert report["summary"]["critical"] > 0, report["summary"]
assert report["exit"]["code"] == 1, report["exit"]' "$work/report.json"
    }
    expect "an audit of the demo installation finds what is wrong with it" audit
    confined() {
        local code=0
        "$program" audit --confine required --state-dir "$work/demo/.openclaw" || code=$?
        [ "$code" = 1 ]
    }
    expect "so it does with --confine required" confined
    expect "chitin doctor" "$program" doctor
    expect "an installation of it, and its word where it may not be written" installs "$program"
    local page
    for page in chitin chitin-audit chitin-fix chitin-policy-compile chitin-doctor; do
        [ -s "$dist/man/$page.1" ] || fail "a manual page $page.1"
    done
    if have man; then
        formats() {
            local page
            for page in "$dist"/man/*.1; do
                MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null | sed "s|^|$page: |"
            done | (! grep .)
        }
        expect "man formats all $(find "$dist/man" -name '*.1' | wc -l) pages without a warning" formats
    else skip "formatting the manual pages: man is not installed"; fi
    expect "the bash completions are a script" bash -n "$dist/completions/chitin.bash"
    local other code
    for other in "$dist"/chitin-*-linux; do
        case $other in *-"$machine"-linux) continue ;; esac
        local emulator
        emulator=qemu-$(basename "$other" | sed 's/.*-\(.*\)-linux$/\1/')-static
        if have "$emulator"; then
            code=0
            # The emulator carries out landlock and seccomp of its own process, so that confinement cannot be tried here.
            "$emulator" "$other" audit --confine off --json --state-dir "$work/demo/.openclaw" >"$work/other.json" 2>"$work/said" || code=$?
            same() { [ "$code" = 1 ] && python3 -c '
import json, sys
one, other = (json.load(open(path)) for path in sys.argv[1:])
assert one["findings"] == other["findings"]' "$work/report.json" "$work/other.json"; }
            expect "$(basename "$other") finds the same under $emulator" same
        else skip "running $(basename "$other"): $emulator is not installed"; fi
    done
}

# Where `make install` puts a program, and its word where it may not.
installs() { # PROGRAM
    CHITIN=$1 PREFIX=$work/prefix "$here/install.sh" >"$work/said-of-install" &&
        "$work/prefix/bin/chitin" --version && [ -s "$work/prefix/share/man/man1/chitin.1" ] &&
        [ -s "$work/prefix/share/zsh/site-functions/_chitin" ] || return
    : >"$work/no-folder"
    if CHITIN=$1 PREFIX=$work/no-folder "$here/install.sh" 2>"$work/refused"; then return 1; fi
    grep "choose another place" "$work/refused"
}

step_package() {
    local package program tarball architecture
    if ! have dpkg-deb; then skip "the package: dpkg-deb is not installed"; return; fi
    case $machine in x86_64) architecture=amd64 ;; aarch64) architecture=arm64 ;; *) architecture=$machine ;; esac
    made "chitin_*_$architecture.deb" || return 0
    package=$found
    made "chitin-*-$machine-linux" || return 0
    program=$found
    made "chitin-*-$machine-linux.tar.gz" || return 0
    tarball=$found
    echo "         $(basename "$package"): $(stat -c %s "$package") bytes"
    dpkg-deb --fsys-tarfile "$package" | tar --list --verbose --numeric-owner >"$work/files"
    dpkg-deb --raw-extract "$package" "$work/package"
    awk '{ print $1, $2, $6 }' "$work/files" >"$work/modes"
    local wanted
    while read -r wanted; do
        if grep -qxF -- "$wanted" "$work/modes"; then ok "$wanted"; else fail "$wanted"; fi
    done <<'EOF'
-rwxr-xr-x 0/0 ./usr/bin/chitin
-rw-r--r-- 0/0 ./usr/lib/systemd/system/chitin-audit.service
-rw-r--r-- 0/0 ./usr/lib/systemd/system/chitin-audit.timer
-rw-r--r-- 0/0 ./usr/lib/systemd/system/chitin-audit@.service
-rw-r--r-- 0/0 ./usr/lib/systemd/system/chitin-audit@.timer
-rw-r--r-- 0/0 ./etc/apparmor.d/chitin-audit
-rw-r--r-- 0/0 ./etc/chitin/chitin.toml
-rw-r--r-- 0/0 ./etc/default/chitin
-rw-r--r-- 0/0 ./usr/share/man/man1/chitin-audit.1.gz
-rw-r--r-- 0/0 ./usr/share/bash-completion/completions/chitin
-rw-r--r-- 0/0 ./usr/share/zsh/vendor-completions/_chitin
-rw-r--r-- 0/0 ./usr/share/fish/vendor_completions.d/chitin.fish
-rw-r--r-- 0/0 ./usr/share/doc/chitin/copyright
EOF
    documents() { find "$work/package/usr/share/doc/chitin" -name 'locked-down.md*' | grep .; }
    expect "docs/locked-down.md is among the documents" documents
    other_files() { ! grep -vE ' (0/0) \./(usr|etc)(/|$)| \./$' "$work/modes"; }
    expect "nothing lies elsewhere, and all of it is root's" other_files
    expect "the program is the one of target/dist" cmp "$work/package/usr/bin/chitin" "$program"
    configuration() { diff <(sort "$work/package/DEBIAN/conffiles" | grep .) - <<'EOF'
/etc/apparmor.d/chitin-audit
/etc/chitin/chitin.toml
/etc/default/chitin
EOF
    }
    expect "what administrators may edit are configuration files" configuration
    independent() { dpkg-deb --field "$package" && [ -z "$(dpkg-deb --field "$package" Depends)" ]; }
    expect "it depends on nothing" independent
    local script
    for script in postinst prerm postrm; do
        expect "$script is a script" sh -n "$work/package/DEBIAN/$script"
        no_marks() { ! grep -n 'DEBHELPER' "$work/package/DEBIAN/$script"; }
        expect "$script has no unfilled mark" no_marks
    done
    same_files() {
        mkdir "$work/tarball" && tar --extract --gzip --directory "$work/tarball" --strip-components 1 \
            --file "$tarball"
        diff <(cd "$work/tarball" && find . -type f | sort) \
            <(cd "$work/package" && find . -path ./DEBIAN -prune -o -type f -print | sed 's|\.gz$||; /doc\/chitin\/copyright$/d' | cat - <(echo ./usr/share/doc/chitin/LICENSE) | sort)
    }
    expect "the tarball has the same files" same_files
}

step_units() {
    local program units
    if ! have systemd-analyze; then skip "the units: systemd-analyze is not installed"; return; fi
    # The package's files beside this system's units, which they refer to.
    local system=$work/system folder=/usr/lib/systemd/system
    made "chitin-*-$machine-linux" || return 0
    program=$found
    mkdir -p "$system/usr/bin" "$system$folder" "$system/etc"
    cp -R "$folder/." "$system$folder"
    cp "$here"/chitin-audit*.service "$here"/chitin-audit*.timer "$system$folder"
    cp "$program" "$system/usr/bin/chitin"
    units="chitin-audit.service chitin-audit.timer chitin-audit@ann.service chitin-audit@ann.timer"
    # An unknown key is told on standard error, and changes no exit code.
    quiet() {
        local code=0
        # shellcheck disable=SC2086
        systemd-analyze verify --man=no --root="$system" $units >"$work/verify" 2>&1 || code=$?
        cat "$work/verify"
        [ "$code" = 0 ] && [ ! -s "$work/verify" ]
    }
    expect "systemd-analyze verify has nothing to say" quiet
    local unit
    for unit in chitin-audit.service chitin-audit@ann.service; do
        exposure() {
            systemd-analyze security --offline=yes --root="$system" --threshold=15 "$unit" >"$work/security"
            local code=$?
            tail -n 1 "$work/security"
            return "$code"
        }
        expect "the exposure of $unit is at most 1.5" exposure
        sed 's/^/         /' "$work/said" | tail -n 1
    done
    if ! have strace; then skip "what an audit calls: strace is not installed"; return; fi
    tests/corpus/demo/install "$work/demo"
    strace --follow-forks --quiet=all --output "$work/calls" \
        "$program" audit --state-dir "$work/demo/.openclaw" >/dev/null 2>&1 || true
    calls() {
        python3 - "$work/calls" "$here/chitin-audit.service" "$here/chitin-audit@.service" <<'EOF'
import re, subprocess, sys

called, executable = {}, []
for line in open(sys.argv[1], errors="replace"):
    match = re.match(r"\d+ +(\w+)\((.*)", line)
    if not match:
        continue
    name, arguments = match.groups()
    called.setdefault(name, line.strip())
    if name == "mmap" and "PROT_WRITE" in arguments and "PROT_EXEC" in arguments:
        executable.append(line)
    if name in ("mprotect", "pkey_mprotect") and "PROT_EXEC" in arguments:
        executable.append(line)
assert len(called) > 20 and "landlock_restrict_self" in called and "seccomp" in called, sorted(called)

def members(name):
    if not name.startswith("@"):
        return {name}
    words = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout.split("\n")
    names = [word.strip() for word in words[1:] if word.strip() and not word.strip().startswith("#")]
    return set().union(*(members(one) for one in names))

wrong = executable
for unit in sys.argv[2:]:
    allowed = set()
    for line in open(unit):
        if line.startswith("SystemCallFilter="):
            text = line.split("=", 1)[1].strip()
            for name in text.lstrip("~").split():
                allowed = allowed - members(name) if text.startswith("~") else allowed | members(name)
    # execve is how the service starts; a filter of systemd's always allows what it does itself.
    wrong += [f"{unit}: {called[name]}" for name in sorted(called) if name not in allowed | {"execve"}]
print("\n".join(wrong))
sys.exit(bool(wrong))
EOF
    }
    expect "an audit calls only what the units allow, and makes no memory executable" calls
}

step_apparmor() {
    if ! have apparmor_parser; then skip "the profile: apparmor_parser is not installed"; return; fi
    expect "the AppArmor profile has no mistake" apparmor_parser --skip-kernel-load --skip-cache "$here/chitin.apparmor"
    # The same parser finds one where there is one.
    sed 's/capability setuid,/capability to_fly,/' "$here/chitin.apparmor" >"$work/broken"
    broken() { ! apparmor_parser --skip-kernel-load --skip-cache "$work/broken"; }
    expect "and the parser would have found one" broken
}

step_container() {
    if ! have buildah; then skip "the container: buildah is not installed"; return; fi
    if [ "$(id -u)" != 0 ]; then skip "the container: this step wants root"; return; fi
    local program storage
    made "chitin-*-$machine-linux" || return 0
    program=$found
    storage=$(mktemp -d /var/tmp/chitin-check.XXXXXX)
    local buildah=(buildah --root "$storage/root" --runroot "$storage/run" --storage-driver vfs)
    expect "the image is built" "${buildah[@]}" bud --isolation chroot --format docker -f "$here/Dockerfile" \
        --build-arg "PROGRAM=$(basename "$program")" -t chitin "$dist"
    user() { [ "$("${buildah[@]}" inspect --type image --format '{{.OCIv1.Config.User}}' chitin)" = 65532:65532 ]; }
    expect "its user is 65532" user
    local container mounted
    if container=$("${buildah[@]}" from --pull-never chitin 2>"$work/said") && mounted=$("${buildah[@]}" mount "$container"); then
        only() { [ "$(cd "$mounted" && find . -xdev -type f)" = ./usr/bin/chitin ]; }
        expect "the program is all that is in it" only
        # The demo installation, of the image's user.
        tests/corpus/demo/install "$work/demo"
        chown -R 65532:65532 "$work/demo"
        chmod 755 "$work"
        runs() {
            local code=0
            "${buildah[@]}" run --isolation chroot --volume "$work/demo/.openclaw:/target:ro" "$container" -- \
                /usr/bin/chitin audit --state-dir /target >"$work/report" 2>&1 || code=$?
            cat "$work/report"
            [ "$code" = 1 ] && grep -q '^exit 1: ' "$work/report"
        }
        expect "buildah runs it" runs
        mkdir -p "$mounted/target"
        mount_read_only() {
            local code=0
            unshare --mount --net --ipc --fork sh -c '
                set -e
                mount --make-rprivate /
                mount --bind "$1" "$3"
                mount --bind "$2" "$3/target"
                mount -o remount,bind,ro "$3/target"
                mount -o remount,bind,ro "$3"
                if touch "$3/written" 2>/dev/null; then echo "the root can be written" >&2; exit 99; fi
                exec chroot --userspec=65532:65532 "$3" /usr/bin/chitin audit --state-dir /target' \
                - "$mounted" "$work/demo/.openclaw" "$work/mounted" >"$work/report" 2>&1 || code=$?
            cat "$work/report"
            [ "$code" = 1 ] && grep -q '^exit 1: ' "$work/report"
        }
        mkdir "$work/mounted"
        expect "it audits on a read-only root, without network and /proc, as 65532" mount_read_only
        "${buildah[@]}" umount "$container" >/dev/null
    else fail "a container of the image: $(cat "$work/said")"; fi
    "${buildah[@]}" rm --all >/dev/null 2>&1 || true
    rm -rf "$storage"
}

steps=()
for argument; do
    case $argument in
        --require-all) require_all=yes ;;
        *)
            case " $all " in *" $argument "*) steps+=("$argument") ;; *)
                echo "usage: check.sh [--require-all] [STEP...]; steps: $all" >&2
                exit 2 ;;
            esac ;;
    esac
done
if [ ${#steps[@]} = 0 ]; then read -ra steps <<<"$all"; fi
for step in "${steps[@]}"; do
    echo "--- $step"
    "step_$step"
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "check-dist: ${#failed[@]} FAILED"
    printf '  %s\n' "${failed[@]}"
    exit 1
fi
echo "check-dist: all passed"
