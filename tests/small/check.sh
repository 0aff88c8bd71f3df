#!/bin/sh
# Compares a program that was built without the compiler with an ordinary one: CHITIN and SMALL name them, GUEST a component.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work/home"
mkdir -m 700 "$HOME"
unset XDG_CACHE_HOME
"$(dirname "$0")/../corpus/demo/install" "$HOME"

fail() {
  echo "error: $1" >&2
  exit 1
}

# An audit ends with 1 where it found what it should.
audit() {
  program=$1
  shift
  SOURCE_DATE_EPOCH=1700000000 "$program" audit --json "$@" || test $? -eq 1 -o $? -eq 3
}

audit "$CHITIN" > "$work/ordinary"
audit "$SMALL" > "$work/small"
grep -q '"checkId"' "$work/ordinary" || fail "the demo installation has no finding"
cmp "$work/ordinary" "$work/small" || fail "the built-in policies say something else"

"$CHITIN" policy compile "$GUEST" -o "$work/guest.cwasm"
audit "$CHITIN" --policy "$GUEST" --grant all > "$work/ordinary"
audit "$SMALL" --policy "$work/guest.cwasm" --grant all --native > "$work/small"
grep -q '"hostile.finding"' "$work/ordinary" || fail "the component found nothing"
cmp "$work/ordinary" "$work/small" || fail "the code file says something else"

# A component that nobody has compiled yet: one line, and the built-in policy beside it runs.
rm -rf "$HOME/.cache"
audit "$SMALL" --policy "$GUEST" --policy logging-redaction > "$work/small"
grep -q 'this chitin was built without a compiler' "$work/small" || fail "a component is not refused"
grep -q '"policy": "logging-redaction"' "$work/small" || fail "the built-in policy did not run"
if "$SMALL" policy compile "$GUEST" -o "$work/other.cwasm" 2> "$work/error"; then
  fail "it compiles"
fi
grep -q 'built without a compiler' "$work/error" || fail "it does not say why it cannot compile"

size() { wc -c < "$1" | tr -d ' '; }
echo "the program without the compiler: $(size "$SMALL") bytes; with it: $(size "$CHITIN") bytes"
