"""One query, and every call that anybody makes about it: before the crash and after it."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import uuid4

import sqlalchemy as sa

from chenu.api.governance.v1 import checkpoint_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.governance.checkpoints.tables import CHECKPOINTS
from tests.crash.books import Rows, rows_of
from tests.crash.site import DONE, Callers, Site, outcome_of

QUESTION: Final = "What is new"
DELETION: Final = "Delete all archived items"


class Scene:
    """One query of the backend, with the marker by which the upstream's calls are told apart."""

    def __init__(self, site: Site, text: str, picture: bytes = b"", **fields: Any) -> None:
        self.site = site
        self.request_id = str(uuid4())
        self.request = pb.QueryRequest(
            request_id=self.request_id,
            **_asked(f"{text} [[{self.request_id}]]", picture),
            **{"detached": True, **fields},
        )
        self.text = ""
        self._decision_id = str(uuid4())

    @property
    def calls(self) -> int:
        """How often the upstream was called for it."""
        return self.site.calls(self.request_id)

    async def ask(self, at: Callers) -> str:
        """Ask it; the answer, if there is one, is kept in `text`."""
        call = at.backend.call(at.backend.pipeline.Query, self.request)
        response, reason = await outcome_of(call)
        if response is not None:
            self.text = response.answer.text
        return reason

    async def approve(self, at: Callers) -> str:
        """The person says yes, under the same decision id each time."""
        return await self._resolve(at, cb.CHECKPOINT_DECISION_APPROVE, "")

    async def reject(self, at: Callers) -> str:
        """The person says no, likewise."""
        return await self._resolve(at, cb.CHECKPOINT_DECISION_REJECT, "not today")

    async def approve_at_once(self, at: Callers) -> str:
        """The same with the rpc that decides on several, of which this is one."""
        found, lost = await outcome_of(self.shown(at))
        if found is None:
            return lost
        named = cb.GetCheckpointRequest(checkpoint_id=found.query.checkpoint_id)
        shown = await at.person.call(at.person.checkpoints.GetCheckpoint, named)
        decision = cb.ResolveCheckpointRequest(
            checkpoint_id=found.query.checkpoint_id,
            decision_id=self._decision_id,
            decision=cb.CHECKPOINT_DECISION_APPROVE,
            expected_action_digest=shown.checkpoint.action_digest,
        )
        request = cb.ResolveCheckpointsRequest(decisions=[decision])
        call = at.person.call(at.person.checkpoints.ResolveCheckpoints, request)
        return (await outcome_of(call))[1]

    async def _resolve(
        self, at: Callers, decision: cb.CheckpointDecision.ValueType, reason: str
    ) -> str:
        found, lost = await outcome_of(self.shown(at))
        if found is None:
            return lost
        request = cb.ResolveCheckpointRequest(
            checkpoint_id=found.query.checkpoint_id,
            decision_id=self._decision_id,
            decision=decision,
            reason=reason,
        )
        call = at.person.call(at.person.checkpoints.ResolveCheckpoint, request)
        return (await outcome_of(call))[1]

    async def resume(self, at: Callers) -> str:
        """Have it run, if it is approved, and follow it to its end."""
        request = pb.ContinueRequest(request_id=self.request_id)
        _, failure = await at.backend.events(at.backend.pipeline.Continue, request)
        return (failure.reason or failure.code.name) if failure else DONE

    async def cancel(self, at: Callers) -> str:
        """Withdraw it."""
        request = pb.CancelQueryRequest(request_id=self.request_id, reason="changed my mind")
        call = at.backend.call(at.backend.pipeline.CancelQuery, request)
        return (await outcome_of(call))[1]

    async def watch(self, at: Callers) -> None:
        """Follow it to its end without having it run."""
        request = pb.WatchRequest(request_id=self.request_id)
        _, failure = await at.backend.events(at.backend.pipeline.Watch, request)

        assert failure is None

    async def told(self, at: Callers) -> tuple[str, str]:
        """The states of the query and its checkpoint as the wire tells them."""
        query = (await self.shown(at)).query
        state = message_pb2.QueryState.Name(query.state).removeprefix("QUERY_STATE_").lower()
        if not query.checkpoint_id:
            return state, ""
        request = cb.GetCheckpointRequest(checkpoint_id=query.checkpoint_id)
        found = await at.backend.call(at.backend.checkpoints.GetCheckpoint, request)
        checkpoint = checkpoint_pb2.CheckpointState.Name(found.checkpoint.state)
        return state, checkpoint.removeprefix("CHECKPOINT_STATE_").lower()

    async def shown(self, at: Callers) -> pb.GetQueryResponse:
        """The query as its identity sees it."""
        request = pb.GetQueryRequest(request_id=self.request_id)
        found: pb.GetQueryResponse = await at.backend.call(at.backend.pipeline.GetQuery, request)
        return found

    async def until(self, rows: Rows, patience_s: float = 20.0) -> None:
        """Wait until this is what stands of the query, which another server brings about."""
        async with asyncio.timeout(patience_s):
            while rows != self.rows():  # noqa: ASYNC110 - it asks a database
                await asyncio.sleep(0.05)

    def rows(self) -> Rows:
        """What the database says of it now."""
        with self.site.database() as database:
            return rows_of(database, self.request_id)

    def time_is_over(self) -> None:
        """Make it so that what waits for a person, or for its use, has waited too long."""
        with self.site.database() as database:
            now = {"expires_us": CHECKPOINTS.c.created_us}
            database.execute(sa.update(CHECKPOINTS).values(**now, use_before_us=1))


def _asked(text: str, picture: bytes) -> dict[str, Any]:
    """What is asked: a text, or a picture and a text about it."""
    if not picture:
        return {"text": text}
    image = cp.Part(image=cp.Image(data=picture, media_type="image/png"))
    parts = [image, cp.Part(text=text)]
    return {"messages": [cp.ChatMessage(role=cp.MESSAGE_ROLE_USER, parts=parts)]}
