#!/bin/sh
# Cargo's RUSTC_WORKSPACE_WRAPPER of `make coverage-engine`: counts lines of our crates only, so
# that the dependencies are the ones that `make test` has compiled already.
exec "$@" -C instrument-coverage
