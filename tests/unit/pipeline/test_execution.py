"""Lane F: whatever goes wrong with a call, the query ends with what it may have cost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from chenu_server.engine import CanonicalRequest
from chenu_server.errors import (
    ChenuError,
    DeadlineUnreachable,
    GovernanceUnavailable,
    QueueFull,
    ServerOverloaded,
)
from chenu_server.pipeline.lanes.execution import ExecutionLane
from chenu_server.pipeline.lanes.steps import Fail, Proceed
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.ports import Admitted, Governance, NextAttempt, Providers, Wait
from chenu_server.pipeline.records import AttemptState
from chenu_server.pipeline.run import QueryRun
from chenu_server.pipeline.state import QueryState
from chenu_server.pipeline.stop import StopReason
from chenu_server.pipeline.waiting import ProviderQueue
from chenu_server.providers.model import (
    Billing,
    ChatRequest,
    Finished,
    PartDelta,
    Proof,
    ProviderEvent,
    ProviderFailure,
    Retry,
    ToolCall,
    Usage,
)
from chenu_server.steady import wall_us
from chenu_server.vocabulary import QueryStatus
from tests.unit.operations.samples import BOUND_1, World, admission

ANSWER = (
    PartDelta(0, "text", "hi"),
    Finished(usage=Usage(input_tokens=3, output_tokens=4), stop_reason="stop", model="m"),
)
UNREACHED = ProviderFailure(
    retry=Retry.ELSEWHERE, billing=Billing.FREE, kind="connection", detail="refused"
)


@dataclass
class FakeProvider:
    """Goes out, or does not, and then says or raises what it was told to."""

    events: tuple[ProviderEvent, ...] = ANSWER
    error: Exception | None = None
    goes_out: bool = True
    calls: int = 0
    failed: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(
        self, request: ChatRequest, *, timeout_s: float, on_dispatch: Callable[[int], None]
    ) -> AsyncGenerator[ProviderEvent, None]:
        """One call."""
        self.calls += 1
        if self.goes_out:
            on_dispatch(time.monotonic_ns())
        if self.error is not None:
            self.failed.set()
            raise self.error
        for event in self.events:
            yield event


class BreakingProvider(FakeProvider):
    """Says what it was told to, and breaks then."""

    async def stream(
        self, request: ChatRequest, *, timeout_s: float, on_dispatch: Callable[[int], None]
    ) -> AsyncGenerator[ProviderEvent, None]:
        """One call."""
        on_dispatch(time.monotonic_ns())
        for event in self.events:
            yield event
        raise UNREACHED


@dataclass
class FakeGovernance:
    """Admits nothing anew and has no slot for a further attempt."""

    readmits: list[ChenuError] = field(default_factory=list)
    retried: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold_back(self, provider: str, told_ns: int, wait_ms: int) -> None:
        """Nobody looks."""

    def dispatched(self, admitted: Admitted, mono_ns: int) -> None:
        """Nobody looks."""

    async def readmit(self, admitted: Admitted) -> Admitted | Wait:
        """The refusal."""
        raise self.readmits.pop()

    async def retry(self, following: NextAttempt) -> Wait:
        """Wait for half the time that the query has."""
        self.retried.set()
        return Wait(free_times_us=(30_000_000,))


class BrokenGovernance(FakeGovernance):
    """Raises what nobody expects."""

    async def retry(self, following: NextAttempt) -> Wait:
        """A bug."""
        raise KeyError("bug")


class AwayGovernance(FakeGovernance):
    """Cannot record anything now."""

    async def retry(self, following: NextAttempt) -> Wait:
        """The refusal."""
        raise GovernanceUnavailable


class FullGovernance(FakeGovernance):
    """Has no room for a further attempt before the deadline either."""

    async def retry(self, following: NextAttempt) -> Wait:
        """The refusal."""
        raise QueueFull(3_000_000, "anthropic")


async def no_times(provider: str, count: int) -> tuple[int, ...]:
    """No slot was ever taken."""
    return ()


@dataclass
class Scene:
    """One admitted query in front of lane F."""

    provider: FakeProvider
    governance: FakeGovernance = field(default_factory=FakeGovernance)
    admitted_ago_s: float = 0

    async def start(self) -> tuple[ExecutionLane, QueryState, QueryRun]:
        """The lane, the query and its run."""
        asked = admission()
        admitted = World().admitted(asked)
        mono_ns = time.monotonic_ns() - int(self.admitted_ago_s * 1e9)
        admitted = replace(admitted, moment=replace(admitted.moment, mono_ns=mono_ns))
        names = {each.provider for each in admitted.chain}
        queues = {
            name: ProviderQueue(
                name, waiting_max=10, held_us=1, free_times=no_times, now_us=lambda: 0
            )
            for name in names
        }
        providers = cast(Providers, dict.fromkeys(names, self.provider))
        lane = ExecutionLane(
            cast(Governance, self.governance),
            lambda: providers,
            queues,
            dispatch_within_us=1_000_000,
            dice=random.Random(1),
            now_us=wall_us,
        )
        state = QueryState(
            caller=asked.caller,
            request=asked.request,
            read=CanonicalRequest(asked.request),
            content_digest=b"",
            deadline_ms=0,
        )
        route = replace(asked.encoded.route, providers=providers)
        state.encoded, state.admitted = replace(asked.encoded, route=route), admitted
        log = QueryLog(admitted.query.key, admitted.query.asked)
        run = QueryRun(log, deadline_s=60, abandon_after_s=60, detached=True)
        return lane, state, run


async def outcome(scene: Scene) -> tuple[Proceed | Fail, QueryState]:
    """How the query goes on, and what lane G is told."""
    lane, state, run = await scene.start()
    try:
        return await lane.run(state, run), state
    finally:
        run.finish()


def cost(state: QueryState) -> tuple[int, bool, str]:
    """What the last attempt is charged, whether that is estimated, and how it failed."""
    assert state.ended is not None
    return state.ended.charge_nanousd, state.ended.estimated, state.ended.failure


async def test_an_answer_is_charged_by_its_usage() -> None:
    """Tokens by rates, rounded up once."""
    step, state = await outcome(Scene(FakeProvider()))

    assert Proceed() == step
    assert (3 + 2 * 4, False, "") == cost(state)


@pytest.mark.parametrize(("goes_out", "charge"), [(True, BOUND_1), (False, 0)])
async def test_a_bug_in_a_call_does_not_lose_what_it_may_have_cost(
    goes_out: bool, charge: int
) -> None:
    """What went out is charged at its bound, whatever broke afterwards."""
    provider = FakeProvider(error=KeyError("bug"), goes_out=goes_out)

    step, state = await outcome(Scene(provider))

    assert isinstance(step, Fail)
    assert "INTERNAL" == step.outcome.reason
    assert (charge, goes_out, "internal") == cost(state)


async def test_a_stream_without_its_terminator_is_never_a_success() -> None:
    """Even of a provider that just stops talking."""
    step, state = await outcome(Scene(FakeProvider(events=(PartDelta(0, "text", "hi"),))))

    assert isinstance(step, Fail)
    assert (BOUND_1, True, "internal") == cost(state)


async def test_a_call_reaches_no_reader_and_the_answer_has_it() -> None:
    """The lane tells what is said; what is to be done is told by who records it."""
    thought, said = PartDelta(0, "reasoning", "hm"), PartDelta(2, "text", "hi")
    finished = replace(
        ANSWER[-1],
        calls=(ToolCall(part=1, call_id="c", name="look", arguments="{}"),),
        proofs=(Proof(part=0, signature="s", redacted=""),),
    )
    lane, state, run = await Scene(FakeProvider(events=(thought, said, finished))).start()

    step = await lane.run(state, run)
    run.finish()

    assert Proceed() == step
    assert [("reasoning", "hm"), ("text", "hi")] == [
        (part.kind.value, part.text) for part in run.log.parts
    ]
    assert [("hm", "s"), ("{}", ""), ("hi", "")] == [
        (part.text, part.signature) for part in state.output.parts()
    ]


@pytest.mark.parametrize("kind", ["text", "reasoning"])
async def test_whatever_a_reader_was_given_lets_no_other_model_answer(kind: str) -> None:
    """A thought is a piece of this model's answer as much as a text; a call was not given."""
    step, _ = await outcome(Scene(BreakingProvider(events=(PartDelta(0, kind, "é"),))))

    assert isinstance(step, Fail)
    assert "STREAM_TRUNCATED" == step.outcome.reason
    assert ("output_length", "2") in step.outcome.error


