"""What checkpoints need from storage, from the pipeline and from the boundary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn, Protocol

from chenu_server.caller import Caller
from chenu_server.governance.checkpoints.model import (
    AllResolved,
    Bound,
    Checkpoint,
    NoneResolved,
    Resolution,
    ResolveAnswer,
    StoredFile,
)
from chenu_server.values import dataclass
from chenu_server.vocabulary import CheckpointState


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFilter:
    """Which checkpoints a page shows; `before` is the last one of the page before."""

    states: tuple[CheckpointState, ...]
    before: tuple[int, str] | None
    count: int


class CheckpointStore(Protocol):
    """Checkpoints as they are stored, read outside any command."""

    async def get(self, identity_id: str, checkpoint_id: str) -> Checkpoint | None:
        """One checkpoint, or None."""
        ...

    async def page(self, identity_id: str, wanted: CheckpointFilter) -> Sequence[Checkpoint]:
        """Newest first."""
        ...

    async def count_pending(self, identity_id: str) -> int:
        """How many wait for a person."""
        ...

    async def pending(self, identity_id: str) -> Sequence[str]:
        """The ids of those that wait for a person, oldest first."""
        ...

    async def some(self, identity_id: str, ids: Sequence[str]) -> Sequence[Checkpoint]:
        """Those of these ids that there are, in this order."""
        ...


class BoundContent(Protocol):
    """What the pipeline has stored of what a checkpoint is about."""

    async def of(self, checkpoint: Checkpoint) -> Sequence[Bound]:
        """All that its action digest binds, in its order; nothing once it is no longer stored."""
        ...

    async def read(self, identity_id: str, file: StoredFile, offset: int, size: int) -> bytes:
        """A run of a file's bytes; fewer if they are no longer stored."""
        ...


class Resolver(Protocol):
    """The command that decides a resolution together with its query."""

    async def resolve(self, checkpoint: Checkpoint, asked: Resolution) -> ResolveAnswer:
        """How the resolution went; see `operations.wait`."""
        ...

    async def resolve_all(
        self, decisions: Sequence[tuple[Checkpoint, Resolution]]
    ) -> AllResolved | NoneResolved:
        """How all of them went, each of another checkpoint of one identity."""
        ...

    def needs_another(self, checkpoint: Checkpoint) -> bool:
        """Whether somebody else than who asked has to decide on it, by the rules of now."""
        ...


class WaitingOperations(Protocol):
    """What a decision sets going in what waits for it."""

    async def approved(self, identity_id: str, request_id: str) -> None:
        """Start the query now, if it said `resume_on_approval`."""
        ...

    async def cancel(self, caller: Caller, checkpoint: Checkpoint, reason: str) -> None:
        """Cancel the operation that waits there, and the checkpoint with it."""
        ...


class Boundary(Protocol):
    """Refuses and records what reaches outside its identity."""

    async def refuse(self, caller: Caller, *, kind: str, id: str) -> NoReturn:
        """
        Record a `cross_identity_access` and refuse it.

        Raises:
            IdentityBoundaryViolation: Always.
        """
        ...
