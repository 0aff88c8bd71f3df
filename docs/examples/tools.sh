# Read by the build.sh of each example, with the pinned versions there. Tools and components go below target/examples; nothing
# is written among the sources, and nothing outside of target/ but the caches of cargo, npm and pip.
#
# Exit code 77: something is missing that this script does not install; the last line says what.

here=$(cd "$(dirname "$0")" && pwd)
examples=$(dirname "$here")
repository=$(cd "$examples/../.." && pwd)
wit=$repository/wit
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$repository/$target ;; esac
built=$target/examples
tools=$built/tools
mkdir -p "$tools"
# A folder for what this build makes on its way.
work=$(mktemp -d "$built/work.XXXXXX")
# Go leaves folders that may not be written to.
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

missing() {
  echo "missing: $*" >&2
  exit 77
}

# need PROGRAM WHERE-IT-COMES-FROM
need() {
  command -v "$1" >/dev/null || missing "$1 ($2)"
}

# pypi PACKAGE VERSION: installs a package of PyPI into a folder of its own, $tools/PACKAGE-VERSION.
pypi() {
  need python3 "3.10 or newer"
  folder=$tools/$1-$2
  [ -e "$folder/done" ] && return
  rm -rf "$folder"
  python3 -m venv "$folder" >&2 || missing "python3's module venv (Debian: apt-get install python3-venv)"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "$1==$2" >&2 || missing "$1 $2 of PyPI"
  touch "$folder/done"
}

# crates_io CRATE VERSION FEATURES: builds a program of crates.io into $tools/CRATE-VERSION.
crates_io() {
  need cargo "https://rustup.rs"
  [ -e "$tools/$1-$2/done" ] && return
  echo "building $1 $2; this takes some minutes, once" >&2
  CARGO_TARGET_DIR=$work/cargo cargo install --quiet --locked --root "$tools/$1-$2" --no-default-features --features "$3" \
    "$1@$2" >&2 || missing "$1 $2 of crates.io"
  touch "$tools/$1-$2/done"
}

# sources_of CRATE VERSION: lays the published files of a crate into $tools/sources/CRATE-VERSION.
sources_of() {
  need cargo "https://rustup.rs"
  [ -e "$tools/sources/$1-$2" ] && return
  mkdir -p "$work/sources/src" "$tools/sources"
  touch "$work/sources/src/lib.rs"
  printf '[package]\nname = "sources"\nedition = "2021"\n[workspace]\n[dependencies]\n%s = "=%s"\n' "$1" "$2" \
    >"$work/sources/Cargo.toml"
  (cd "$work/sources" && cargo vendor --quiet --versioned-dirs vendor >/dev/null) || missing "$1 $2 of crates.io"
  mv "$work/sources/vendor/$1-$2" "$tools/sources/"
  rm -rf "$work/sources"
}

# rust_target NAME
rust_target() {
  need cargo "https://rustup.rs"
  [ -d "$(rustc --print target-libdir --target "$1")" ] || missing "the Rust target $1 (rustup target add $1)"
}
