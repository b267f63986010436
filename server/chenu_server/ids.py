"""Identifiers that the server makes: UUIDs of version 7 (RFC 9562).

They sort by the time at which they were made, so that an index over them grows at one end: a
commit of random ids touches a page of every index for each row.
"""

import os
import time

_RANDOM_BYTES = 10
_VARIANT_BITS = 62
_PIECES_AT_ONCE = 128


class Randomness:
    """Pieces of the system's random source, each given once.

    A read of it gives the interpreter away to whichever thread waits, and a governed call would
    read it five times: so a read is for many pieces. Any thread may take them.
    """

    def __init__(self, piece_bytes: int) -> None:
        self._piece_bytes = piece_bytes
        self._left: list[bytes] = []
        # A forked child would be given its parent's.
        os.register_at_fork(after_in_child=self._left.clear)

    def take(self, count: int) -> list[bytes]:
        """So many pieces that nobody is given again."""
        taken: list[bytes] = []
        while len(taken) < count:
            try:
                taken.append(self._left.pop())
            except IndexError:
                self._left += self._read()
        return taken

    def _read(self) -> list[bytes]:
        size = self._piece_bytes
        random = os.urandom(size * _PIECES_AT_ONCE)
        return [random[at : at + size] for at in range(0, len(random), size)]


_random = Randomness(_RANDOM_BYTES)


def new_id() -> str:
    """A fresh identifier."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """Fresh identifiers in ascending order."""
    stamp = time.time_ns() // 1_000_000 << 80 | 0x7 << 76 | 0b10 << _VARIANT_BITS
    return sorted([_text(stamp, int.from_bytes(each, "big")) for each in _random.take(count)])


def _text(stamp: int, random: int) -> str:
    """The time, 12 random bits behind the version and 62 behind the variant."""
    head = random >> _VARIANT_BITS & 0xFFF
    tail = random & (1 << _VARIANT_BITS) - 1
    text = f"{stamp | head << 64 | tail:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
