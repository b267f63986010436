"""Compare what `buf breaking` found with what may break: `python -m scripts.allowed_breaks FOUND`.

FOUND holds the findings, one JSON object a line. `proto/allowed_breaks.toml` says what may break
until 1.0, each with its line in CHANGELOG.md.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
ALLOWED: Final = "proto/allowed_breaks.toml"
KEYS: Final = {"changelog", "path", "breaks"}


@dataclass(frozen=True)
class Break:
    """One finding, without its line: that moves with every edit."""

    path: str
    says: str


@dataclass(frozen=True)
class Allowed:
    """One change that may break clients, and the line that tells them."""

    changelog: str
    breaks: tuple[Break, ...]


def found_in(lines: Iterable[str]) -> list[Break]:
    """The findings of `buf breaking --error-format=json`."""
    read = (json.loads(line) for line in lines)
    return [Break(it.get("path", ""), f"{it['type']}: {it['message']}") for it in read]


def allowed_in(root: Path) -> list[Allowed]:
    """The list; empty where there is none.

    Raises:
        ValueError: It is no TOML, or a table has other keys than it should.
    """
    path = root / ALLOWED
    if not path.exists():
        return []
    tables: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8")).get("allowed", [])
    if odd := [table for table in tables if set(table) != KEYS]:
        raise ValueError(f"each table needs {', '.join(sorted(KEYS))} and no more: {odd[0]}")
    return [
        Allowed(it["changelog"], tuple(Break(it["path"], says) for says in it["breaks"]))
        for it in tables
    ]


def problems(root: Path, found: list[Break], allowed: list[Allowed]) -> Iterator[str]:
    """Why the change may not be made as it is."""
    known = {each for entry in allowed for each in entry.breaks}
    for each in found:
        if each not in known:
            yield f"a break that {ALLOWED} does not allow, in {each.path}:\n  '{each.says}',"
    told = _words((root / "CHANGELOG.md").read_text("utf-8")) if allowed else ""
    for entry in allowed:
        if not entry.changelog.strip() or _words(entry.changelog) not in told:
            yield f"CHANGELOG.md has no line with: {entry.changelog!r}"
    if allowed and _major(root):
        yield f"since 1.0 nothing may break: {ALLOWED} must be empty"


def notes(found: list[Break], allowed: list[Allowed]) -> Iterator[str]:
    """What is allowed, and what need not be any longer."""
    for entry in allowed:
        stale = not set(entry.breaks) & set(found)
        yield f"{'the base has it already' if stale else 'allowed'}: {entry.changelog}"


def _words(text: str) -> str:
    """The text on one line, so that it does not matter where the changelog breaks its lines."""
    return " ".join(text.split())


def _major(root: Path) -> int:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return int(project["version"].partition(".")[0])


def main() -> None:
    """Print the notes; fail with every problem."""
    found = found_in(Path(sys.argv[1]).read_text("utf-8").splitlines())
    try:
        allowed = allowed_in(ROOT)
    except ValueError as error:
        raise SystemExit(f"{ALLOWED} cannot be read: {error}") from error
    for note in notes(found, allowed):
        print(f"breaking changes: {note}")
    if wrong := list(problems(ROOT, found, allowed)):
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
