"""What a lane answers. Only `pipeline/service.py` decides what happens next."""

from __future__ import annotations

from chenu_server.errors import CheckpointPending
from chenu_server.pipeline.model import Outcome
from chenu_server.pipeline.records import Operation
from chenu_server.values import dataclass
from chenu_server.vocabulary import QueryStatus


@dataclass(frozen=True, slots=True)
class Proceed:
    """On to the next lane."""


@dataclass(frozen=True, slots=True)
class Block:
    """Stop here until a person has decided."""

    query: Operation
    pending: CheckpointPending


@dataclass(frozen=True, slots=True)
class Deny:
    """Closed in lane D's own command."""

    query: Operation


@dataclass(frozen=True, slots=True)
class Attach:
    """The query is known: its log has the answer, or will have it.

    One that `is_new` came under an id that was not known before.
    """

    query: Operation
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """It ran and did not finish; lane G records this outcome."""

    status: QueryStatus
    outcome: Outcome


Step = Proceed | Block | Deny | Attach | Fail
