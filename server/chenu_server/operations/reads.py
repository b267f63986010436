"""What the pipeline reads of other features, and what they set going in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chenu_server.caller import Caller, Principal
from chenu_server.errors import CheckpointPending, ChenuError
from chenu_server.governance.checkpoints.decide import pending_error
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.governance.checkpoints.ports import CheckpointStore
from chenu_server.pipeline.ports import QueryFilter, Stored
from chenu_server.pipeline.records import Operation, OutputChunk, QueryContent
from chenu_server.vocabulary import OperationKind, QueryStatus


class StoredQueries(Protocol):
    """The part of a `QueryStore` that the pipeline's own tables hold."""

    async def get(self, identity_id: str, request_id: str) -> Operation | None:
        """One query, by any of its ids, or None."""
        ...

    async def page(self, identity_id: str, wanted: QueryFilter) -> Sequence[Operation]:
        """Newest first."""
        ...

    async def whole(self, identity_id: str, request_id: str) -> Stored:
        """All that is stored of its log, at one moment."""
        ...

    async def chunks(self, identity_id: str, request_id: str) -> Sequence[OutputChunk]:
        """The stored output, in order."""
        ...

    async def content(self, identity_id: str, request_id: str) -> QueryContent | None:
        """What the query was asked, or None."""
        ...


class Slots(Protocol):
    """Provider slots, read outside any command."""

    async def free_times(self, provider: str, count: int) -> tuple[int, ...]:
        """When the first `count` slots of a provider are free, ascending."""
        ...


class GovernedQueries:
    """A `QueryStore`: queries with the checkpoints and slots beside them."""

    def __init__(self, queries: StoredQueries, checkpoints: CheckpointStore, slots: Slots) -> None:
        self.get = queries.get
        self.page = queries.page
        self.whole = queries.whole
        self.chunks = queries.chunks
        self.content = queries.content
        self.free_times = slots.free_times
        self._checkpoints = checkpoints

    async def pending(self, query: Operation) -> CheckpointPending:
        """The refusal that a blocked query answers."""
        found = await self._checkpoints.get(query.identity_id, query.checkpoint_id)
        assert found is not None, "a blocked query has its checkpoint"
        return pending_error(found)


class Runs(Protocol):
    """What the pipeline does with a query that was decided on."""

    def resume_approved(self, query: Operation, deadline_s: float | None) -> object:
        """Run an approved query."""
        ...

    async def cancel(self, caller: Caller, request_id: str, reason: str) -> Operation:
        """Cancel a query, wherever it is."""
        ...


class Withdraws(Protocol):
    """What ends a reservation that waits."""

    async def withdraw(self, checkpoint: Checkpoint, by: Principal, reason: str) -> None:
        """End it, and its checkpoint with it."""
        ...


class WhatWaits:
    """The checkpoints' `WaitingOperations`."""

    def __init__(self, pipeline: Runs, queries: StoredQueries, spending: Withdraws) -> None:
        self._pipeline = pipeline
        self._queries = queries
        self._spending = spending

    async def approved(self, identity_id: str, request_id: str) -> None:
        """Start the query now, if it said `resume_on_approval`; else it waits for `Continue`.

        A reservation waits for the same `Reserve` once more.
        """
        query = await self._queries.get(identity_id, request_id)
        wanted = query is not None and query.resume_on_approval
        # Behind the commit others may have come first: it may run at another process, or be
        # cancelled.
        if query is None or not wanted or query.status is not QueryStatus.APPROVED:
            return
        try:
            self._pipeline.resume_approved(query, None)
        except ChenuError:
            return  # no room now: the approval stands, and `Continue` or a restart uses it

    async def cancel(self, caller: Caller, checkpoint: Checkpoint, reason: str) -> None:
        """Cancel the operation that waits there, and the checkpoint with it."""
        # What no process runs is ended by its rows alone.
        if checkpoint.operation_kind is not OperationKind.QUERY:
            await self._spending.withdraw(checkpoint, caller.principal, reason)
        else:
            await self._pipeline.cancel(caller, checkpoint.request_id, reason)
