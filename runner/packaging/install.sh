#!/usr/bin/env bash
# Installs a built program with its manual pages and completions. `make install` builds it and calls this.
#
#   CHITIN  the program
#   PREFIX  where to, such as /usr/local or $HOME/.local
set -euo pipefail
umask 022
installed=$PREFIX/bin/chitin
pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
"$CHITIN" man "$pages"
if ! install -D -m 755 "$CHITIN" "$installed"; then
    echo "install: cannot write below $PREFIX: choose another place, for example make install PREFIX=\$HOME/.local" >&2
    exit 1
fi
install -D -m 644 --target-directory "$PREFIX/share/man/man1" "$pages"/*.1
completion() { # SHELL FILE
    "$CHITIN" completions "$1" >"$pages/completion"
    install -D -m 644 "$pages/completion" "$PREFIX/share/$2"
}
completion bash bash-completion/completions/chitin
completion zsh zsh/site-functions/_chitin
completion fish fish/vendor_completions.d/chitin.fish
echo "installed $installed, with its manual and completions below $PREFIX/share"
