# What a newcomer, a developer and CI run. `make` alone lists the targets.
#
# `make demo` and `make test` set up whatever is missing; nothing that is up to date is done again.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

UV_VERSION := 0.13.8
PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin

# The coverage that the tests must reach, in per cent of the lines.
SERVER_COVERAGE_MIN := 85
ENGINE_COVERAGE_MIN := 85

# What `make test` may take, in CPU-minutes; for how long `make torture` begins new rounds.
TEST_CPU_MINUTES ?= 20
MINUTES ?= 10
JOBS ?= $(shell nproc)

# The database of `make demo` and `make faults`: sqlite or postgres.
DB ?= sqlite
DATABASE := $(filter-out sqlite,$(DB))

SYNCED := .venv/synced.stamp
CORE := server/chenu_server/_core.abi3.so
CORE_SOURCES := Cargo.toml Cargo.lock $(shell find core_rs -name '*.rs' -o -name Cargo.toml)
TYPED := $(wildcard server/chenu_server clients/python/src loadtest tests scripts proto/generate.py)
NATIVE := target/release/chenu-load
# The dice of `make test` fall alike every time; `make torture` throws them.
CARGO_TEST := PROPTEST_RNG_SEED=1 cargo test --locked --package chenu-engine --package chenu-load \
	--package chenu-operation --package chenu-store --package chenu-upstream
# Tests make databases by the hundred and throw them away: in memory that costs a tenth of the CPU.
TEST_TMP := $(shell [ -w /dev/shm ] && [ $$(df --output=avail /dev/shm | tail -1) -gt 4000000 ] \
	&& echo /dev/shm || echo $${TMPDIR:-/tmp})
PYTEST := TMPDIR=$(TEST_TMP) $(BIN)/pytest --numprocesses $(JOBS) --dist worksteal

# Every test that starts a process would compile all that it imports, if nothing may be kept.
unexport PYTHONDONTWRITEBYTECODE

say = @printf '\n==> %s\n' "$(1)"

.PHONY: help setup proto build lint lint-python lint-rust lint-proto test test-engine test-server \
	test-stubs fleet torture faults coverage coverage-engine coverage-server demo dev bench bench-pairs \
	bench-store load clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- set-up ------------------------------------------------------------------------------------

setup: $(CORE) ## Everything that the other targets need: virtual environment, packages, Rust core.