async def test_an_attempt_that_broke_behind_its_calls_has_none() -> None:
    """The next model is asked: nobody has seen anything."""
    finished = replace(
        ANSWER[-1], calls=(ToolCall(part=0, call_id="c", name="look", arguments="{}"),)
    )
    scene = Scene(BreakingProvider(events=(finished,)), AwayGovernance())

    step, state = await outcome(scene)

    assert isinstance(step, Fail)
    assert "PROVIDER_UNAVAILABLE" == step.outcome.reason
    assert () == state.output.parts()


@pytest.mark.parametrize("refusal", [GovernanceUnavailable(), ServerOverloaded(1, "units")])
async def test_a_call_that_cannot_be_admitted_anew_ends_for_good(refusal: ChenuError) -> None:
    """It cost nothing. What ends a query never asks for the same call again: it has its answer."""
    scene = Scene(FakeProvider(), FakeGovernance([refusal]), admitted_ago_s=5)

    step, state = await outcome(scene)

    assert isinstance(step, Fail)
    assert "PROVIDER_UNAVAILABLE" == step.outcome.reason
    assert "not_admitted" in step.outcome.error[0][1]
    assert (0, False, "not_dispatched") == cost(state)
    assert 0 == scene.provider.calls


async def test_a_call_that_nobody_has_room_for_anew_ends_for_good() -> None:
    """And tells when there is room: under a new id, for the old one has ended."""
    refusals: list[ChenuError] = [DeadlineUnreachable(5_000_000, "openai")]
    scene = Scene(FakeProvider(), FullGovernance(refusals), admitted_ago_s=5)

    step, state = await outcome(scene)

    assert isinstance(step, Fail)
    assert "PROVIDER_UNAVAILABLE" == step.outcome.reason
    assert "retry_at_us" in dict(step.outcome.error)
    assert (0, False, "not_dispatched") == cost(state)


