"""A stop that only a person can lift. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chenu_server.caller import Principal
from chenu_server.command import Key
from chenu_server.values import dataclass
from chenu_server.vocabulary import (
    CheckpointState,
    CheckpointType,
    ContentKind,
    Decision,
    OperationKind,
    PrincipalType,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One question to a person about one action, bound to the action's digest."""

    identity_id: str
    checkpoint_id: str
    request_id: str
    operation_kind: OperationKind = OperationKind.QUERY
    types: tuple[CheckpointType, ...]
    state: CheckpointState
    action: str
    target: str
    action_digest: bytes
    question_en: str
    question_fr: str
    preview: str
    provider: str
    model: str
    max_cost_nanousd: int
    requested_by_type: PrincipalType
    requested_by: str
    acting_for: tuple[str, ...]
    lifetime_us: int
    created_us: int
    expires_us: int
    use_before_us: int
    resolved_us: int
    resolved_by: str
    decision_id: str
    reason: str
    consumed_us: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.checkpoint_id)

    @property
    def requester(self) -> Principal:
        """Who asked the query."""
        return Principal(type=self.requested_by_type, id=self.requested_by)

    @property
    def is_open(self) -> bool:
        """Whether the query still waits: nobody has decided, or the approval is not used yet."""
        approved = self.state is CheckpointState.APPROVED and self.consumed_us == 0
        return approved or self.state is CheckpointState.PENDING


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed of what waits: ended ones, then new ones; and how many wait."""

    checkpoints: Sequence[Checkpoint]
    pending: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that stands in rows of its own; it is read piece by piece."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One thing that an action digest binds, whole: its bytes are here, or those of a file."""

    kind: ContentKind
    id: str
    media_type: str
    data: bytes = b""
    file: StoredFile | None = None

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.data) if self.file is None else self.file.size


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a thing's bytes: which, and unless they are a file's the bytes themselves."""

    thing: Bound
    offset: int
    size: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of content begins: in which thing, at which byte."""

    thing: int
    offset: int


START: Final = Place(0, 0)


@dataclass(frozen=True, slots=True)
class Expiries:
    """How long a checkpoint of each type may wait; the shortest of its types holds."""

    default_us: int
    by_type_us: Mapping[CheckpointType, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a person decided. `expected_digest` is empty if they named none.

    `methods` and `client` are how they signed in and with which program, as far as the token says.
    """

    decision_id: str
    decision: Decision
    reason: str
    expected_digest: bytes
    by: Principal
    methods: tuple[str, ...] = ()
    client: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The checkpoint as this decision leaves it."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same person made the same decision under the same id before: the same answer."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Lapsed:
    """Its time is over: expired means denied, in the same instant too."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Lost:
    """It was resolved otherwise before; the checkpoint says by whom."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class OtherAction:
    """The approver saw another action than the one that waits."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class OwnAction:
    """Somebody else has to decide than who asked."""

    checkpoint: Checkpoint


Unresolved = Lapsed | Lost | OtherAction | OwnAction
ResolveAnswer = Resolved | Repeated | Unresolved


@dataclass(frozen=True, slots=True)
class AllResolved:
    """Each as its decision leaves it, or has left it before."""

    checkpoints: Sequence[Resolved | Repeated]


@dataclass(frozen=True, slots=True)
class NoneResolved:
    """One decision could not be recorded, so none was; nothing was written."""

    because: Unresolved
