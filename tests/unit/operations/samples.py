"""A small world for commands: one identity, one budget, providers with two slots, and its laws."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any, Final, TypeVar

from chenu_server.caller import Caller, Principal
from chenu_server.command import Command, Moment
from chenu_server.engine import Prompt
from chenu_server.governance.budgets.model import Budget, BudgetPeriod, Hold
from chenu_server.governance.checkpoints.model import Checkpoint, Expiries, Resolution
from chenu_server.governance.limits.model import ProviderLimit
from chenu_server.governance.policy.load import load_policies
from chenu_server.governance.tools.model import Tools
from chenu_server.operations.ask import Admit
from chenu_server.operations.rules import Rules
from chenu_server.operations.wait import Resolve
from chenu_server.pipeline.conversation import Part, Tool, asked
from chenu_server.pipeline.model import (
    Analysis,
    Candidate,
    Encoded,
    Exclusion,
    LaneReport,
    Outcome,
    QueryRequest,
    Route,
    Snapshot,
    TokenUsage,
)
from chenu_server.pipeline.ports import (
    Admission,
    Admitted,
    AttemptEnd,
    Blocked,
    NextAttempt,
    Proposing,
    Resumption,
    Settlement,
)
from chenu_server.pipeline.records import (
    Attempt,
    AttemptState,
    EventSegment,
    Operation,
    QueryContent,
)
from chenu_server.providers.model import Rates
from chenu_server.vocabulary import (
    CheckpointState,
    CheckpointType,
    Decision,
    Intent,
    Lane,
    LaneStatus,
    OperationKind,
    PartKind,
    PrincipalType,
    QueryStatus,
    Role,
    Scope,
    Sphere,
    ToolEffect,
)
from tests.fakes.rows import FakeRows, run
from tests.unit.budgets.samples import NOON, budget

T = TypeVar("T")

ACME: Final = "acme"
SECOND_US: Final = 1_000_000
LIFETIME_US: Final = 60 * SECOND_US
LIMIT: Final = ProviderLimit(
    requests=2, window_us=10 * SECOND_US, guard_us=250_000, dispatch_within_us=SECOND_US
)
BACKEND: Final = Principal(type=PrincipalType.SERVICE, id="backend")
ANN: Final = Principal(type=PrincipalType.USER, id="ann")
CALLER: Final = Caller(principal=BACKEND, identity_id=ACME, roles=frozenset({Role.MEMBER}))
POLICIES: Final = load_policies(None)

BODY_BYTES: Final = 100
CAP: Final = 1_000


def candidate(provider: str, price: int = 1) -> Candidate:
    """A model whose input token costs `price` nano-USD and whose output token twice that."""
    rates = Rates(
        input=price * 1_000_000,
        output=2 * price * 1_000_000,
        cache_read=0,
        cache_write=0,
        cache_write_hour=0,
        source="test",
    )
    return Candidate(
        provider=provider,
        model="model",
        bound_nanousd=bound_of(price),
        body_bytes=BODY_BYTES,
        extra_tokens=0,
        dearest_input_rate=rates.dearest_input,
        output_rate=rates.output,
        rates=rates,
    )


def bound_of(price: int, cap: int = CAP) -> int:
    """What an attempt with such a model can cost at most."""
    return price * (BODY_BYTES + 2 * cap)


FIRST: Final = candidate("first", 1)
SECOND: Final = candidate("second", 2)
BOUND_1: Final = bound_of(1)
BOUND_2: Final = bound_of(2)


def route(*chain: Candidate, **fields: Any) -> Route:
    """A route along these candidates."""
    dearest = max((each.bound_nanousd for each in chain), default=0)
    given = {"candidates": (), "exclusions": (), "price_unknown": False, **fields}
    return Route(chain=chain, dearest_bound_nanousd=dearest, **given)


NOWHERE: Final = route(exclusions=(Exclusion(provider="p", model="m", reason="regions"),))
UNPRICED: Final = route(
    exclusions=(Exclusion(provider="p", model="m", reason="price_unknown"),), price_unknown=True
)


def rules(**fields: Any) -> Rules:
    """The rules of the process `owner`, with the shipped policies."""
    ids = count(1)
    given: dict[str, Any] = {
        "policies": POLICIES,
        "expiries": Expiries(LIFETIME_US, {CheckpointType.CROSS_SPHERE: LIFETIME_US // 2}),
        "default_limit": LIMIT,
        "ledger_number": 0,
        "owner_id": "owner",
        "least_cap": 256,
        "budget_required": True,
        "pending_max": 100,
        "tools": Tools(unlisted="allow"),
        "make_id": lambda: f"checkpoint-{next(ids)}",
        **fields,
    }
    return Rules(**given)


def analysis(intents: tuple[Intent, ...]) -> Analysis:
    """What lane A makes of a command that shows just these intents."""
    return Analysis(
        intents=intents,
        detected=intents,
        confidence=0.9,
        entities=(),
        keywords=(),
        sensitivity="internal",
    )


CONTENT: Final = QueryContent(identity_id=ACME, request_id="", request="{}", plan="{}")


def admission(
    request_id: str = "q",
    *,
    chain: Route | None = None,
    intents: tuple[Intent, ...] = (Intent.QUERY,),
    caller: Caller = CALLER,
    content: bytes = b"content",
    digest: bytes = b"\x01" * 32,
    crosses_spheres: bool = False,
    default_cap: bool = False,
    max_cost: int | None = None,
    resume_on_approval: bool = False,
) -> Admission:
    """A query after lanes A to C."""
    routed = chain or route(FIRST, SECOND)
    reports = tuple(
        LaneReport(lane=lane, status=LaneStatus.COMPLETED, duration_us=1)
        for lane in (Lane.A_INTENT, Lane.B_CONTEXT, Lane.C_ENCODING)
    )
    request = QueryRequest(
        request_id=request_id,
        conversation=asked("Do it"),
        intents=intents,
        resume_on_approval=resume_on_approval,
    )
    return Admission(
        caller=caller,
        request=request,
        content_digest=content,
        content=replace(CONTENT, identity_id=caller.identity_id, request_id=request_id),
        analysis=analysis(intents),
        snapshot=Snapshot(
            snapshot_id="snapshot",
            content_hash=bytes(32),
            spheres=(Sphere.PERSONAL,),
            crosses_spheres=crosses_spheres,
        ),
        encoded=Encoded(
            prompt=Prompt(asked("Do it").messages),
            output_cap=CAP,
            cap_is_default=default_cap,
            max_cost_nanousd=routed.dearest_bound_nanousd if max_cost is None else max_cost,
            action_digest=digest,
            route=routed,
        ),
        deadline_ms=300_000,
        lanes=reports,
        lane_started_ns=0,
    )


class World:
    """Rows, a clock, and commands that run one after another; the laws hold after each."""

    def __init__(self, limit_nanousd: int = 100_000, **rule: Any) -> None:
        self.rows = FakeRows(budget("b", limit_nanousd, identity_id=ACME))
        self.rules = rules(**rule)
        self.now_us = NOON

    def act(self, command: Command[T]) -> T:
        """A command's outcome."""
        outcome = run(command, self.rows, Moment(now_us=self.now_us, mono_ns=self.now_us * 1_000))
        check_laws(self.rows)
        return outcome

    def admit(self, asked: Admission | None = None, *, take_slot: bool = True) -> object:
        """What lane D answers."""
        return self.act(Admit(asked or admission(), self.rules, take_slot=take_slot))

    def admitted(self, asked: Admission | None = None) -> Admitted:
        """A query that may run."""
        answer = self.admit(asked)
        assert isinstance(answer, Admitted)
        return answer

    def blocked(self, asked: Admission | None = None) -> Blocked:
        """A query that waits for a person."""
        answer = self.admit(asked or admission(intents=(Intent.DELETE,)))
        assert isinstance(answer, Blocked)
        return answer

    def resolve(self, decision: Decision, decision_id: str = "d", **fields: Any) -> object:
        """What a person's decision on the one checkpoint comes to; Ann's, unless told otherwise."""
        given = {"reason": "why", "expected_digest": b"", "by": ANN, **fields}
        resolution = Resolution(decision_id=decision_id, decision=decision, **given)
        return self.act(Resolve(ACME, "q", "checkpoint-1", resolution, self.rules))

    def approved(self, asked: Admission | None = None) -> Resumption:
        """A query that a person has approved, as it asks to go on."""
        wanted = asked or admission(intents=(Intent.DELETE,))
        self.blocked(wanted)
        self.resolve(Decision.APPROVE)
        return resumption(self.query, wanted)

    @property
    def query(self) -> Operation:
        """The query `q` as it stands."""
        found = self.rows.get(Operation, (ACME, "q"))
        assert found is not None
        return found

    @property
    def held(self) -> Hold:
        """What is held for it."""
        found = self.rows.get(Hold, (ACME, "q"))
        assert found is not None
        return found

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that it made."""
        found = self.rows.get(Checkpoint, (ACME, "checkpoint-1"))
        assert found is not None
        return found

    @property
    def money(self) -> tuple[int, int, int]:
        """Posted, reserved and overrun of the budget."""
        periods = self.rows.all(BudgetPeriod)
        return (
            sum(each.posted_nanousd for each in periods),
            sum(each.reserved_nanousd for each in periods),
            sum(each.overrun_nanousd for each in periods),
        )

    @property
    def kinds(self) -> list[str]:
        """The kinds of the query's events, in order."""
        segments = sorted(self.rows.all(EventSegment), key=lambda each: each.first_sequence)
        of_query = [each for each in segments if each.request_id == "q"]
        return [event.kind.value for segment in of_query for event in segment.events]

    @property
    def entries(self) -> list[str]:
        """The decisions in the ledger, in order."""
        return [entry.decision for entry in self.rows.entries]

    def lane(self, lane: Lane) -> LaneStatus:
        """How one lane of the query went."""
        return next(each.status for each in self.query.lanes if each.lane is lane)

    def set_limit(self, limit_nanousd: int) -> None:
        """An admin changes the budget's limit."""
        found = self.rows.get(Budget, ("b",))
        assert found is not None
        self.rows.put(replace(found, limit_nanousd=limit_nanousd))


