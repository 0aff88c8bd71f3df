#!/usr/bin/env bash
# The second step of action.yml: audits the config of the checkout by the settings and the baseline of the base branch, because the author
# of a pull request could change those of its own. Inputs come as variables. The outputs are `exit-code`, `sarif-file` and `upload-file`,
# which has what code scanning is to open alerts for; this step itself fails only where there can be no audit, so that the report can be
# sent before the gate falls.
set -euo pipefail
LC_ALL=C
umask 077
cd -- "$GITHUB_WORKSPACE"
# What is named is a file, and no pattern.
export GIT_LITERAL_PATHSPECS=1

# A line that GitHub shows. What others wrote is quoted by %q, so that it stays on that line.
say() { # COMMAND FORMAT TEXT...
    # shellcheck disable=SC2059
    printf "::$1 title=Chitin::$2\n" "${@:3}"
}

die() { # FORMAT TEXT...
    say error "$@"
    exit 2
}

# A path that may be used as it is: below the top of the repository, no option, one line.
check_path() { # INPUT PATH
    case $2 in
        "" | -* | *[[:cntrl:]]*) die '%s: %q is no path in the repository' "$1" "$2" ;;
    esac
    case /$2/ in
        *//* | */./* | */../* | */.git/*) die '%s: %q is no plain path in the repository' "$1" "$2" ;;
    esac
}

# Settles which commit settings and baseline are taken from.
find_gate() {
    base=${CHITIN_BASE#refs/heads/}
    if [ -z "$base" ]; then
        from=HEAD where="this commit"
        return
    fi
    git check-ref-format "refs/heads/$base" || die 'base: %q is no name of a branch' "$base"
    from=refs/remotes/origin/$base where="the branch $base"
    if [ -n "$CHITIN_TOKEN" ]; then
        # As a variable: others can see the arguments of a process. The empty one takes away what the checkout may have set.
        local header=http.$GITHUB_SERVER_URL/.extraheader
        local value
        value="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$CHITIN_TOKEN" | base64 --wrap=0)"
        local -x GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=$header GIT_CONFIG_VALUE_0="" GIT_CONFIG_KEY_1=$header GIT_CONFIG_VALUE_1=$value
    fi
    git fetch --quiet --no-tags --no-recurse-submodules --depth=1 origin "+refs/heads/$base:$from" ||
        die 'base: the branch %q cannot be fetched, and settings and baseline count only from there' "$base"
}

# Takes a file of that commit, or a folder, byte by byte; false where there is none. A link would name a file of this machine.
take() { # PATH
    local entry kind object path
    git ls-tree -r -z "$from" -- "$1" >"$folder/entries" || die '%s cannot be read' "$where"
    [ -s "$folder/entries" ] || return 1
    while IFS= read -r -d "" entry; do
        path=${entry#*$'\t'}
        read -r kind _ object <<<"${entry%%$'\t'*}"
        case $kind in
            100644 | 100755) ;;
            *) die '%q is no file in %s' "$path" "$where" ;;
        esac
        mkdir -p -- "$gate/$(dirname -- "$path")"
        git cat-file blob "$object" >"$gate/$path" || die '%q of %s cannot be read' "$path" "$where"
    done <"$folder/entries"
}

# Takes the file that an input names, and has the audit use it.
use() { # INPUT FLAG PATH
    [ -n "$3" ] || return 0
    check_path "$1" "$3"
    if ! take "$3"; then
        say warning '%s: there is no %q in %s, so that none counts' "$1" "$3" "$where"
        return
    fi
    [ -f "$gate/$3" ] || die '%s: %q is no file in %s' "$1" "$3" "$where"
    say notice '%s: %q of %s counts' "$1" "$3" "$where"
    arguments+=("$2=$gate/$3")
}

check_path config "$CHITIN_CONFIG"
# A link can lead out of the repository, too.
case $(realpath --canonicalize-missing -- "$CHITIN_CONFIG") in
    "$(realpath .)"/*) ;;
    *) die 'config: %q leads out of the repository' "$CHITIN_CONFIG" ;;
esac
case $CHITIN_FAIL_ON in
    info | warn | critical) ;;
    *) die 'fail-on: give info, warn or critical, not %q' "$CHITIN_FAIL_ON" ;;
esac
folder=$(mktemp -d "$RUNNER_TEMP/chitin.XXXXXX")
gate=$folder/gate
sarif=$folder/chitin.sarif
upload=$folder/open.sarif
# What lies beside the config does not choose what is looked at.
arguments=("--config=$CHITIN_CONFIG" --scope=config "--fail-on=$CHITIN_FAIL_ON" --format=github "--output=sarif=$sarif" "--output=code-scanning=$upload")
if [ -n "$CHITIN_SETTINGS$CHITIN_BASELINE" ]; then find_gate; fi
use settings --settings "$CHITIN_SETTINGS"
use baseline --baseline "$CHITIN_BASELINE"
if [ -n "$CHITIN_SETTINGS" ]; then
    # The policies that they add lie beside the settings.
    beside=${CHITIN_SETTINGS%"${CHITIN_SETTINGS##*/}"}
    if take "${beside}chitin.lock"; then take "${beside}policies" || true; fi
fi
unset CHITIN_TOKEN

code=0
"$CHITIN" audit "${arguments[@]}" || code=$?
echo "exit-code=$code" >>"$GITHUB_OUTPUT"
if [ -s "$sarif" ]; then echo "sarif-file=$sarif" >>"$GITHUB_OUTPUT"; fi
if [ -s "$upload" ]; then echo "upload-file=$upload" >>"$GITHUB_OUTPUT"; fi
