"""Lane F: call the admitted provider; while no token has come, the next one may be tried."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

import structlog

from chenu_server import failpoints
from chenu_server.engine import cost
from chenu_server.errors import (
    ChenuError,
    DeadlineExceeded,
    ExecutionInterrupted,
    InternalError,
    ProviderRejected,
    ProviderUnavailable,
    QueryCancelled,
    StreamTruncated,
)
from chenu_server.pipeline.decide import outcome_of
from chenu_server.pipeline.lanes.steps import Fail, Proceed
from chenu_server.pipeline.model import Candidate, QueryStatus, TokenUsage
from chenu_server.pipeline.ports import (
    Admitted,
    AttemptEnd,
    ChainExhausted,
    Governance,
    NextAttempt,
    Providers,
    Wait,
)
from chenu_server.pipeline.state import QueryState, Run
from chenu_server.pipeline.stop import Stopped, StopReason
from chenu_server.pipeline.waiting import ProviderQueue, Submit, Waiter
from chenu_server.providers.model import (
    Billing,
    ChatRequest,
    Finished,
    Message,
    ProviderFailure,
    Retry,
    TextDelta,
    Usage,
)

T = TypeVar("T")

_log = structlog.get_logger(__name__)

# The query's own deadline ends it; the provider's is only there should that fail.
_GRACE_S = 1.0


@dataclass(slots=True)
class _Call:
    """One attempt in flight."""

    admitted: Admitted
    started_ns: int
    dispatched: bool = False
    finished: Finished | None = None

    @property
    def candidate(self) -> Candidate:
        """The model that is called."""
        return self.admitted.chain[0]


class ExecutionLane:
    """Runs the attempts of one query, one after another, each admitted before it goes out."""

    def __init__(
        self,
        governance: Governance,
        providers: Providers,
        queues: Mapping[str, ProviderQueue],
        dispatch_within_us: int,
    ) -> None:
        self._governance = governance
        self._providers = providers
        self._queues = queues
        self._dispatch_within_ns = dispatch_within_us * 1_000

    async def run(self, query: QueryState, run: Run) -> Proceed | Fail:
        """Fill `query.ended` and `query.output`; every failure is an outcome, a bug's too."""
        query.execution_started_ns = time.monotonic_ns()
        failures: list[str] = []
        while True:
            assert query.admitted is not None, "lane D admits before lane F runs"
            call = _Call(query.admitted, time.monotonic_ns())
            try:
                await self._call(call, query, run)
                query.ended = _succeeded(call)
                return Proceed()
            except ProviderFailure as failure:
                failures.append(f"{call.candidate.provider}:{failure.kind}")
                query.ended = _failed(call, failure)
                error = _error_of(failure, call, query, tuple(failures))
                retryable = failure.retry is not Retry.NEVER and not query.output
            except Stopped as stopped:
                query.ended = _given_up(call, stopped.reason.value, "the query was stopped")
                return _fail(stop_error(stopped.reason, query.request.request_id))
            except ChenuError as refusal:
                query.ended = _given_up(call, "not_dispatched", "it was not admitted anew")
                return _fail(refusal)
            except Exception:  # noqa: BLE001 - a bug must not lose what the call may have cost
                _log.exception("execution_failed", request_id=query.request.request_id)
                query.ended = _given_up(call, "internal", "the call was given up")
                return _fail(InternalError())
            try:
                if not retryable or not await self._next(call, query, run):
                    return _fail(error)
            except Stopped as stopped:
                return _fail(stop_error(stopped.reason, query.request.request_id))

    async def _call(self, call: _Call, query: QueryState, run: Run) -> None:
        await self._within_time(call, query, run)
        assert query.encoded is not None
        request = ChatRequest(
            model=call.candidate.model,
            system=query.encoded.system,
            messages=(Message(role="user", text=query.encoded.user),),
            output_cap=call.admitted.output_cap,
        )
        provider = self._providers[call.candidate.provider]
        attempt = call.admitted.attempt.attempt
        failpoints.hit("execution.before_dispatch")
        with run.stop.interrupts():
            stream = provider.stream(
                request,
                timeout_s=max(run.deadline - time.monotonic(), 0) + _GRACE_S,
                on_dispatch=self._dispatch(call),
            )
            async with aclosing(stream) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        query.output.append(event.text)
                        run.log.delta(attempt, event.text)
                        failpoints.hit("execution.streaming")
                    else:
                        call.finished = event
        failpoints.hit("execution.after_answer")

    def _dispatch(self, call: _Call) -> Callable[[], None]:
        def dispatched() -> None:
            call.dispatched = True
            self._governance.dispatched(call.admitted, time.monotonic_ns())

        return dispatched

    async def _within_time(self, call: _Call, query: QueryState, run: Run) -> None:
        """A slot is held for a dispatch within a second; later ones are admitted anew."""
        waited_ns = time.monotonic_ns() - call.admitted.moment.mono_ns
        if waited_ns < self._dispatch_within_ns:
            return

        async def submit(take_slot: bool) -> Admitted | Wait:
            return await self._governance.readmit(call.admitted) if take_slot else Wait()

        call.admitted = await self._queued(call.candidate.provider, submit, query, run)
        query.admitted = call.admitted

    async def _next(self, call: _Call, query: QueryState, run: Run) -> bool:
        """
        Whether another candidate was admitted; then `query.admitted` is its attempt.

        Raises:
            Stopped: The run must end, and not for want of a candidate.
        """
        chain = call.admitted.chain[1:]
        if not chain:
            return False
        run.stop.check()
        assert query.ended is not None
        following = NextAttempt(query=call.admitted.query, ended=query.ended, chain=chain)

        async def submit(take_slot: bool) -> Admitted | ChainExhausted | Wait:
            return await self._governance.retry(following) if take_slot else Wait()

        answer: Admitted | ChainExhausted
        try:
            answer = await self._queued(chain[0].provider, submit, query, run)
        except ChenuError:
            return False
        if isinstance(answer, ChainExhausted):
            return False
        query.admitted, query.ended = answer, None
        return True

    async def _queued(self, provider: str, submit: Submit[T], query: QueryState, run: Run) -> T:
        waiter: Waiter[T] = Waiter(
            identity_id=query.caller.identity_id,
            deadline=run.deadline,
            stop=run.stop,
            submit=submit,
        )
        return await self._queues[provider].run(waiter, run.told_to_wait(provider))


