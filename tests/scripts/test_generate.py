"""What is made from the contract: a new reason or word is one edit, and a bad one is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SCHEMA: Final = "server/chenu_server/governance/policy/cedar/schema.cedarschema"
REASONS: Final = "proto/chenu/api/errors/v1/error_reason.proto"
ACTION: Final = "proto/chenu/api/governance/v1/action.proto"
# What the generated modules of the server stand on.
WRITTEN: Final = ("__init__", "values", "word", "reason", "refusal")
NEW: Final = """
  // ERROR_REASON_MOON_FULL: the moon is full.
  // Status: FAILED_PRECONDITION. Metadata: phase, nights#, tides[]?. Retry: no.
  // Do: wait for the new moon.
  // Message: {phase} for {nights} nights[; see {tides}].
  // SDK: Conflict. CLI: conflict; look up, then {phase}.
  ERROR_REASON_MOON_FULL = 999;
}
"""
USE: Final = """
from chenu_server import errors, reasons
moon = errors.MoonFull("waning", 3, ("high", "low"))
row = reasons.Reason.MOON_FULL
print(moon, "|", errors.MoonFull("new", 1), "|", moon.metadata())
print(row.number, row.status, row.retry, row.exit, row.advice.format_map(moon.metadata()))
print(errors.of(reasons.BY_NUMBER[999]) is errors.MoonFull)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the contract, and of what stands beside what is made from it."""
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    modules = (f"server/chenu_server/{name}.py" for name in WRITTEN)
    for name in (SCHEMA, "pyproject.toml", *modules):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def generated(project: Path) -> subprocess.CompletedProcess[str]:
    """Run the generator of a copy."""
    command = [sys.executable, "proto/generate.py"]
    return subprocess.run(
        command, cwd=project, capture_output=True, text=True, timeout=60, check=False
    )


def put(file: Path, old: str, new: str) -> None:
    """Put something else in its last place in a file."""
    before, found, after = file.read_text(encoding="utf-8").rpartition(old)
    assert found, old
    file.write_text(before + new + after, encoding="utf-8")


def test_a_new_reason_is_one_edit(project: Path) -> None:
    """Its class, its row, the SDK's family, the command line's advice and Rust follow from it."""
    put(project / REASONS, "}\n", NEW)
    done = generated(project)
    server = {"PYTHONPATH": str(project / "server")}
    used = subprocess.run(
        [sys.executable, "-c", USE], env=server, capture_output=True, text=True, check=True
    )

    assert 0 == done.returncode, done.stderr
    assert [
        "waning for 3 nights; see high,low | new for 1 nights |"
        " {'phase': 'waning', 'nights': '3', 'tides': 'high,low'}",
        "999 FAILED_PRECONDITION no conflict look up, then waning",
        "True",
    ] == used.stdout.splitlines()
    families = (project / "clients/python/src/chenu/reasons.py").read_text(encoding="utf-8")
    assert '"MOON_FULL": ("Conflict", "FAILED_PRECONDITION"),' in families
    rust = (project / "core_rs/engine/src/reasons.rs").read_text(encoding="utf-8")
    assert 'MoonFull = 999, "MOON_FULL";' in rust


def test_a_new_word_is_one_edit(project: Path) -> None:
    """A word that the contract has and a policy does not would never fire."""
    value = (
        "  // INTENT_DANCE, wire name `dance`: move to music.\n  INTENT_DANCE = 9;\n}\n\n// Sphere"
    )
    put(project / ACTION, "}\n\n// Sphere", value)
    done = generated(project)

    assert 0 == done.returncode, done.stderr
    made = {
        "server/chenu_server/vocabulary.py": '    DANCE = "dance", 9\n',
        "core_rs/engine/src/vocabulary.rs": 'Dance = 9, "dance";',
        SCHEMA: '"payment", "dance"',
    }
    assert [] == [
        name
        for name, text in made.items()
        if text not in (project / name).read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("// Message: internal error.", "// It says: internal error.", "INTERNAL has not the form"),
        (
            "// Message: internal error.",
            "// Message: {secret} error.",
            "['secret'], which it lacks",
        ),
        ("Metadata: limit. Retry: at", "Metadata: Limit. Retry: at", "'Limit' is no key"),
    ],
)
def test_a_comment_that_cannot_be_read_is_refused(
    project: Path, old: str, new: str, said: str
) -> None:
    """And nothing that it would make is written."""
    put(project / REASONS, old, new)
    done = generated(project)

    assert (1, True) == (done.returncode, said in done.stderr), done.stderr
    assert not (project / "server/chenu_server/errors.py").exists()
