#!/usr/bin/env bash
# The Go stubs, by plain protoc and the two plugins that go.mod pins. Usage: generate.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")"
python=$1 proto=../../../proto

go build -o bin/ tool
mapfile -t files < <(cd "$proto" && find chenu -name '*.proto' | sort)
PATH="$PWD/bin:$PATH" "$python" -m grpc_tools.protoc --proto_path="$proto" \
  --go_out=. --go_opt=module=chenu.api \
  --go-grpc_out=. --go-grpc_opt=module=chenu.api \
  "${files[@]}"
