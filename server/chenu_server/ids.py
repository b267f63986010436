"""Identifiers that the server makes: UUIDs of version 7 (RFC 9562).

They sort by the time at which they were made, so that an index over them grows at one end: a
commit of random ids touches a page of every index for each row.
"""

import os
import time

_RANDOM_BYTES = 10
_VARIANT_BITS = 62


def new_id() -> str:
    """A fresh identifier."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """Fresh identifiers in ascending order, from one read of the system's random source."""
    stamp = time.time_ns() // 1_000_000 << 80 | 0x7 << 76 | 0b10 << _VARIANT_BITS
    random = os.urandom(_RANDOM_BYTES * count)
    return sorted(
        _text(stamp, int.from_bytes(random[at : at + _RANDOM_BYTES], "big"))
        for at in range(0, len(random), _RANDOM_BYTES)
    )


def _text(stamp: int, random: int) -> str:
    """The time, 12 random bits behind the version and 62 behind the variant."""
    head = random >> _VARIANT_BITS & 0xFFF
    tail = random & (1 << _VARIANT_BITS) - 1
    text = f"{stamp | head << 64 | tail:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
