"""CheckpointService over gRPC. Decodes, calls, encodes; decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc

from chenu.api.governance.v1 import checkpoint_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as pb
from chenu.api.governance.v1 import checkpoint_service_pb2_grpc as pb_grpc
from chenu_server.caller import Caller
from chenu_server.governance.checkpoints import convert
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.governance.checkpoints.pieces import page_from
from chenu_server.governance.checkpoints.ports import CheckpointFilter
from chenu_server.governance.checkpoints.service import CheckpointService
from chenu_server.infra.rpc.context import current_caller, current_token
from chenu_server.infra.rpc.paging import after_of, page_of, page_token_of, place_of, shown_of
from chenu_server.infra.rpc.reasons import reason_from

Context = grpc.aio.ServicerContext[object, object]


class CheckpointServicer(pb_grpc.CheckpointServiceServicer):
    """Serves `CheckpointService`."""

    def __init__(self, checkpoints: CheckpointService) -> None:
        self._checkpoints = checkpoints

    def _shown(self, checkpoint: Checkpoint, caller: Caller) -> checkpoint_pb2.Checkpoint:
        four_eyes = self._checkpoints.needs_another(checkpoint)
        return convert.checkpoint_of(checkpoint, caller, four_eyes=four_eyes)

    async def GetCheckpoint(  # noqa: N802 - the wire name
        self, request: pb.GetCheckpointRequest, context: Context
    ) -> pb.GetCheckpointResponse:
        """One checkpoint of the caller's identity."""
        checkpoint_id = convert.id_from(request.checkpoint_id)
        caller = current_caller()
        found = await self._checkpoints.get(caller, checkpoint_id)
        return pb.GetCheckpointResponse(checkpoint=self._shown(found, caller))

    async def GetCheckpointContent(  # noqa: N802 - the wire name
        self, request: pb.GetCheckpointContentRequest, context: Context
    ) -> pb.GetCheckpointContentResponse:
        """A page of all that an approval of a checkpoint binds."""
        caller = current_caller()
        checkpoint_id = convert.id_from(request.checkpoint_id)
        bytes_max = convert.page_bytes_from(request.page_bytes)
        about = ("checkpoint_content", caller.identity_id, checkpoint_id)
        start = convert.place_from(after_of(request.page_token, about))
        things = await self._checkpoints.content(caller, checkpoint_id)
        page, following = page_from(things, start, bytes_max)
        # Only now, and only what stands on this page: the files may have twenty megabytes.
        pieces = await self._checkpoints.filled(caller, page)
        token = ""
        if following is not None:
            token = page_token_of((str(following.thing), str(following.offset)), about)
        return pb.GetCheckpointContentResponse(
            pieces=[convert.piece_of(piece) for piece in pieces],
            total_bytes=sum(thing.size for thing in things),
            next_page_token=token,
        )

    async def ListCheckpoints(  # noqa: N802 - the wire name
        self, request: pb.ListCheckpointsRequest, context: Context
    ) -> pb.ListCheckpointsResponse:
        """A page of the identity's checkpoints, newest first."""
        caller = current_caller()
        # Each once: a page's token belongs to the filter as it is written here.
        states = tuple(convert.state_from(number) for number in dict.fromkeys(request.states))
        about = ("checkpoints", caller.identity_id, *states)
        page = page_of(request.page_size, request.page_token, about)
        before = place_of(page)
        # One more than is shown: whether it is there says whether a page follows.
        wanted = CheckpointFilter(states=states, before=before, count=page.size + 1)
        found = await self._checkpoints.page(caller, wanted)
        shown, token = shown_of(
            page,
            found,
            lambda each: self._shown(each, caller),
            lambda last: (last.created_us, last.checkpoint_id),
        )
        return pb.ListCheckpointsResponse(checkpoints=shown, next_page_token=token)

    async def CountPendingCheckpoints(  # noqa: N802 - the wire name
        self, request: pb.CountPendingCheckpointsRequest, context: Context
    ) -> pb.CountPendingCheckpointsResponse:
        """How many checkpoints wait for a person in the caller's identity."""
        pending = await self._checkpoints.count_pending(current_caller())
        return pb.CountPendingCheckpointsResponse(pending=pending)

    async def WatchCheckpoints(  # noqa: N802 - the wire name
        self, request: pb.WatchCheckpointsRequest, context: Context
    ) -> AsyncIterator[pb.WatchCheckpointsResponse]:
        """What waits, then what changes of it."""
        caller = current_caller()
        async with aclosing(self._checkpoints.watch(caller, current_token().expires_us)) as changes:
            async for each in changes:
                yield pb.WatchCheckpointsResponse(
                    checkpoints=[self._shown(found, caller) for found in each.checkpoints],
                    pending=each.pending,
                )

    async def ResolveCheckpoint(  # noqa: N802 - the wire name
        self, request: pb.ResolveCheckpointRequest, context: Context
    ) -> pb.ResolveCheckpointResponse:
        """Approve or reject, once."""
        caller = current_caller()
        checkpoint_id = convert.id_from(request.checkpoint_id)
        asked = convert.resolution_from(request, caller)
        resolved = await self._checkpoints.resolve(caller, checkpoint_id, asked)
        return pb.ResolveCheckpointResponse(checkpoint=self._shown(resolved, caller))

    async def ResolveCheckpoints(  # noqa: N802 - the wire name
        self, request: pb.ResolveCheckpointsRequest, context: Context
    ) -> pb.ResolveCheckpointsResponse:
        """Approve or reject several: all of them, or none."""
        caller = current_caller()
        decisions = convert.resolutions_from(request, caller)
        resolved = await self._checkpoints.resolve_all(caller, decisions)
        return pb.ResolveCheckpointsResponse(
            checkpoints=[self._shown(each, caller) for each in resolved]
        )

    async def CancelCheckpoint(  # noqa: N802 - the wire name
        self, request: pb.CancelCheckpointRequest, context: Context
    ) -> pb.CancelCheckpointResponse:
        """Withdraw a checkpoint together with its query."""
        checkpoint_id = convert.id_from(request.checkpoint_id)
        reason = reason_from(request.reason)
        caller = current_caller()
        cancelled = await self._checkpoints.cancel(caller, checkpoint_id, reason)
        return pb.CancelCheckpointResponse(checkpoint=self._shown(cancelled, caller))
