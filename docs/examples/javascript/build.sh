#!/bin/sh
# Builds target/examples/javascript-ENGINE.wasm, and prints its path. ENGINE is starlingmonkey (the default) or quickjs.
set -eu
. "$(dirname "$0")/../tools.sh"
engine=${1:-starlingmonkey}
need node "20 or newer"
need npm "it comes with node, or Debian: apt-get install npm"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || missing "node 20 or newer (here is $(node --version))"
modules=$tools/javascript
mkdir -p "$modules"
if ! cmp -s "$here/package-lock.json" "$modules/done"; then
  cp "$here/package.json" "$here/package-lock.json" "$modules/"
  (cd "$modules" && npm ci --silent >&2) || missing "the packages of package-lock.json (npm)"
  cp "$here/package-lock.json" "$modules/done"
fi
case $engine in
starlingmonkey)
  "$modules/node_modules/.bin/componentize-js" "$here/mine.js" --wit "$wit" --world-name policy \
    --disable clocks random http stdio fetch-event -o "$work/raw.wasm" >&2 ;;
quickjs)
  "$modules/node_modules/.bin/jco" componentize "$here/mine.js" --wit "$wit" --world-name policy \
    --backend qjs --backend-qjs-disable-async -o "$work/raw.wasm" >&2 ;;
*) echo "usage: build.sh [starlingmonkey|quickjs]" >&2; exit 2 ;;
esac
python3 "$examples/add-manifest.py" "$work/raw.wasm" "$here/policy.toml" "$built/javascript-$engine.wasm"
echo "$built/javascript-$engine.wasm"
