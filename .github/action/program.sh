#!/usr/bin/env bash
# The first step of action.yml: gets the program, by a download whose digest is checked before it runs, or by a build of the source beside
# this script. Inputs come as variables. The output `program` is its path.
set -euo pipefail
LC_ALL=C

# Ends with an error that GitHub shows. What others wrote is quoted by %q, so that it stays on that line.
die() { # FORMAT TEXT...
    # shellcheck disable=SC2059
    printf "::error title=Chitin::$1\n" "${@:2}"
    exit 2
}

case ${CHITIN_BUILD:-} in
    true)
        export CARGO_TARGET_DIR="$RUNNER_TEMP/chitin-build"
        make --directory "$GITHUB_ACTION_PATH" build
        echo "program=$CARGO_TARGET_DIR/debug/chitin" >>"$GITHUB_OUTPUT"
        exit
        ;;
    false | "") ;;
    *) die 'build: give true or false, not %q' "$CHITIN_BUILD" ;;
esac

[ -n "${CHITIN_VERSION:-}" ] || die 'give version and sha256 of a release of https://github.com/chitin-audit/chitin, or build: true'
[[ $CHITIN_VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die 'version: give three numbers, such as 1.2.3, not %q' "$CHITIN_VERSION"
machine=$(uname -s -m)
case $machine in
    "Linux x86_64" | "Linux aarch64") name=chitin-$CHITIN_VERSION-${machine#Linux }-linux ;;
    *) die 'there is no program for %q; build: true may make one' "$machine" ;;
esac
[ -n "${CHITIN_SHA256:-}" ] || die 'sha256: give the digest of %s, from SHA256SUMS of that release; nothing is downloaded without it' "$name"
[[ $CHITIN_SHA256 =~ ^[0-9a-f]{64}$ ]] || die 'sha256: give 64 hexadecimal digits in small letters, not %q' "$CHITIN_SHA256"

folder=$(mktemp -d "$RUNNER_TEMP/chitin.XXXXXX")
curl --proto '=https' --tlsv1.2 --fail --silent --show-error --location --retry 3 --output "$folder/chitin" \
    "https://github.com/chitin-audit/chitin/releases/download/v$CHITIN_VERSION/$name"
found=$(sha256sum <"$folder/chitin")
found=${found%% *}
if [ "$found" != "$CHITIN_SHA256" ]; then
    rm -- "$folder/chitin"
    die '%s has the digest %s, and not that of the input sha256; it was not run' "$name" "$found"
fi
chmod 700 "$folder/chitin"
echo "program=$folder/chitin" >>"$GITHUB_OUTPUT"
