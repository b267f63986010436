"""Who reads this machine's clock: what is decided goes by the database's (ARCHITECTURE.md §3)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

import pytest

from tests.architecture.source import ROOT, sources

# Nothing that is read there is compared with a time from the database.
READERS: Final = {
    "steady.py": "the one place that a failpoint shifts",
    "ids.py": "ids begin with it, and nobody reads it out of them",
    "infra/telemetry.py": "lines of the log",
    "bootstrap/routes.py": "the day whose prices hold",
    "upstream/__main__.py": "likewise, of the fake provider",
    "upstream/server.py": "likewise",
    "upstream/http.py": "when a client may come back, which it is told as a date",
    "cli/dev.py": "tokens that it issues",
    "cli/token.py": "likewise",
}
WALL: Final = {"time_ns", "time", "now", "utcnow", "today"}


def readings(tree: ast.Module) -> Iterator[int]:
    """The lines on which a module reads the wall clock: `time.time()`, `datetime.now(...)`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id == "time_ns":
            yield node.lineno
        elif isinstance(called, ast.Attribute) and called.attr in WALL:
            of = ast.unparse(called.value).rpartition(".")[2]
            if of in {"time", "date"} or (of == "datetime" and called.attr != "time"):
                yield node.lineno


def test_only_these_read_the_wall_clock() -> None:
    """Two clocks that are compared differ, and the one that steps decides wrongly."""
    server = "server/chenu_server/"
    files = [file for file in sources(ROOT, ".py") if file.path.startswith(server)]
    found = {file.path.removeprefix(server) for file in files if any(readings(file.tree))}

    assert set(READERS) == found


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("time.time_ns()", 1),
        ("time_ns() // 1_000", 1),
        ("time.time()", 1),
        ("datetime.now(UTC)", 1),
        ("datetime.datetime.now(datetime.UTC)", 1),
        ("datetime.date.today()", 1),
        ("datetime.time()", 0),
        ("time.monotonic_ns()", 0),
        ("writer.now()", 0),
    ],
)
def test_a_reading_is_found(text: str, count: int) -> None:
    """However it is spelt."""
    assert count == len(list(readings(ast.parse(text))))
