#!/usr/bin/env bash
# Makes what is given to people, in target/dist: for each target a static program, a tarball, a Debian package and a list
# of what is in the program (SBOM, CycloneDX); manual pages, completions, and SHA256SUMS over all of it. Two builds of the
# same source with the same toolchain give the same bytes, wherever the source lies (`make check-dist` proves it).
#
#   TARGETS            which ones, this machine's own first [default: musl of this machine, then aarch64 or x86_64 where a
#                      cross compiler is to be had]
#   SOURCE_DATE_EPOCH  the time that stands in archives [default: that of the last commit]
#   CHITIN_TOOLS       where the cargo tools are installed that this needs [default: target/tools]
#
# What is optional and cannot be had is left out, with one line that says so.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd -P)
cd "$root"
here=runner/packaging
dist=$root/target/dist
build=${CARGO_TARGET_DIR:-$root/target}/dist-build
tools=${CHITIN_TOOLS:-$root/target/tools}
machine=$(uname -m)
export PATH=$tools/bin:$PATH
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export LC_ALL=C TZ=UTC
umask 022

say() { echo "dist: $*"; }
skip() { echo "dist: skipped: $*"; }
die() { echo "dist: error: $*" >&2; exit 1; }

# A tool from crates.io, in the version that was tried; false where it cannot be had.
cargo_tool() { # NAME VERSION
    grep -qs "^\"$1 $2 " "$tools/.crates.toml" && return
    say "installing $1 $2"
    CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --root "$tools" "$1@$2"
}

rust_target() { # TRIPLE
    [ -d "$(rustc --print target-libdir --target "$1")" ] || rustup target add "$1"
}

# The C compiler of another architecture: zig's, which comes as a Python package with everything in it. It does not know the
# name of the target that crate `cc` gives to it, so that is left out.
cross_compiler() { # ARCHITECTURE
    local compiler=$tools/cross-$1
    if [ ! -d "$tools/python/ziglang" ]; then
        say "installing ziglang"
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
            --target "$tools/python" ziglang==0.13.0 || return
    fi
    cat >"$compiler" <<EOF
#!/usr/bin/env bash
arguments=()
for argument; do
    case \$argument in --target=*) ;; *) arguments+=("\$argument") ;; esac
done
PYTHONPATH="$tools/python" exec python3 -m ziglang cc -target $1-linux-musl "\${arguments[@]}"
EOF
    printf '#!/bin/sh\nPYTHONPATH="%s" exec python3 -m ziglang ar "$@"\n' "$tools/python" >"$compiler-ar"
    chmod +x "$compiler" "$compiler-ar"
}

