#!/usr/bin/env bash
# Install what the gates need and a bare Debian 12 lacks: as root, or nothing where all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
want() { # want COMMAND PACKAGE...
  command -v "$1" >/dev/null || missing+=("${@:2}")
}

install() {
  [ $# -gt 0 ] || return 0
  echo "==> apt packages: $*"
  if [ "$(id -u)" -ne 0 ]; then
    echo "not root: install these, then run this again" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
}

want git git
want make make
want cc build-essential
want node nodejs # an encoder of the ledger in another language, and the stubs of TypeScript
PATH="$PATH:/usr/sbin" want pgbouncer pgbouncer # the pooler that tests put before PostgreSQL
python=$(command -v python3.11 || command -v python3 || true)
[ -n "$python" ] && "$python" -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3.11-venv)
# The distribution's own toolchain, unless there is another one already: the two exclude each other.
if ! command -v cargo >/dev/null; then
  missing+=(rustc-web cargo-web rustfmt-web rust-web-clippy)
fi
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
install ${missing[@]+"${missing[@]}"}

# The engine's coverage is read by the LLVM tools of the compiler's own version.
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
missing=()
if [ -z "$(find "$(rustc --print sysroot)/lib/rustlib" -name llvm-cov 2>/dev/null)" ]; then
  want "llvm-cov-$llvm" "llvm-$llvm"
fi
install ${missing[@]+"${missing[@]}"}
