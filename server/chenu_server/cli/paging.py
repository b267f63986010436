"""How many of a list are shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Annotated, TypeVar

import typer

from chenu_server.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True)
class Limit:
    """The end of a list."""

    limit: Annotated[int, typer.Option(min=0, help="How many to show at most; 0: all.")] = 50


async def first(limit: Limit, items: AsyncIterator[T]) -> AsyncIterator[T]:
    """The first items of a list, as they are read."""
    shown = 0
    async for item in items:
        yield item
        shown += 1
        # A limit of 0 is never met, and so shows all.
        if shown == limit.limit:
            return


async def each(items: Iterable[T]) -> AsyncIterator[T]:
    """A list that is there already, as one that is read."""
    for item in items:
        yield item
