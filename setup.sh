#!/usr/bin/env bash
# Installs what a fresh machine lacks for `make demo` and `make test`, and says what it can't install.
# Changes nothing that is there already.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
    set -- env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a "$@"
    if [ "$(id -u)" -eq 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"; else return 1; fi
}

install() { # what it is for, apt package, brew package
    if command -v apt-get >/dev/null 2>&1; then
        say "installing $2 ($1)"
        as_root apt-get update -q >/dev/null && as_root apt-get install -y -q "$2" >/dev/null && return 0
        say "could not install $2. As root: apt-get update && apt-get install $2"
    elif command -v brew >/dev/null 2>&1; then
        say "installing $3 ($1)"
        brew install --quiet "$3" >/dev/null && return 0
        say "could not install $3: brew install $3"
    else
        say "missing: $1. Install the package that holds it ($2 on Debian, $3 with brew, redis on Fedora and Arch)."
    fi
    return 1
}

fail=0
rust=$(cargo --version 2>/dev/null | awk '{print $2}')
case "$rust" in
    "")
        say "missing: cargo (Rust 1.95 or newer). Install it from https://rustup.rs, then run this again."
        fail=1
        ;;
    0.* | 1.[0-9].* | 1.[0-8][0-9].* | 1.9[0-4].*)
        say "Rust $rust is too old: 1.95 or newer is needed. \`rustup update stable\`, or install it from https://rustup.rs."
        fail=1
        ;;
esac
if ! command -v cc >/dev/null 2>&1; then
    install "a C compiler, for the TLS library" gcc gcc || fail=1
fi
if ! command -v redis-server >/dev/null 2>&1; then
    # Debian starts a server of its own after installing; ours are private and need only the program.
    install "redis-server, where events and signals meet" redis-server redis || fail=1
fi
exit "$fail"
