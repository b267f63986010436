"""The Rust commands, in a process of their own, and whether they do what the units do."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.unit import EntryDraft, Moment, Row
from chenu_server.vocabulary import CheckpointState
from tests.twins import shapes

ROOT: Final = Path(__file__).parents[2]
_BUILD: Final = ("cargo", "build", "--locked", "-q", "-p", "chenu-store", "--example", "twin")
# Where it is built, if it is; make builds it with the engine's tests, out of no test's time.
_BUILT: Final = "CHENU_TWIN"


@cache
def _process() -> subprocess.Popen[str]:
    """The process that decides; one for each process of tests, ended with it."""
    if _BUILT not in os.environ:
        subprocess.run(_BUILD, cwd=ROOT, check=True)
    decider = subprocess.Popen(
        [ROOT / os.environ.get(_BUILT, "target/debug/examples/twin")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(decider.kill)
    return decider


def _decided(question: dict[str, Any]) -> Any:
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


_hearers: Final[list[Callable[[Any, Any], None]]] = []


@contextmanager
def heard(by: Callable[[Any, Any], None]) -> Iterator[None]:
    """Inside, `by` is told each question and what was decided, once they are known to agree."""
    _hearers.append(by)
    try:
        yield
    finally:
        _hearers.remove(by)


def compare(
    unit: object,
    before: Sequence[Row],
    now: Moment,
    outcome: object,
    puts: Iterable[Row],
    entries: Sequence[EntryDraft],
) -> None:
    """Assert that the command leaves the very rows, entries and answer that the unit left.

    `outcome` is an exception if the unit raised one. A unit without a twin is passed by.
    """
    asked = shapes.command(unit, outcome)
    if asked is None:
        return
    command, rules = asked
    question = {
        "command": command,
        "rules": rules,
        "rows": [shapes.row(each) for each in before if type(each).__name__ in _ROWS],
        "pending": _pending(before),
        "now": {"now_us": now.now_us, "mono_ns": now.mono_ns},
    }
    decided = _decided(question)
    _same("error", isinstance(outcome, Exception), "error" in decided, (outcome, decided, command))
    if isinstance(outcome, Exception):
        return
    left = {(type(each), each.key): each for each in puts}  # a row put twice keeps its first place
    _same("rows", [shapes.row(each) for each in left.values()], decided["rows"])
    _same("columns", [shapes.stored(each) for each in left.values()], decided["stored"])
    _same("entries", [shapes.plain(each) for each in entries], decided["entries"])
    told = shapes.answer(unit, outcome)
    if told == "Blocked":
        _same("answer", [told], list(decided["answer"]))
    elif told is not None:
        _same("answer", told, decided["answer"])
    for by in _hearers:
        by(question, decided)


def _same(what: str, unit: object, command: object, more: object = "") -> None:
    """Assert it, and say where they differ: pytest explains asserts of test modules only."""
    assert unit == command, f"{what} of unit and command differ{_first(unit, command)} {more}"


def _first(unit: object, command: object, where: str = "") -> str:
    if isinstance(unit, list) and isinstance(command, list) and len(unit) == len(command):
        pairs: Iterable[tuple[object, object, object]] = zip(count(), unit, command, strict=False)
    elif isinstance(unit, dict) and isinstance(command, dict) and unit.keys() == command.keys():
        pairs = ((name, unit[name], command[name]) for name in unit)
    else:
        return f" at {where}:\nunit:    {unit}\ncommand: {command}"
    return next(_first(ours, its, f"{where}.{at}") for at, ours, its in pairs if ours != its)


_ROWS: Final = frozenset(
    {
        "Attempt",
        "Budget",
        "BudgetPeriod",
        "Checkpoint",
        "HeldFile",
        "Query",
        "QueryAlias",
        "Reservation",
        "Slot",
        "StoredFile",
    }
)


def _pending(rows: Iterable[Row]) -> list[tuple[str, int]]:
    """How many checkpoints of each identity wait for a person, as the store counts them."""
    found: dict[str, int] = {}
    for each in rows:
        if isinstance(each, Checkpoint) and each.state is CheckpointState.PENDING:
            found[each.identity_id] = found.get(each.identity_id, 0) + 1
    return list(found.items())
