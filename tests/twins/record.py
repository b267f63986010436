"""Writes walks down for readers without Python: `python -m tests.twins.record`.

A file in `tests/vectors/operations` is one walk. Its first line has the rows that there were and
the rules; each line after it a command, the rules where they have changed, the time, and what was
decided: the rows that were put, the ledger's entries, the answer. Whoever reads it has the rows
that each command met by putting those of the lines before in the places of their keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.twins import shapes, twin
from tests.twins.steps import walk_through
from tests.twins.world import World

FOLDER: Final = Path(__file__).parents[1] / "vectors" / "operations"
# Together they come to every command and every answer (`core_rs/operation/tests/vectors`).
WALKS: Final = {"first": 39, "second": 527, "third": 552, "fourth": 561}
STEPS: Final = 45


class Recorded:
    """A walk's lines, from its first to its last."""

    def __init__(self, seed: int) -> None:
        dice = Random(seed)
        self._world = World(dice)
        self._rules = shapes.rules(self._world.rules)
        rows = [shapes.row(each) for each in self._world.rows.stored.values()]
        self.lines: list[Any] = [{"rules": self._rules, "rows": rows}]
        with twin.heard(self._hear):
            walk_through(self._world, [dice.getrandbits(32) for _ in range(STEPS)], str)

    def _hear(self, question: Any, decided: Any) -> None:
        """A unit that does not decide by all rules has told its twin only some of them."""
        rules, line = shapes.rules(self._world.rules), {"command": question["command"]}
        if rules != self._rules:
            self._rules = line["rules"] = rules
        told = {name: decided[name] for name in ("rows", "entries", "answer")}
        self.lines.append({**line, "now": question["now"], **told})

    def text(self) -> Iterator[str]:
        """The file, line by line."""
        for line in self.lines:
            yield json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def main() -> None:
    """Every file anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.jsonl"):
        old.unlink()
    for name, seed in WALKS.items():
        lines = Recorded(seed).text()
        (FOLDER / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
