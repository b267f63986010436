"""Identifiers that the server makes: UUIDs of version 7 (RFC 9562).

They sort by the time at which they were made, so that an index over them grows at one end: a
commit of random ids touches a page of every index for each row.
"""

import os
import time

_RANDOM_BYTES = 10
# The first digit of the fourth group: two bits of variant before two of randomness.
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
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

    def take(self) -> bytes:
        """A piece that nobody is given again."""
        while True:
            try:
                return self._left.pop()
            except IndexError:
                self._left += self._read()

    def _read(self) -> list[bytes]:
        size = self._piece_bytes
        random = os.urandom(size * _PIECES_AT_ONCE)
        return [random[at : at + size] for at in range(0, len(random), size)]


_random = Randomness(_RANDOM_BYTES)


def new_id() -> str:
    """A fresh identifier: the time, 12 random bits behind the version and 62 behind the variant."""
    # The clock may be set back: ids are out of order then for a while, and still kept apart by what
    # is random in them.
    now, random = f"{time.time_ns() // 1_000_000:012x}", _random.take().hex()
    variant = _VARIANT[random[3]]
    return f"{now[:8]}-{now[8:]}-7{random[:3]}-{variant}{random[4:7]}-{random[8:]}"