@pytest.mark.parametrize(
    ("reason", "status", "error"),
    [
        (StopReason.CANCELLED, QueryStatus.CANCELLED, "QUERY_CANCELLED"),
        (StopReason.ABANDONED, QueryStatus.CANCELLED, "QUERY_CANCELLED"),
        (StopReason.DEADLINE, QueryStatus.FAILED, "DEADLINE_EXCEEDED"),
    ],
)
async def test_a_stop_while_the_next_provider_has_no_slot_ends_the_query_by_that_stop(
    reason: StopReason, status: QueryStatus, error: str
) -> None:
    """The first attempt's failure is recorded, the query is what it was told to be."""
    scene = Scene(FakeProvider(error=UNREACHED, goes_out=False))
    lane, state, run = await scene.start()
    running = asyncio.create_task(lane.run(state, run))
    await asyncio.wait_for(scene.governance.retried.wait(), 5)
    await asyncio.sleep(0)

    run.stop.set(reason)
    step: Any = await running
    run.finish()

    assert (status, error) == (step.status, step.outcome.reason)
    assert (0, False, "connection") == cost(state)
    assert AttemptState.EXECUTING is cast(Admitted, state.admitted).attempt.state


async def test_nothing_is_tried_for_a_query_that_was_stopped() -> None:
    """The failure of the call that was on its way does not start another."""
    scene = Scene(FakeProvider(error=UNREACHED, goes_out=False))
    lane, state, run = await scene.start()
    original = scene.provider.stream

    async def stopping(
        request: ChatRequest, *, timeout_s: float, on_dispatch: Callable[[int], None]
    ) -> AsyncGenerator[ProviderEvent, None]:
        run.stop.reason = StopReason.CANCELLED
        async for event in original(request, timeout_s=timeout_s, on_dispatch=on_dispatch):
            yield event

    scene.provider.stream = stopping  # type: ignore[method-assign] # a stop in the same instant
    step: Any = await lane.run(state, run)
    run.finish()

    assert "QUERY_CANCELLED" == step.outcome.reason
    assert not scene.governance.retried.is_set()


async def test_a_bug_in_the_next_attempts_admission_still_ends_the_query() -> None:
    """Money is held for it: what the first attempt cost is recorded, and the reason is a bug."""
    scene = Scene(FakeProvider(error=UNREACHED, goes_out=False), BrokenGovernance())

    step, state = await outcome(scene)

    assert isinstance(step, Fail)
    assert "INTERNAL" == step.outcome.reason
    assert (0, False, "connection") == cost(state)


async def test_a_next_attempt_that_cannot_be_recorded_leaves_the_first_ones_failure() -> None:
    """Lane G tries until it can be recorded; nobody was told of a second attempt."""
    scene = Scene(FakeProvider(error=UNREACHED, goes_out=False), AwayGovernance())

    step, state = await outcome(scene)

    assert isinstance(step, Fail)
    assert "PROVIDER_UNAVAILABLE" == step.outcome.reason
    assert (0, False, "connection") == cost(state)


