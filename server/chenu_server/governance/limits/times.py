"""When slots are free, for those who wait for them. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def times_after(
    until_us: int, times_us: Iterable[int], uncreated: int, count: int
) -> tuple[int, ...]:
    """When the first `count` slots are free if none is before `until_us`.

    `times_us` are those of the slots that exist; `uncreated` more would be made.
    """
    # A hold moves slots to its own end, and none that is taken for longer to an earlier time.
    known = [max(time_us, until_us) for time_us in times_us]
    return tuple(sorted([until_us] * min(max(uncreated, 0), count) + known)[:count])
