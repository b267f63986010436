"""What Rust's threads have finished, taken in by the loop that waits for it."""

from __future__ import annotations

import asyncio
from typing import Final
from weakref import WeakKeyDictionary

from chenu_server.engine import Completions

_TAKEN_IN: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Completions]] = WeakKeyDictionary()


def taken_in_here() -> Completions:
    """The queue that the running loop empties once a turn: one, whatever it waits for."""
    loop = asyncio.get_running_loop()
    completions = _TAKEN_IN.get(loop)
    if completions is None:
        completions = _TAKEN_IN[loop] = Completions()
        # For as long as the loop lives: it ends its readers itself.
        loop.add_reader(completions.fileno(), completions.drain)
    return completions