def _succeeded(call: _Call) -> AttemptEnd:
    assert call.finished is not None, "a stream ends with its terminator or raises"
    rates, usage = call.candidate.rates, call.finished.usage
    stop_reason = call.finished.stop_reason
    if usage is None:  # the answer is whole, and what it cost is not known
        charge = call.candidate.bound_nanousd
        return _end(call, charge=charge, estimated=True, stop_reason=stop_reason)
    charge = cost(
        [
            (usage.input_tokens, rates.input),
            (usage.output_tokens, rates.output),
            (usage.cache_read_tokens, rates.cache_read),
            (usage.cache_write_tokens, rates.cache_write),
        ]
    )
    return _end(call, charge=charge, usage=_usage(usage), stop_reason=stop_reason)


def _failed(call: _Call, failure: ProviderFailure) -> AttemptEnd:
    unknown = failure.billing is Billing.UNKNOWN
    charge = call.candidate.bound_nanousd if unknown else 0
    return _end(call, charge=charge, estimated=unknown, failure=failure.kind, detail=failure.detail)


def _given_up(call: _Call, why: str, detail: str) -> AttemptEnd:
    """The end of a call that was left by this side: what went out is charged at its bound."""
    charge = call.candidate.bound_nanousd if call.dispatched else 0
    return _end(call, charge=charge, estimated=call.dispatched, failure=why, detail=detail)


def _end(
    call: _Call,
    *,
    charge: int,
    usage: TokenUsage | None = None,
    estimated: bool = False,
    failure: str = "",
    detail: str = "",
    stop_reason: str = "",
) -> AttemptEnd:
    return AttemptEnd(
        attempt=call.admitted.attempt,
        usage=usage or TokenUsage(),
        charge_nanousd=charge,
        estimated=estimated and charge > 0,
        failure=failure,
        duration_us=(time.monotonic_ns() - call.started_ns) // 1_000,
        stop_reason=stop_reason,
        detail=detail,
    )


def _usage(usage: Usage) -> TokenUsage:
    return TokenUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )


def _error_of(
    failure: ProviderFailure, call: _Call, query: QueryState, failures: tuple[str, ...]
) -> ChenuError:
    provider = call.candidate.provider
    if query.output:
        return StreamTruncated(provider, len("".join(query.output).encode()))
    if failure.retry is Retry.NEVER:
        return ProviderRejected(provider, failure.kind)
    return ProviderUnavailable(failures)


def stop_error(reason: StopReason, request_id: str) -> ChenuError:
    """What a stopped query answers."""
    if reason is StopReason.DEADLINE:
        return DeadlineExceeded(request_id)
    if reason is StopReason.SHUTDOWN:
        return ExecutionInterrupted(request_id)
    return QueryCancelled(request_id)


def _fail(error: ChenuError) -> Fail:
    cancelled = isinstance(error, QueryCancelled)
    status = QueryStatus.CANCELLED if cancelled else QueryStatus.FAILED
    return Fail(status, outcome_of(error))
