#!/bin/sh
# Builds target/examples/python.wasm, and prints its path.
set -eu
. "$(dirname "$0")/../tools.sh"
pypi componentize-py 0.25.1
# It looks at all that lies beside the program.
cp "$here/app.py" "$work/"
(cd "$work" && "$tools/componentize-py-0.25.1/bin/componentize-py" -d "$wit" -w policy componentize app -o raw.wasm) >&2
python3 "$examples/add-manifest.py" "$work/raw.wasm" "$here/policy.toml" "$built/python.wasm"
echo "$built/python.wasm"
