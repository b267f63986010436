"""Microseconds on the wire: timestamps and durations.

What is given is the fields of a message by name: where another message is made, protobuf takes
them in the place of that message, and fills it in at once. It would be made, copied and dropped.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import timestamp_pb2

MICROS: Final = 1_000_000


def timestamp_of(time_us: int) -> Any:
    """The fields of a Unix time; 0 is no time, and None."""
    if not time_us:
        return None
    seconds, micros = divmod(time_us, MICROS)
    return {"seconds": seconds, "nanos": micros * 1_000}


def time_us_from(timestamp: timestamp_pb2.Timestamp) -> int:
    """Unix microseconds, rounded down."""
    return timestamp.seconds * MICROS + timestamp.nanos // 1_000


def duration_of(duration_us: int) -> Any:
    """The fields of a span of time."""
    seconds, micros = divmod(duration_us, MICROS)
    return {"seconds": seconds, "nanos": micros * 1_000}
