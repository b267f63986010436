"""Lane E: a stop that only a person can lift."""

from __future__ import annotations

from chenu_server.pipeline.lanes.steps import Block, Proceed
from chenu_server.pipeline.state import QueryState, Run


class CheckpointLane:
    """Stops the run if lane D wrote a checkpoint; that command wrote this lane's events too."""

    async def run(self, query: QueryState, run: Run) -> Proceed | Block:
        """`Block` when a person must approve."""
        if query.blocked is None:
            return Proceed()
        return Block(query.blocked.query, query.blocked.pending)
