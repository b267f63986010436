"""Meet kinds, some at a time, and say what was not as it must be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.faults.judge import breaches, differences
from tests.faults.observe import VARIANTS, Variant, observe
from tests.faults.oracle import expected
from tests.faults.replay import is_known
from tests.faults.script import Kind
from tests.faults.site import Site

AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """One kind met in one way, and what was not as it must be."""

    kind: Kind
    variant: Variant
    wrong: tuple[str, ...]
    outcome: str


async def meet_all(
    site: Site,
    kinds: Iterable[Kind],
    *,
    variants: Iterable[Variant] = VARIANTS,
    told: Callable[[Meeting], None] = lambda meeting: None,
) -> list[Meeting]:
    """Every kind in every way.

    Those that tell a time come alone, for nobody is let through to the provider before it; and
    last those for which nobody may listen.
    """
    pairs = [(kind, variant) for kind in kinds for variant in variants]
    room = asyncio.Semaphore(AT_ONCE)

    async def met(kind: Kind, variant: Variant) -> Meeting:
        async with room:
            meeting = await meet(site, kind, variant)
        told(meeting)
        return meeting

    taken = [pair for pair in pairs if pair[0].script.listens and not pair[0].script.tells_time]
    timed = [pair for pair in pairs if pair[0].script.listens and pair[0].script.tells_time]
    refused = [pair for pair in pairs if not pair[0].script.listens]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(met(*pair)) for pair in taken]
    meetings = [task.result() for task in tasks]
    for pair in timed:
        meetings.append(await met(*pair))
        site.forget_holds()
    if refused:
        await site.faulty.hang_up()
        meetings += [await met(*pair) for pair in refused]
        await site.faulty.listen()
    return meetings


async def meet(site: Site, kind: Kind, variant: Variant) -> Meeting:
    """One kind in one way."""
    seen = await observe(site, kind, variant)
    if is_known(kind):
        must = expected(kind, seen.prices, has_next=variant.has_next)
        wrong = differences(kind, variant, seen, must)
    else:
        wrong = breaches(seen)
    return Meeting(kind=kind, variant=variant, wrong=tuple(wrong), outcome=seen.outcome)