$(SYNCED): uv.lock pyproject.toml clients/python/pyproject.toml
	@scripts/check_toolchain.sh $(PYTHON)
	$(call say,Python packages into .venv (about a minute the first time))
	[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv sync --frozen --no-install-project --inexact --compile-bytecode
	@touch $@

$(CORE): $(SYNCED) $(CORE_SOURCES)
	@scripts/check_toolchain.sh $(PYTHON)
	$(call say,Rust core (a few minutes the first time))
	$(BIN)/maturin develop --release --locked --uv
	@touch $@

build: $(CORE) ## Release artefacts in dist/: the server's wheel and the client's.
	$(call say,Wheels into dist/)
	$(BIN)/maturin build --release --locked --out dist
	$(BIN)/uv build --wheel --package chenu --out-dir dist

proto: $(SYNCED) ## Regenerate the stubs of the contract.
	$(BIN)/python proto/generate.py

# --- gates -------------------------------------------------------------------------------------

lint: lint-python lint-proto lint-rust ## Every check that runs no test.

lint-python: $(CORE)
	$(call say,ruff and mypy, the stub of the core, uv.lock)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/python -m mypy.stubtest chenu_server._core --mypy-config-file pyproject.toml
	$(BIN)/uv lock --check

lint-proto: $(SYNCED)
	$(call say,buf lint and format, breaking changes, fresh stubs)
	$(BIN)/buf lint proto
	$(BIN)/buf format --diff --exit-code proto
	scripts/check_breaking.sh $(BIN)/buf
	$(BIN)/python proto/generate.py --check

lint-rust:
	$(call say,rustfmt and clippy)
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features pyo3/extension-module -- -D warnings

test: $(CORE) ## The engine's tests, then the server's; says how many CPU-minutes they took.
	$(call say,Engine tests (built once))
	@$(CARGO_TEST) --no-run
	@$(BIN)/python -m scripts.cpu_minutes --at-most $(TEST_CPU_MINUTES) \
		$(MAKE) --no-print-directory test-engine test-server

test-engine: $(CORE)
	$(CARGO_TEST)

test-server: $(CORE)
	$(call say,Server tests)
	$(PYTEST)

fleet: $(CORE) ## Several workers on one PostgreSQL: watched, cancelled, killed, cut off.
	$(call say,Fleet)
	$(PYTEST) tests/service/test_fleet.py tests/contract/db/test_owners.py tests/contract/db/test_fence.py \
		tests/contract/db/test_windows.py tests/crash -k "fleet or fence or windows or owner or \
		postgres or another or away"

torture: $(CORE) ## Random tests with fresh seeds for MINUTES=10.
	@$(BIN)/python -m scripts.torture --minutes $(MINUTES)

faults: $(CORE) ## Every kind of fault of a provider, against a real server; DB=postgres, CASES=folder.
	$(call say,Fault matrix)
	$(BIN)/python -m tests.faults $(DATABASE:%=--database %) $(CASES:%=--cases %)

test-stubs: $(CORE) ## Stubs for Go, Java and TypeScript: generated, compiled, run against a server.
	$(call say,Stubs of other languages (a few minutes the first time))
	$(BIN)/python -m tests.stubs.run

coverage: coverage-engine coverage-server ## The engine's line coverage, then the server's.

# What is killed leaves no numbers, and what is slow covers nothing else.
coverage-server: $(CORE)
	$(call say,Server coverage)
	$(PYTEST) -m "not crash and not slow" --cov --cov-report=term-missing \
		--cov-fail-under=$(SERVER_COVERAGE_MIN)

coverage-engine: $(SYNCED)
	$(call say,Engine coverage)
	$(BIN)/python -m scripts.engine_coverage --fail-under $(ENGINE_COVERAGE_MIN)

# --- running -----------------------------------------------------------------------------------

demo: $(CORE) ## The main job from end to end on a fake provider; DB=postgres for PostgreSQL.
	@$(BIN)/python -m loadtest.demo $(DATABASE:%=--database %)

dev: $(CORE) ## A server on SQLite with a fake provider and a token, until Ctrl-C.
	@$(BIN)/chenu dev

bench: $(CORE) $(NATIVE) ## Benchmarks: the engine alone, then the server; JSON=file keeps, COMPARE=file.
	cargo bench --locked --package chenu-engine
	$(BIN)/python -m loadtest.bench $(JSON:%=--json %) $(COMPARE:%=--compare %)

bench-store: $(CORE) $(NATIVE) ## What the store costs a call, by the size of its batches; JSON=file, COMPARE=file.
	$(BIN)/python -m loadtest.bench.store $(JSON:%=--json %) $(COMPARE:%=--compare %)

bench-pairs: $(CORE) $(NATIVE) ## A governed call here against one of another checkout, set up: BEFORE=path [PART=stream|rate|added|first].
	$(BIN)/python -m loadtest.bench.pairs --before $(BEFORE) --part $(or $(PART),unary)

$(NATIVE): Cargo.toml Cargo.lock $(shell find loadtest/native -name '*.rs' -o -name Cargo.toml)
	$(call say,Native load generator)
	cargo build --release --locked --package chenu-load
	@touch $@

load: $(CORE) ## A 20 s load test of a server started for it.
	@$(BIN)/python -m loadtest.run

clean: ## Remove everything that was built or installed here; var/ stays.
	rm -rf .venv target dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
	rm -f $(CORE)
	rm -rf tests/stubs/go/bin tests/stubs/go/*/v1 tests/stubs/java/target
	rm -rf tests/stubs/typescript/{node_modules,gen,out}
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
