"""Line coverage of the Rust engine by its own tests: `python -m scripts.engine_coverage`.

Uses the compiler's own instrumentation and the LLVM tools of the same major version: those of
the toolchain if it brings them, else the system's (`apt-get install llvm-22` for LLVM 22).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
WRAPPER: Final = ROOT / "scripts" / "rustc_with_coverage.sh"
CRATES: Final = ("engine", "operation", "store", "upstream")
SOURCES: Final = tuple(str(ROOT / "core_rs" / name / "src") for name in CRATES)
SHORT: Final = ("--show-region-summary=false", "--show-branch-summary=false")
TEST: Final = (
    "cargo",
    "test",
    "--locked",
    *(option for name in CRATES for option in ("--package", f"chenu-{name}")),
    "--tests",
)


def llvm_tool(name: str) -> str:
    """The path of an LLVM tool that reads what this rustc writes."""
    about = _output("rustc", "-vV")
    major = re.search(r"LLVM version: (\d+)", about)
    host = re.search(r"host: (\S+)", about)
    if major is None or host is None:
        raise SystemExit(f"`rustc -vV` names no LLVM version:\n{about}")
    sysroot = Path(_output("rustc", "--print", "sysroot").strip())
    bundled = sysroot / "lib/rustlib" / host[1] / "bin" / name
    if bundled.exists():
        return str(bundled)
    for candidate in (f"{name}-{major[1]}", name):
        found = shutil.which(candidate)
        if found and f"LLVM version {major[1]}." in _output(found, "--version"):
            return found
    raise SystemExit(
        f"{name} of LLVM {major[1]} is missing, which this rustc was built with.\n"
        f"On Debian 12, as root: apt-get install llvm-{major[1]}"
    )


def run_tests(profiles: Path) -> list[str]:
    """Run the engine's tests, instrumented; returns the test programs."""
    environment = os.environ | {
        "RUSTC_WORKSPACE_WRAPPER": str(WRAPPER),
        "LLVM_PROFILE_FILE": str(profiles / "%p-%m.profraw"),
    }
    # Output is kept back: its summary lines would read like those of a second test run.
    built = _cargo(environment, "--no-run", "--message-format=json-render-diagnostics")
    _cargo(environment)
    messages = map(json.loads, built.splitlines())
    return [message["executable"] for message in messages if message.get("executable")]


def _cargo(environment: dict[str, str], *arguments: str) -> str:
    command = [*TEST, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        said = [line for line in done.stdout.splitlines() if not line.startswith("{")]
        raise SystemExit("\n".join([*said, f"{' '.join(command)} failed"]))
    return done.stdout


def report(profiles: Path, programs: Sequence[str]) -> float:
    """Print the table by file; returns the per cent of lines that ran."""
    merged = profiles / "engine.profdata"
    raw = map(str, profiles.glob("*.profraw"))
    _output(llvm_tool("llvm-profdata"), "merge", "--sparse", f"--output={merged}", *raw)
    cov, objects = llvm_tool("llvm-cov"), [f"--object={program}" for program in programs[1:]]
    measured = [f"--instr-profile={merged}", programs[0], *objects, *SOURCES]
    print(_output(cov, "report", *SHORT, *measured))
    exported = json.loads(_output(cov, "export", "--summary-only", *measured))
    return float(exported["data"][0]["totals"]["lines"]["percent"])


def main() -> None:
    """Measure, print, and fail below the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fail-under", type=float, default=0.0, metavar="PER_CENT")
    floor = parser.parse_args().fail_under
    llvm_tool("llvm-profdata")  # say what is missing before the long build
    with tempfile.TemporaryDirectory() as folder:
        percent = report(Path(folder), run_tests(Path(folder)))
    print(f"engine: {percent:.2f} % of the lines, at least {floor:g} % wanted")
    sys.exit(percent < floor)


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