# --- one provider, two models -----------------------------------------------------------------


@dataclass
class TwiceGovernance(FakeGovernance):
    """Admits every further attempt at once."""

    admitted: list[float] = field(default_factory=list)

    async def retry(self, following: NextAttempt) -> Any:
        """The next attempt."""
        self.retried.set()
        self.admitted.append(time.monotonic())
        return Wait(free_times_us=(30_000_000,))


def failing(after_ms: int | None = None) -> ProviderFailure:
    """A provider that is overloaded, and may say for how long."""
    return ProviderFailure(
        retry=Retry.LATER,
        billing=Billing.FREE,
        kind="http_429",
        detail="",
        retry_after_ms=after_ms,
    )


async def same_provider(scene: Scene) -> tuple[ExecutionLane, QueryState, QueryRun]:
    """The scene with a chain of two models of one provider."""
    lane, state, run = await scene.start()
    assert state.admitted is not None
    first, *rest = state.admitted.chain
    chain = (first, *(replace(each, provider=first.provider) for each in rest))
    state.admitted = replace(state.admitted, chain=chain)
    return lane, state, run


async def test_a_provider_that_failed_is_given_a_moment_before_its_next_model_is_asked() -> None:
    """It is as overloaded for the one as for the other."""
    scene = Scene(FakeProvider(error=failing(150)), TwiceGovernance())
    lane, state, run = await same_provider(scene)
    started = time.monotonic()

    running = asyncio.create_task(lane.run(state, run))
    await asyncio.wait_for(scene.governance.retried.wait(), 5)
    run.stop.set(StopReason.CANCELLED)
    await running
    run.finish()

    assert isinstance(scene.governance, TwiceGovernance)
    assert scene.governance.admitted[0] - started >= 0.15


async def test_a_provider_that_wants_a_long_time_is_passed_by_and_its_time_is_told() -> None:
    """Nothing is asked of it, and the caller knows when to come back."""
    scene = Scene(FakeProvider(error=failing(30_000)), TwiceGovernance())
    lane, state, run = await same_provider(scene)

    step = await lane.run(state, run)
    run.finish()

    assert isinstance(step, Fail)
    assert "PROVIDER_UNAVAILABLE" == step.outcome.reason
    assert "retry_at_us" in dict(step.outcome.error)
    assert not scene.governance.retried.is_set()


@pytest.mark.parametrize("reason", list(StopReason))
async def test_a_stop_ends_the_wait_for_a_provider(reason: StopReason) -> None:
    """Cancel, deadline, abandonment and drain alike: nobody waits for what will not be."""
    scene = Scene(FakeProvider(error=failing(1_900)), TwiceGovernance())
    lane, state, run = await same_provider(scene)
    running = asyncio.create_task(lane.run(state, run))
    await asyncio.wait_for(scene.provider.failed.wait(), 5)

    run.stop.set(reason)
    step: Any = await asyncio.wait_for(running, 1)
    run.finish()

    assert isinstance(step, Fail)
    assert not scene.governance.retried.is_set()
    assert (0, False, "http_429") == cost(state)


async def test_a_wait_that_outlasts_the_deadline_is_not_begun() -> None:
    """The caller would learn nothing by it but that his time is over."""
    scene = Scene(FakeProvider(error=failing(1_900)), TwiceGovernance())
    lane, state, run = await same_provider(scene)
    run.deadline = time.monotonic() + 1

    step = await asyncio.wait_for(lane.run(state, run), 0.9)
    run.finish()

    assert isinstance(step, Fail)
    assert not scene.governance.retried.is_set()
    assert "PROVIDER_UNAVAILABLE" == step.outcome.reason


async def test_what_only_the_operator_can_mend_is_no_time_to_come_back() -> None:
    """A wrong key is as wrong in seven seconds, whatever its provider tells."""
    refusal = replace(failing(7_000), needs_operator=True, retry=Retry.ELSEWHERE)
    scene = Scene(FakeProvider(error=refusal), FullGovernance())
    lane, state, run = await scene.start()
    assert state.admitted is not None
    state.admitted = replace(state.admitted, chain=state.admitted.chain[:1])

    step = await lane.run(state, run)
    run.finish()

    assert isinstance(step, Fail)
    assert "retry_at_us" not in {key for key, value in step.outcome.error if value not in ("0", 0)}
