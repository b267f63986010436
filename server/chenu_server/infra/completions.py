"""What Rust's threads have finished, taken in by the running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from chenu_server.engine import Completions


@contextmanager
def taken_in() -> Iterator[Completions]:
    """A queue that the running loop empties, once a turn, for as long as the block lasts."""
    loop, completions = asyncio.get_running_loop(), Completions()
    loop.add_reader(completions.fileno(), completions.drain)
    try:
        yield completions
    finally:
        loop.remove_reader(completions.fileno())
        # What came since the last turn is answered, too: somebody may wait for it still.
        completions.drain()
