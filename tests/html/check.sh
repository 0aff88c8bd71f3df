#!/usr/bin/env bash
# Shows pages of the format html to a real browser, headless Chromium: that of the demo installation, that of a target whose names and
# values are markup, and pages of constructed reports (PAGES names their folder). CHITIN names the program. SHOTS=FOLDER keeps
# pictures of them.
#
# What is not installed is installed where this is root and there is apt-get, and two packages of npm in a temporary folder; else it
# is skipped, and said so. --require-all makes that a failure.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd -P)
require_all=
[ "${1:-}" != --require-all ] || require_all=yes
skip() {
    echo "skipped  $1"
    [ -z "$require_all" ] || exit 1
    exit 0
}
missing=()
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v npm >/dev/null || missing+=(nodejs npm)
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update -qq && apt-get install -qq --yes --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 || true
fi
browser=$(command -v chromium || command -v google-chrome) || skip "there is no browser (Debian: apt-get install chromium)"
command -v npm >/dev/null || skip "there is no npm (Debian: apt-get install npm)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$root/tests/html/check.mjs" "$work/"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --silent puppeteer-core@24.43.1 axe-core@4.12.1 >"$work/npm.log" 2>&1 ||
    skip "npm cannot install puppeteer-core and axe-core: $(tail -1 "$work/npm.log")"

# The page of a home folder's installation.
page() { # NAME HOME ARGUMENT...
    local name=$1 home=$2 got=0
    shift 2
    HOME=$home "$CHITIN" audit --output "html=$work/$name.html" "$@" >/dev/null 2>"$work/said" || got=$?
    case $got in
    1 | 3) ;;
    *)
        echo "FAILED   the audit of $name ends with $got: $(cat "$work/said")"
        exit 1
        ;;
    esac
}
unset XDG_CONFIG_HOME XDG_CACHE_HOME
mkdir "$work/demo"
"$root/tests/corpus/demo/install" "$work/demo" >/dev/null
page demo "$work/demo"

evil='"><img src=x onerror="document.title = 1"><script>document.title = 2<'
home="$work/home $evil"
state="$home/.openclaw"
mkdir -p "$state/extensions/$evil" "$state/agents/$evil/sessions" "$state/credentials"
python3 - "$state" "$evil" <<'END'
import json
import sys
from pathlib import Path

state, evil = Path(sys.argv[1]), sys.argv[2]
closing = "</pre></style></title><script>document.title = 3</script>"
config = {
    "gateway": {"bind": "lan" + closing, "auth": {"mode": evil}, "controlUi": {"allowedOrigins": [evil, "*"]}},
    "logging": {"redactSensitive": "off"},
    "agents": {"list": [{"id": evil, "model": closing, "sandbox": {"docker": {"network": closing}}}]},
    "plugins": {"allow": [evil, closing], "entries": {evil: {"enabled": True}}},
    "channels": {"telegram": {"accounts": {evil: {"dmPolicy": "open", "allowFrom": ["*", evil]}}}},
    "security": {"audit": {"suppressions": [{"checkId": "logging.redact_off", "reason": evil + closing}]}},
    evil: closing,
    closing: {evil: "${" + closing + "}"},
}
(state / "openclaw.json").write_text(json.dumps(config, indent=2))
plugin = state / "extensions" / evil
(plugin / "package.json").write_text(json.dumps({"name": evil, "openclaw": {"extensions": ["./x.js"]}}))
(plugin / "x.js").write_text('const { exec } = require("child_process"); exec("<script>document.title = 4</script>");\n')
(state / "agents" / evil / "sessions" / (evil + ".jsonl")).write_text("{}\n")
(state / "credentials" / (evil + ".json")).write_text("{}\n")
END
chmod -R go+rX "$state"
page hostile "$home" --deep --honour-config-suppressions
grep -qF '&lt;script&gt;' "$work/hostile.html" || { echo "FAILED   the page of the hostile target shows no markup"; exit 1; }
cp "$PAGES"/*.html "$work/"
[ -z "${SHOTS:-}" ] || mkdir -p "$SHOTS"
cd "$work"
BROWSER=$browser SHOTS=${SHOTS:-} node check.mjs
echo "check-html: all passed"
