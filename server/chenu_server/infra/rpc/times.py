"""Microseconds on the wire: timestamps and durations."""

from __future__ import annotations

from typing import Final

from google.protobuf import duration_pb2, timestamp_pb2

MICROS: Final = 1_000_000


def timestamp_of(time_us: int) -> timestamp_pb2.Timestamp | None:
    """A Unix time; 0 is no time."""
    if not time_us:
        return None
    seconds, micros = divmod(time_us, MICROS)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=micros * 1_000)


def time_us_from(timestamp: timestamp_pb2.Timestamp) -> int:
    """Unix microseconds, rounded down."""
    return timestamp.seconds * MICROS + timestamp.nanos // 1_000


def duration_of(duration_us: int) -> duration_pb2.Duration:
    """A span of time."""
    seconds, micros = divmod(duration_us, MICROS)
    return duration_pb2.Duration(seconds=seconds, nanos=micros * 1_000)
