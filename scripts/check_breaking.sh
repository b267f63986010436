#!/usr/bin/env bash
# Hold the contract to its promise: no change that breaks a client built against main, but for
# those that proto/allowed_breaks.toml lists until 1.0, each with its line in CHANGELOG.md.
# Usage: check_breaking.sh BUF        BASE=<commit> names another base than origin/main or main.
# Where the base is the commit checked out, the base is its parent: that is what main was.
set -euo pipefail
cd "$(dirname "$0")/.."
buf=$1

skip() {
  echo "breaking changes: not checked, $1"
  exit 0
}

commit_of() { git rev-parse --quiet --verify "$1^{commit}"; }

[ -e .git ] && command -v git >/dev/null || skip 'this is no git checkout'
if [ -n "${BASE:-}" ]; then
  base=$(commit_of "$BASE") || { echo "BASE=$BASE is no commit here" >&2; exit 1; }
else
  base=$(commit_of origin/main || commit_of main) || skip 'there is no main to compare with'
  if [ "$base" = "$(commit_of HEAD)" ]; then
    base=$(commit_of HEAD^) || skip 'main has no earlier commit here'
  fi
fi
[ -n "$(git ls-tree -r --name-only "$base" -- proto | grep '\.proto$' || true)" ] ||
  skip 'main has no contract yet'
echo "breaking changes: against $(git rev-parse --short "$base")"

# buf ends with 100 where it found something, and otherwise where it could not look.
found=$(mktemp)
trap 'rm -f "$found"' EXIT
status=0
"$buf" breaking proto --against ".git#ref=$base,subdir=proto" --error-format=json \
  >"$found" || status=$?
if [ "$status" -ne 0 ] && [ "$status" -ne 100 ]; then
  cat "$found" >&2
  exit "$status"
fi
"$(dirname "$buf")/python" -m scripts.allowed_breaks "$found"
