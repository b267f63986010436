"""Where proofs are kept: one function per reason that reaches it over the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.harness import Failure, Stage

Reach = Callable[[Stage], Awaitable[Failure]]
Configure = Callable[[Path], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Proof:
    """How a reason is reached on a fresh server, and which of its keys have no value then."""

    reach: Reach
    configure: Configure
    without: frozenset[str]
    budget: bool


PROOFS: Final[dict[str, Proof]] = {}


def proves(
    reason: str,
    *,
    settings: Mapping[str, Any] | None = None,
    configure: Configure | None = None,
    without: tuple[str, ...] = (),
    budget: bool = True,
) -> Callable[[Reach], Reach]:
    """Keep a function as the proof of a reason. `configure` may write files in a folder."""

    def keep(reach: Reach) -> Reach:
        assert reason not in PROOFS, f"{reason} has a proof already"
        PROOFS[reason] = Proof(
            reach=reach,
            configure=configure or (lambda _: settings or {}),
            without=frozenset(without),
            budget=budget,
        )
        return reach

    return keep
