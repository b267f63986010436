"""The matrix as a page: what each kind of fault comes to. Nothing in it depends on the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.faults.observe import VARIANTS
from tests.faults.oracle import Expected, Prices, expected
from tests.faults.script import Kind

REPORT: Final = Path(__file__).with_name("REPORT.md")
# The records' prices, but for what is written to a cache for an hour on the wire that has it.
_NANOUSD: Final = 1_000_000
_BOUND: Final = 10**7
_PRICES: Final = Prices(
    input=1_000 * _NANOUSD,
    output=2_000 * _NANOUSD,
    cache_read=100 * _NANOUSD,
    cache_write=1_250 * _NANOUSD,
    cache_write_hour=2_000 * _NANOUSD,
    bound=_BOUND,
    chain_bound=_BOUND,
)
_INTRODUCTION: Final = """# The fault matrix

Written by `make faults`; do not edit. Each row is a kind of fault that a provider can commit, and
what a caller, the log and the books must say of it by the specification (`oracle.py`), held against
a real server over gRPC. Each kind is met {variants} times: by `Query` and by `Run`, alone and with
a next candidate behind it, which answers.

Input costs 1,000 nano-USD a token here and output 2,000. *bound* is the attempt's bound, marked as
estimated. *→ next* means that the next candidate answers: two attempts, and the query completes.

{kinds} kinds; {held} of {met} meetings were as they must be.
"""
_TITLES: Final = {
    "faulty_chat": "Chat Completions",
    "faulty_messages": "Anthropic Messages",
    "faulty_open": "Chat Completions, from a provider that sends no terminator",
}


def report(kinds: Sequence[Kind], held: Mapping[str, int]) -> str:
    """The page; `held` is by marker how many of a kind's meetings were as they must be."""
    met = len(kinds) * len(VARIANTS)
    well = sum(held[kind.marker] for kind in kinds)
    head = _INTRODUCTION.format(variants=len(VARIANTS), kinds=len(kinds), held=well, met=met)
    ordered = sorted(kinds, key=lambda kind: list(_TITLES).index(kind.provider))
    pages = [head]
    for provider, group in groupby(ordered, key=lambda kind: kind.provider):
        rows = [_row(kind, held[kind.marker]) for kind in group]
        pages.append(
            f"## {_TITLES[provider]}\n\n"
            "| kind | asks for | attempt ends | alone | then | cost | held |\n"
            "|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(pages)


def whole(kinds: Sequence[Kind]) -> str:
    """The page as it is when everything holds."""
    return report(kinds, Counter({kind.marker: len(VARIANTS) for kind in kinds}))


def _row(kind: Kind, held: int) -> str:
    alone = expected(kind, _PRICES, has_next=False)
    behind = expected(kind, _PRICES, has_next=True)
    cells = (
        kind.name.replace("|", "\\|"),
        kind.asks.value,
        alone.attempts[-1][0],
        _outcome(alone),
        "→ next" if behind.text is None else "the end",
        _cost(alone),
        f"{held}/{len(VARIANTS)}",
    )
    return f"| {' | '.join(cells)} |"


def _outcome(must: Expected) -> str:
    if not must.reason:
        return "OK"
    more = f" ({must.problem})" if must.problem else ""
    if must.retry_after_ms is not None:
        more = f", RetryInfo {must.retry_after_ms / 1_000:g} s"
    return f"{must.status} `{must.reason}`{more}"


def _cost(must: Expected) -> str:
    if must.is_exact:
        return f"{must.cost:,}"
    return "bound" if must.cost == _BOUND else f"{must.cost:,}, estimated"