def resumption(query: Operation, asked: Admission, **fields: Any) -> Resumption:
    """An approved query's question, with its stored results."""
    given: dict[str, Any] = {"encoded": asked.encoded, "deadline_ms": 60_000, **fields}
    return Resumption(
        caller=asked.caller,
        query=query,
        request=asked.request,
        analysis=asked.analysis,
        snapshot=asked.snapshot,
        **given,
    )


def ended(
    admitted: Admitted,
    charge: int,
    *,
    failure: str = "",
    estimated: bool = False,
    usage: TokenUsage | None = None,
) -> AttemptEnd:
    """How the admitted attempt went."""
    return AttemptEnd(
        attempt=admitted.attempt,
        usage=usage or TokenUsage(),
        charge_nanousd=charge,
        estimated=estimated,
        failure=failure,
        duration_us=5,
        stop_reason="" if failure else "stop",
    )


def following(admitted: Admitted, end: AttemptEnd) -> NextAttempt:
    """The failed attempt's question for the next candidate."""
    return NextAttempt(query=admitted.query, ended=end, chain=admitted.chain[1:])


def settlement(
    admitted: Admitted,
    end: AttemptEnd | None,
    status: QueryStatus = QueryStatus.COMPLETED,
    outcome: Outcome | None = None,
    output: str | tuple[Part, ...] = "",
) -> Settlement:
    """Lane G's question."""
    if isinstance(output, str):
        output = (Part(kind=PartKind.TEXT, text=output),) if output else ()
    return Settlement(
        query=admitted.query,
        status=status,
        outcome=outcome or Outcome(),
        ended=end,
        output=output,
        execution_us=7,
        lane_started_ns=0,
        proposing=proposing(output),
    )


