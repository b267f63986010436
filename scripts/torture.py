"""Random tests with fresh seeds until the time is over: `python -m scripts.torture --minutes 10`.

Each round runs the properties of the engine, those of the server, and the random kills, with one
seed. The seed is printed before its round and again if it fails; `--seed` runs that round alone.

Where `cargo +nightly fuzz` is, a quarter of the time goes to the engine's fuzz targets first.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

CASES: Final = "2000"
ENGINE: Final = (
    *("cargo", "test", "--locked", "--package", "chenu-engine"),
    *("--package", "chenu-operation"),
    *("--package", "chenu-store"),
)
FUZZ: Final = ("cargo", "+nightly", "fuzz")
FUZZ_TARGETS: Final = ("decoder", "event_stream")
FUZZ_SHARE: Final = 0.25
SERVER: Final = ("-m", "pytest", "-q", "-x", "-m", "hypothesis or dice")


def main() -> int:
    """0 if every round passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="no round begins after")
    parser.add_argument("--seed", type=int, help="run this seed's round, and no other")
    asked = parser.parse_args()
    until = time.monotonic() + asked.minutes * 60
    if asked.seed is None and not fuzzed(asked.minutes * 60 * FUZZ_SHARE):
        return 1
    rounds = 0
    while True:
        seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
        rounds += 1
        print(f"==> round {rounds}, seed {seed}", flush=True)
        if not passes(seed):
            print(f"seed {seed} fails: python -m scripts.torture --seed {seed}", file=sys.stderr)
            return 1
        if asked.seed is not None or time.monotonic() >= until:
            print(f"==> {rounds} rounds passed")
            return 0


def fuzzed(total_s: float) -> bool:
    """Whether no fuzz target found anything in this time, or nothing here can run them."""
    if not _has_fuzz():
        print("==> cargo +nightly fuzz is not here: proptest alone drives its targets", flush=True)
        return True
    each_s = max(int(total_s / len(FUZZ_TARGETS)), 1)
    limits = (f"-max_total_time={each_s}", "-max_len=4096", "-rss_limit_mb=1024")
    for target in FUZZ_TARGETS:
        print(f"==> fuzz {target}, {each_s} s", flush=True)
        if not _passes((*FUZZ, "run", "--fuzz-dir", "core_rs/fuzz", target, "--", *limits), {}):
            print(f"{target} fails: the input is named above", file=sys.stderr)
            return False
    return True


def _has_fuzz() -> bool:
    try:
        found = subprocess.run((*FUZZ, "--version"), capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return found.returncode == 0


def passes(seed: int) -> bool:
    """Whether both halves pass with this seed."""
    engine = {"PROPTEST_RNG_SEED": str(seed), "PROPTEST_CASES": CASES}
    server = {"CHENU_TEST_SEED": str(seed)}
    tests = (sys.executable, *SERVER, f"--hypothesis-seed={seed}")
    return _passes(ENGINE, engine) and _passes(tests, server)


def _passes(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
