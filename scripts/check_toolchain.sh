#!/usr/bin/env bash
# Say what a machine lacks to build CHE·NU, and how to get it, before anything is downloaded.
# Usage: check_toolchain.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."

python=${1:-python3}
apt_line='apt-get install rustc-web cargo-web build-essential python3.11-venv'
missing=()

# Whether version $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  missing+=("Python 3.11 or later: '$python' is missing or older")
elif ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  missing+=("the venv module of '$python'")
fi

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
if ! found=$(cargo --version 2>/dev/null); then
  missing+=("cargo $wanted or later: there is none")
elif found=${found#cargo }; found=${found%% *}; ! at_least "$found" "$wanted"; then
  missing+=("cargo $wanted or later: this is $found")
fi

command -v cc >/dev/null || missing+=("a C compiler and linker: no 'cc'")

[ ${#missing[@]} -eq 0 ] && exit 0
{
  echo 'CHE·NU cannot be built on this machine yet. Missing:'
  printf '  - %s\n' "${missing[@]}"
  echo 'On Debian 12, as root, then run the same command again:'
  echo "  $apt_line"
} >&2
exit 1
