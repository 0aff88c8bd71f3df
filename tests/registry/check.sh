#!/usr/bin/env bash
# Goes the whole road of a policy with a real registry, Debian's docker-registry: an author signs it and pushes it, an operator
# under another account adds it with fewer grants, audits, meets an update that asks for more and a file that was changed, and
# removes it. CHITIN names the program, GUEST a component without a manifest.
#
# What is not installed is installed where this is root and there is apt-get; else it is skipped, and said so. --require-all makes
# that a failure.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd -P)
require_all=
[ "${1:-}" != --require-all ] || require_all=yes
missing=()
for program in docker-registry minisign; do
    command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update -qq && apt-get install -qq --yes --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 || true
fi
for program in docker-registry minisign; do
    if ! command -v "$program" >/dev/null; then
        echo "skipped  there is no $program (Debian: apt-get install $program)"
        [ -z "$require_all" ] || exit 1
        exit 0
    fi
done

work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/registry.yml" <<EOF
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$port"}
EOF
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
registry=$!
trap 'kill $registry 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.1
done

unset XDG_CONFIG_HOME XDG_CACHE_HOME DOCKER_CONFIG
mkdir -m 700 "$work/author" "$work/operator"
"$root/tests/corpus/demo/install" "$work/operator" >/dev/null
place=oci://localhost:$port/ann/theirs
author() { (cd "$work/author" && HOME=$work/author "$@"); }
operator() { (cd "$work/operator" && HOME=$work/operator "$CHITIN" "$@"); }

# Runs a command that must end with this code and say these words.
expect() { # CODE WORDS COMMAND...
    local code=$1 words=$2 got=0
    shift 2
    "$@" >"$work/said" 2>&1 </dev/null || got=$?
    if [ "$got" != "$code" ] || ! grep -qF -- "$words" "$work/said"; then
        echo "FAILED   $*: exit code $got, expected $code and \"$words\""
        sed 's/^/         | /' "$work/said"
        exit 1
    fi
    echo "ok       $(printf "%s " "$@" | sed "s,$CHITIN,chitin,g; s,$work,~,g; s,$port,PORT,g")"
}

# A version of the policy, signed.
version() { # VERSION CAPABILITIES
    cat >"$work/author/policy.toml" <<EOF
[policy]
id = "theirs"
version = "$1"
summary = "Something about tools"
[[check]]
id = "hostile.finding"
severity = "warn"
summary = "It says so"
[capabilities]
$2
EOF
    author python3 "$root/docs/examples/add-manifest.py" "$GUEST" policy.toml theirs.wasm
    author minisign -S -W -s ann.key -m theirs.wasm >/dev/null
}
author minisign -G -W -p ann.pub -s ann.key >/dev/null

version 1.0.0 'config = ["/tools", "/agents"]'
expect 0 "$place@sha256:" author "$CHITIN" policy push theirs.wasm "$place"
expect 2 "is not where version 1.0.0 of theirs belongs" author "$CHITIN" policy push theirs.wasm "$place:2.0.0"
expect 2 "which is not among the trusted ones" operator policy add "$place:1.0.0" --yes
expect 0 "its signature names the key" operator policy inspect "$place"
cp "$work/author/ann.pub" "$work/operator/"
expect 0 "granted 1 of 2 capabilities" operator policy add "$place" --key ann.pub --grant config:/tools
pinned=$(sed -n 's/^resolved = "\(.*\)"$/\1/p' "$work/operator/.config/chitin/chitin.lock")
expect 1 "said by the policy theirs, which you have added" operator audit --locked
expect 0 "theirs 1.0.0: up to date" operator policy outdated

version 1.1.0 'config = ["/tools", "/agents"]
secrets = ["/gateway/auth/token"]'
expect 0 "pushed theirs 1.1.0, with its signature" author "$CHITIN" policy push theirs.wasm "$place"
expect 1 "theirs 1.0.0 -> $place:1.1.0" operator policy outdated
expect 2 "it asks for more: secret:/gateway/auth/token" operator policy update
expect 0 "updated: theirs 1.1.0, granted 2 of 3" operator policy update theirs --grant secret:/gateway/auth/token
expect 2 "is older than 1.1.0" operator policy update theirs --from "$pinned"
expect 0 "granted 1 of 2" operator policy update theirs --from "$pinned" --downgrade

for file in "$work"/operator/.config/chitin/policies/*.policy; do echo >>"$file"; done
expect 3 "FAILED  theirs" operator policy verify
expect 3 "is not the one that chitin.lock pins" operator audit
expect 0 "taken again" operator policy update theirs
expect 0 "ok      theirs" operator policy verify
expect 0 "policies copied: 1" operator policy vendor copy
expect 0 "chitin:policy@" author "$CHITIN" policy wit contract.wasm
expect 0 "pushed policy " author "$CHITIN" policy push contract.wasm "oci://localhost:$port/chitin/policy"
expect 0 "pushed policy " author "$CHITIN" policy push contract.wasm "oci://localhost:$port/chitin/policy"
kill "$registry"
expect 1 "said by the policy theirs" operator audit --locked --settings copy/chitin.toml
expect 3 "cannot be asked" operator policy outdated
expect 0 "removed theirs" operator policy remove theirs
echo "check-registry: all passed"
