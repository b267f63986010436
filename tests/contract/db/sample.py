"""Commands for the writer's tests, what they are about, and a table of all column types."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from chenu_server import engine
from chenu_server.caller import Caller, Principal
from chenu_server.command import Answer, Key
from chenu_server.governance.budgets.commands import UpdateBudget
from chenu_server.governance.budgets.standing import Standing
from chenu_server.governance.budgets.tables import BUDGETS, BUDGETS_MAP
from chenu_server.governance.identity.commands import RecordViolation
from chenu_server.governance.limits.commands import LetGo
from chenu_server.governance.limits.model import ProviderLimit
from chenu_server.ids import new_id
from chenu_server.infra.db.columns import EnumText, Strings
from chenu_server.infra.db.tablemap import TableMap
from chenu_server.operations.ask import Admit
from chenu_server.vocabulary import PrincipalType, ViolationType
from tests.fakes.rows import MAPS
from tests.unit.budgets.samples import budget
from tests.unit.operations.samples import ACME, admission, rules
from tests.unit.operations.samples import CALLER as ASKER

SAMPLE: Final = sa.MetaData()
TABLES: Final = MAPS
CALLER: Final = Caller(
    principal=Principal(type=PrincipalType.SERVICE, id="svc"),
    identity_id=ACME,
    roles=frozenset(),
    acting_for=("user:ada",),
)
CHANGED: Final = "changed"
OTHER: Final = "other"
TOTALS: Final = sa.select(BUDGETS.c.version - 1).where(
    BUDGETS.c.budget_id == CHANGED, BUDGETS.c.version > 1
)
"""How often the budget was changed, if it was."""
IMPOSSIBLE: Final = -1
"""A check of the table refuses a limit this low."""
ROOMY: Final = ProviderLimit(requests=10_000, window_us=1, guard_us=0, dispatch_within_us=1)


@dataclass(frozen=True, slots=True)
class Change:
    """Changes a budget and leaves an entry; the outcome is how often it was changed."""

    limit_nanousd: int = 10**12
    budget_id: str = CHANGED

    def asked(self) -> engine.Command:
        """For the kernel."""
        return self._update.asked()

    def outcome(self, answer: Answer) -> int:
        """Each change makes a version."""
        standing = self._update.outcome(answer)
        assert isinstance(standing, Standing)
        return standing.budget.version - 1

    @property
    def _update(self) -> UpdateBudget:
        return UpdateBudget(
            caller=CALLER, budget_id=self.budget_id, limit_nanousd=self.limit_nanousd, version=None
        )


class Timed(Change):
    """The same; the outcome is the batch's moment."""

    def outcome(self, answer: Answer) -> Any:
        """When it was decided."""
        return answer.moment


class Ask(Admit):
    """A query is admitted, which followers are told; the outcome is the answer's name."""

    def __init__(
        self, request_id: str, *, content: bytes = b"\x01" * 32, caller: Caller = ASKER
    ) -> None:
        asked = admission(request_id, content=content, caller=caller)
        super().__init__(asked, rules(default_limit=ROOMY), take_slot=True)

    def outcome(self, answer: Answer) -> Any:
        """What it came to."""
        return answer.kind


def unanswerable() -> Ask:
    """A query whose row a check of its table refuses: its digest has no bytes."""
    return Ask("poison", content=b"")


class Nothing:
    """Writes nothing: nobody holds the provider back."""

    def asked(self) -> engine.Command:
        """For the kernel."""
        return LetGo(0, "nobody").asked()

    def outcome(self, answer: Answer) -> None:
        """Nothing."""


def filling() -> RecordViolation:
    """Fills pages."""
    return RecordViolation(
        violation_id=new_id(),
        ledger_number=0,
        caller=Caller(principal=CALLER.principal, identity_id=ACME, roles=frozenset()),
        type=ViolationType.CROSS_IDENTITY_ACCESS,
        target_kind="query",
        target_id=new_id() * 50,
    )


def prepare(connection: sa.Connection) -> None:
    """The tables, and the budgets that commands are about."""
    SAMPLE.create_all(connection)
    for budget_id, identity_id in ((CHANGED, ACME), (OTHER, ACME)):
        row = budget(budget_id, 10**12, identity_id=identity_id)
        # Two of one scope and period are refused, so that one is a sphere's that nobody asks in.
        scope = {"scope": "sphere", "scope_value": "none"} if budget_id == OTHER else {}
        values = dict(zip(BUDGETS.c.keys(), BUDGETS_MAP.encode(row), strict=True)) | scope
        connection.execute(BUDGETS.insert().values(values))


class Colour(enum.Enum):
    """An enum that is stored by value."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """One column of each type."""

    sampler_id: str
    data: bytes
    flag: bool
    names: tuple[str, ...]
    colour: Colour
    remark: str
    count: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.sampler_id,)


SAMPLERS: Final = sa.Table(
    "samplers",
    SAMPLE,
    sa.Column("sampler_id", sa.Text, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("flag", sa.Boolean, nullable=False),
    sa.Column("names", Strings, nullable=False),
    sa.Column("colour", EnumText(Colour), nullable=False),
    sa.Column("remark", sa.Text, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
)
SAMPLERS_MAP: Final = TableMap(Sampler, SAMPLERS)
