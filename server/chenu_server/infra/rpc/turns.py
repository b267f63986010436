"""Turns at something that few may do at a time, and fewer of one owner; the rest wait in line.

An owner whose turn brought nothing owes for it: until it has paid with turns that did, it has one
at a time, behind all others, and those that owe have half of all turns between them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

# Turns that bring something, for one that did not. With fewer, who mixes both would be free.
_OWED: Final = 8
_OWED_MAX: Final = 64


class Turns:
    """A turn is taken at once if there is one. Owners that wait get theirs one after another."""

    def __init__(self, all_max: int, each_max: int) -> None:
        self._all_max = all_max
        self._each_max = each_max
        self._taken: dict[str, int] = {}  # a `Counter` is slow at this, and each call does it
        self._total = 0
        self._owed: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def take(self, owner: str) -> asyncio.Future[None] | None:
        """None: the turn is taken, and `give` is owed. Else it is once this is done."""
        if self._has_turn(owner):
            self._begin(owner)
            return None
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        return turn

    def give(self, owner: str) -> None:
        """A turn is over; the next one takes it."""
        self._total -= 1
        left = self._taken[owner] - 1
        if left:
            self._taken[owner] = left
        else:
            del self._taken[owner]
        if self._waiting:
            self._call_next()

    def owe(self, owner: str) -> None:
        """The turn that is given next brought nothing."""
        # Bounded: however long a line was bad, so many turns that bring something have paid for it.
        self._owed[owner] = min(self._owed.get(owner, 0) + _OWED, _OWED_MAX)

    def pay(self, owner: str) -> None:
        """The turn that is given next brought what it was for."""
        if owner in self._owed:
            self._owed[owner] -= 1
            if not self._owed[owner]:
                del self._owed[owner]

    def close(self, error: Exception) -> None:
        """Nobody who waits gets a turn: this is raised for each."""
        lines, self._waiting = self._waiting, {}
        for turn in (turn for line in lines.values() for turn in line):
            if not turn.done():
                turn.set_exception(error)

    def _begin(self, owner: str) -> None:
        self._total += 1
        self._taken[owner] = self._taken.get(owner, 0) + 1

    def _has_turn(self, owner: str) -> bool:
        if self._total >= self._all_max:
            return False
        if owner not in self._owed:
            return self._taken.get(owner, 0) < self._each_max
        owing = sum(taken for each, taken in self._taken.items() if each in self._owed)
        return owner not in self._taken and owing < max(1, self._all_max // 2)

    def _call_next(self) -> None:
        # The sort keeps the order among equals: those that owe come last, and each of both groups
        # in its turn.
        for owner in sorted(self._waiting, key=self._owed.__contains__):
            if self._total >= self._all_max:
                return
            if self._has_turn(owner):
                self._call_one_of(owner)

    def _call_one_of(self, owner: str) -> None:
        line = self._waiting.pop(owner)
        while line:
            turn = line.popleft()
            if not turn.done():  # else its call has ended
                self._begin(owner)
                turn.set_result(None)
                break
        if line:
            self._waiting[owner] = line  # behind the others