# What cargo is told about a target, in the environment.
prepare() { # TRIPLE
    local triple=$1 architecture=${1%%-*} name flags
    name=${triple//-/_}
    features=()
    rust_target "$triple" || return
    # Names of folders must not get into the program: they differ from one machine to the next. The last name that fits counts.
    flags="--remap-path-prefix=$(rustc --print sysroot)=/rust"
    flags+=" --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$root=/chitin"
    flags+=" --remap-path-prefix=$build=/build"
    local prefixes="-ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo -ffile-prefix-map=$root=/chitin -ffile-prefix-map=$build=/build"
    if [ "$architecture" = "$machine" ]; then
        export "CC_$name=$(command -v musl-gcc || command -v gcc || command -v cc)"
    else
        cross_compiler "$architecture" || return
        export "CC_$name=$tools/cross-$architecture" "AR_$name=$tools/cross-$architecture-ar"
        export "CARGO_TARGET_${name^^}_LINKER=rust-lld"
        flags+=" -Clink-self-contained=yes -Clinker-flavor=ld.lld"
        # The build script compiles the policies for another architecture than its own.
        features=(--features wasmtime/all-arch)
    fi
    export "CFLAGS_$name=$prefixes" "CARGO_TARGET_${name^^}_RUSTFLAGS=$flags"
}

# The program of a target, stripped, with the list of its crates inside.
program() { # TRIPLE
    local auditable=()
    if [ -n "$has_auditable" ]; then auditable=(auditable); fi
    cargo "${auditable[@]}" build --locked --package chitin --profile dist --target "$1" --target-dir "$build" \
        ${features[@]+"${features[@]}"}
}

# The list of crates with their licences and digests: those of the program, and those of the policies that are embedded in
# it, which are built for a target of their own. The tool writes beside every Cargo.toml, so it gets a copy of them.
sbom() { # TRIPLE FILE
    local copy=$build/sbom
    rm -rf "$copy" && mkdir -p "$copy"
    cp -R Cargo.toml Cargo.lock rust-toolchain.toml policies runner tests "$copy"
    (
        cd "$copy"
        cargo cyclonedx --quiet --manifest-path runner/Cargo.toml --format json --spec-version 1.5 --target "$1" \
            --override-filename program &&
            cargo cyclonedx --quiet --manifest-path runner/Cargo.toml --format json --spec-version 1.5 \
                --target wasm32-unknown-unknown --override-filename policy &&
            python3 - "$copy" runner/program.json policies/*/policy.json <<'EOF' >"$2"
import json, sys

folder, program, *policies = sys.argv[1:]

def read(path):
    return json.loads(open(path).read().replace(folder, "/chitin"))

bill = read(program)
own = bill["metadata"]["component"]["bom-ref"]
parts = {part["bom-ref"]: part for part in bill["components"]}
needs = {need["ref"]: set(need.get("dependsOn", [])) for need in bill["dependencies"]}
for policy in map(read, policies):
    component = {key: value for key, value in policy["metadata"]["component"].items() if key != "components"}
    for part in [component, *policy["components"]]:
        parts.setdefault(part["bom-ref"], part)
    for need in policy["dependencies"]:
        needs.setdefault(need["ref"], set()).update(need.get("dependsOn", []))
    needs[own].add(component["bom-ref"])
bill["components"] = [parts[name] for name in sorted(parts)]
bill["dependencies"] = [{"ref": name, "dependsOn": sorted(needs[name])} for name in sorted(needs)]
json.dump(bill, sys.stdout, indent=1)
EOF
    ) || return
    rm -rf "$copy"
}

# All files of an installation below one folder, as a package has them: what the tarball holds.
installation() { # PROGRAM FOLDER
    local folder=$2 unit page
    install -D -m 755 "$1" "$folder/usr/bin/chitin"
    for unit in "$here"/chitin-audit*.service "$here"/chitin-audit*.timer; do
        install -D -m 644 "$unit" "$folder/usr/lib/systemd/system/$(basename "$unit")"
    done
    for page in "$dist"/man/*.1; do
        install -D -m 644 "$page" "$folder/usr/share/man/man1/$(basename "$page")"
    done
    install -D -m 644 "$dist/completions/chitin.bash" "$folder/usr/share/bash-completion/completions/chitin"
    install -D -m 644 "$dist/completions/_chitin" "$folder/usr/share/zsh/vendor-completions/_chitin"
    install -D -m 644 "$dist/completions/chitin.fish" "$folder/usr/share/fish/vendor_completions.d/chitin.fish"
    install -D -m 644 "$here/chitin.apparmor" "$folder/etc/apparmor.d/chitin-audit"
    install -D -m 644 "$here/chitin.default" "$folder/etc/default/chitin"
    install -D -m 644 "$here/chitin.toml" "$folder/etc/chitin/chitin.toml"
    local name
    for name in LICENSE README.md CHANGELOG.md "$here/Dockerfile"; do
        install -D -m 644 "$name" "$folder/usr/share/doc/chitin/$(basename "$name")"
    done
    for name in docs/*.md; do
        install -D -m 644 "$name" "$folder/usr/share/doc/chitin/$name"
    done
}

tarball() { # FOLDER FILE
    tar --create --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
        --directory "$(dirname "$1")" "$(basename "$1")" | gzip --no-name --best >"$2"
}

if [ -z "${TARGETS:-}" ]; then
    case $machine in
        x86_64) TARGETS="x86_64-unknown-linux-musl aarch64-unknown-linux-musl" ;;
        aarch64) TARGETS="aarch64-unknown-linux-musl x86_64-unknown-linux-musl" ;;
        *) die "there is no static build for $machine; name one in TARGETS" ;;
    esac
    optional=yes
fi
first=${TARGETS%% *}
[ "${first%%-*}" = "$machine" ] || die "the first target must be one of this machine, $machine: it writes its own manual"
version=$(cargo metadata --locked --no-deps --format-version 1 |
    python3 -c 'import json, sys; print(next(p["version"] for p in json.load(sys.stdin)["packages"] if p["name"] == "chitin"))')

rm -rf "$dist"
mkdir -p "$dist/man" "$dist/completions" "$tools"
rust_target wasm32-unknown-unknown
has_auditable=yes
cargo_tool cargo-auditable 0.7.7 || { has_auditable=; skip "the list of crates inside the program: cargo-auditable could not be installed"; }
for triple in $TARGETS; do
    architecture=${triple%%-*}
    if ! prepare "$triple"; then
        if [ -z "${optional:-}" ] || [ "$triple" = "$first" ]; then die "there is no compiler for $triple"; fi
        skip "$triple: neither a compiler for it nor the means to get one"
        continue
    fi
    say "building $triple"
    program "$triple"
    name=chitin-$version-$architecture-linux
    built=$build/$triple/dist/chitin
    install -m 755 "$built" "$dist/$name"
    if [ "$triple" = "$first" ]; then
        "$built" man "$dist/man"
        "$built" completions bash >"$dist/completions/chitin.bash"
        "$built" completions zsh >"$dist/completions/_chitin"
        "$built" completions fish >"$dist/completions/chitin.fish"
        # The contract, as registries of the wasm world hold it: `chitin policy push` gives it to one.
        "$built" policy wit "$dist/chitin-policy-$(sed -n 's/^package chitin:policy@\(.*\);$/\1/p' wit/policy.wit).wasm"
    fi
    if cargo_tool cargo-cyclonedx 0.5.9 && sbom "$triple" "$dist/$name.cdx.json"; then :; else
        skip "$name.cdx.json: cargo-cyclonedx could not be installed, or failed"
    fi
    if cargo_tool cargo-deb 3.8.0; then
        CARGO_TARGET_DIR=$build cargo deb --quiet --locked --package chitin --no-build --no-strip --profile dist \
            --target "$triple" --output "$dist/" >/dev/null
    else
        skip "the Debian package: cargo-deb could not be installed"
    fi
    staged=$build/staged/$name
    rm -rf "$build/staged"
    installation "$built" "$staged"
    tarball "$staged" "$dist/$name.tar.gz"
    rm -rf "$build/staged"
done
(cd "$dist" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum >SHA256SUMS)
say "in target/dist:"
(cd "$dist" && find . -maxdepth 1 -type f -printf '%s %P\n' | sort -k2 | awk '{ printf "dist: %10.2f MB  %s\n", $1 / 1e6, $2 }')