def proposing(output: tuple[Part, ...]) -> Proposing:
    """Whose answer it is: somebody's who has declared each tool that it calls."""
    asked = admission()
    names = {part.name for part in output if part.kind is PartKind.TOOL_CALL}
    tools = tuple(Tool(name=name, effect=ToolEffect.READ) for name in sorted(names))
    conversation = replace(asked.request.conversation, tools=tools)
    return Proposing(
        caller=CALLER,
        request=replace(asked.request, conversation=conversation),
        analysis=asked.analysis,
        snapshot=asked.snapshot,
        providers=("openai",),
    )


def check_laws(rows: FakeRows) -> None:
    """What holds at every committed state, whatever the commands were."""
    for budget_row in rows.all(Budget):
        _check_money(rows, budget_row)
    for query in rows.all(Operation):
        if query.kind is OperationKind.QUERY:  # no other has a log
            _check_log(rows, query)
        _check_attempts(rows, query)


def _check_money(rows: FakeRows, limit: Budget) -> None:
    """Budgets hold exactly what reservations say, and what is held belongs to a live query."""
    periods = [each for each in rows.all(BudgetPeriod) if each.budget_id == limit.budget_id]
    reservations = [
        each
        for each in rows.all(Hold)
        if any(budget_id == limit.budget_id for budget_id, _ in each.legs)
    ]
    assert Scope.IDENTITY is limit.scope
    assert sum(r.amount_nanousd for r in reservations) == sum(p.reserved_nanousd for p in periods)
    assert sum(r.posted_nanousd for r in reservations) == sum(p.posted_nanousd for p in periods)
    assert sum(r.overrun_nanousd for r in reservations) == sum(p.overrun_nanousd for p in periods)
    for reservation in reservations:
        query = rows.get(Operation, reservation.key)
        assert query is not None
        assert query.status.is_final == (reservation.state.value != "held")
        assert query.status.is_final == (reservation.ended_us > 0)
        assert reservation.amount_nanousd == 0 or not query.status.is_final


