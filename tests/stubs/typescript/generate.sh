#!/usr/bin/env bash
# The TypeScript stubs, by plain protoc and the plugin that package.json pins.
# Usage: generate.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")"
python=$1 proto=../../../proto

if [ ! -e node_modules/.package-lock.json ] ||
  [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund
  touch node_modules/.package-lock.json
fi
mkdir -p gen
mapfile -t files < <(cd "$proto" && find chenu -name '*.proto' | sort)
"$python" -m grpc_tools.protoc --proto_path="$proto" \
  --plugin=protoc-gen-es=node_modules/.bin/protoc-gen-es --es_out=gen --es_opt=target=ts \
  --es_opt=import_extension=js "${files[@]}"
