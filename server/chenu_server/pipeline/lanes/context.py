"""Lane B: what the query stands on, frozen and hashed."""

from __future__ import annotations

from typing import Final

from chenu_server.engine import CanonicalRequest
from chenu_server.pipeline.lanes.steps import Proceed
from chenu_server.pipeline.model import QueryRequest, Snapshot
from chenu_server.pipeline.state import QueryState, Run
from chenu_server.vocabulary import Lane, LaneStatus, Sphere

_SPHERES: Final = tuple(Sphere)


class ContextLane:
    """Hashes identity, sphere and context items."""

    async def run(self, query: QueryState, run: Run) -> Proceed:
        """Fill `query.snapshot`."""
        query.lanes.start(Lane.B_CONTEXT)
        query.snapshot = snapshot_of(query.caller.identity_id, query.request, query.read)
        query.lanes.finish(Lane.B_CONTEXT, LaneStatus.COMPLETED, query.snapshot.snapshot_id)
        return Proceed()


def snapshot_of(identity_id: str, request: QueryRequest, read: CanonicalRequest) -> Snapshot:
    """The immutable snapshot of a request in an identity."""
    named = [request.target.sphere, *(item.sphere for item in request.context_items)]
    others = {sphere for sphere in named if sphere is not None}
    digest = read.context_hash(identity_id)
    return Snapshot(
        snapshot_id=f"snapshot-{digest.hex()[:32]}",
        content_hash=digest,
        # In one order, which a set has not: verdicts are remembered by all that policies see.
        spheres=tuple(sphere for sphere in _SPHERES if sphere in others) if others else (),
        crosses_spheres=bool(others - {request.sphere}),
    )