def _check_log(rows: FakeRows, query: Operation) -> None:
    """Sequences are dense; the final event stands last, once, exactly when the query has ended."""
    segments = [each for each in rows.all(EventSegment) if each.key[:2] == query.key]
    events = [event for segment in segments for event in segment.events]
    events.sort(key=lambda each: each.sequence)
    assert list(range(1, query.event_count + 1)) == [each.sequence for each in events]
    finals = [each.sequence for each in events if each.kind.is_final]
    assert ([query.event_count] if query.status.is_final else []) == finals
    if query.status.is_final:
        assert list(Lane) == [report.lane for report in query.lanes]
        assert query.owner_id == ""


def _check_attempts(rows: FakeRows, query: Operation) -> None:
    """One attempt executes exactly while the query runs, and the query's cost is their sum."""
    attempts = [each for each in rows.all(Attempt) if each.key[:2] == query.key]
    executing = [each for each in attempts if each.state is AttemptState.EXECUTING]
    assert len(executing) == (query.status is QueryStatus.RUNNING)
    assert query.attempts == len(attempts)
    assert query.cost_nanousd == sum(each.cost_nanousd for each in attempts)
    executes = [
        each
        for each in rows.entries
        if each.decision == "execute" and (each.identity_id, each.resource_id) == query.key
    ]
    assert len(executes) == len(attempts)


def has_lapsed(checkpoint: Checkpoint, now: Moment) -> bool:
    """Whether nobody decided in time, or the approval was not used in time."""
    pending = checkpoint.state is CheckpointState.PENDING
    end_us = checkpoint.expires_us if pending else checkpoint.use_before_us
    return checkpoint.is_open and now.now_us >= end_us
