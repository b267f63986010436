"""Approved queries that said `resume_on_approval` go on: after a restart, and until they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from chenu_server.errors import ChenuError
from chenu_server.pipeline.records import Operation

_log = structlog.get_logger(__name__)


class Approved(Protocol):
    """Where the approved queries stand that go on by themselves."""

    async def to_resume(self) -> Sequence[Operation]:
        """All of them."""
        ...


class Runs(Protocol):
    """What runs them."""

    def resume_approved(self, query: Operation, deadline_s: float | None) -> object:
        """Run an approved query."""
        ...


async def resume_approved(approved: Approved, runs: Runs) -> None:
    """Start each; one that found no room or no slot holds its approval and is tried again.

    One that cannot be started stands in nobody's way.
    """
    for query in await approved.to_resume():
        try:
            runs.resume_approved(query, None)
        except ChenuError as error:  # no room: none for those behind it either
            _log.warning("resume_failed", request_id=query.request_id, error=str(error))
            return
        except Exception:  # noqa: BLE001 - see above
            _log.exception("resume_failed", request_id=query.request_id)
