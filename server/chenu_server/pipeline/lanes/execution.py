"""Lane F: call the admitted provider; while no token has come, the next one may be tried."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Final, TypeVar

import structlog

from chenu_server import failpoints
from chenu_server.errors import (
    ChenuError,
    DeadlineExceeded,
    DeadlineUnreachable,
    ExecutionInterrupted,
    Internal,
    QueryCancelled,
    QueueFull,
    ServerOverloaded,
)
from chenu_server.pipeline.conversation import Conversation
from chenu_server.pipeline.decide import outcome_of
from chenu_server.pipeline.lanes.attempt import (
    Call,
    Tried,
    failed,
    final_error,
    given_up,
    succeeded,
)
from chenu_server.pipeline.lanes.backoff import WAIT_MAX_S, Backoff
from chenu_server.pipeline.lanes.steps import Fail, Proceed
from chenu_server.pipeline.model import Candidate
from chenu_server.pipeline.output import LIVE
from chenu_server.pipeline.ports import (
    Admitted,
    Governance,
    NextAttempt,
    NotHeld,
    Providers,
    TooDear,
    Wait,
)
from chenu_server.pipeline.state import QueryState, Run
from chenu_server.pipeline.stop import Stopped, StopReason
from chenu_server.pipeline.waiting import ProviderQueue, Submit, Waiter
from chenu_server.providers.model import ChatRequest, Finished, Interrupted, ProviderFailure
from chenu_server.providers.ports import Provider
from chenu_server.vocabulary import QueryStatus

T = TypeVar("T")

_log = structlog.get_logger(__name__)

# A tool that takes nothing is given nothing.
NO_PARAMETERS = '{"type":"object","additionalProperties":false}'
# The query's own deadline ends it; the provider's is only there should that fail.
_GRACE_S = 1.0

OVERLOAD_RETRY_US: Final = 1_000_000


class ExecutionLane:
    """Runs the attempts of one query, one after another, each admitted before it goes out."""

    def __init__(
        self,
        governance: Governance,
        providers: Callable[[], Providers],
        queues: Mapping[str, ProviderQueue],
        dispatch_within_us: int,
        dice: random.Random,
        now_us: Callable[[], int],
        schemas: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._governance = governance
        self._providers = providers
        self._queues = queues
        self._dispatch_within_ns = dispatch_within_us * 1_000
        self._dice = dice
        self._now_us = now_us
        self._schemas = schemas
        self._needs_operator: dict[tuple[str, str, str], Provider] = {}

    async def run(self, query: QueryState, run: Run) -> Proceed | Fail:
        """Fill `query.ended` and `query.output`; every failure is an outcome, a bug's too."""
        query.execution_started_ns = time.monotonic_ns()
        tried = Tried(Backoff(self._dice), self._now_us)
        while True:
            assert query.admitted is not None, "lane D admits before lane F runs"
            call = Call(query.admitted, time.monotonic_ns())
            step = await self._attempt(call, query, run, tried)
            if step is None:
                step = await self._follow(call, query, run, tried)
            if step is not None:
                return step

    async def _attempt(
        self, call: Call, query: QueryState, run: Run, tried: Tried
    ) -> Proceed | Fail | None:
        """How the query ends by this attempt, or None: another candidate may be tried."""
        request_id = query.request.request_id
        try:
            await self._call(call, query, run)
            query.ended = succeeded(call)
            query.output.finish(call.answer)
            self._works(call.candidate)
            return Proceed()
        except ProviderFailure as failure:
            tried.failed(call.candidate.provider, failure)
            # Recorded before this query goes on: whoever asks for a slot next, be it this very
            # query, must find that the provider is not to be called.
            await self._heed(failure, call.candidate, _provider_of(call, query))
            query.ended = failed(call, failure)
            error = final_error(failure, call, query.output)
            return None if error is None else _fail(error)
        except Stopped as stopped:
            query.ended = given_up(call, stopped.reason.value, "the query was stopped")
            return _fail(stop_error(stopped.reason, request_id))
        except (QueueFull, DeadlineUnreachable) as refusal:  # its slot lapsed before it went out
            tried.had_no_room(call.candidate.provider, refusal)
            query.ended = given_up(call, "not_dispatched", "it found no room anew")
            return None
        except Internal as error:  # the command's bug, which the writer has logged
            query.ended = given_up(call, "internal", "it was not admitted anew")
            return _fail(error)
        except ChenuError as refusal:
            _log.warning("not_admitted_anew", request_id=request_id, error=str(refusal))
            tried.was_not_admitted(call.candidate.provider)
            query.ended = given_up(call, "not_dispatched", "it was not admitted anew")
            # Not by the refusal's own reason, which asks for the same call again: an admitted query
            # has its answer for good.
            return _fail(tried.error())
        except Exception:  # noqa: BLE001 - a bug must not lose what the call may have cost
            _log.exception("execution_failed", request_id=request_id)
            query.ended = given_up(call, "internal", "the call was given up")
            return _fail(Internal())

    async def _heed(
        self, failure: ProviderFailure, candidate: Candidate, provider: Provider
    ) -> None:
        """What it says to all, unless a reload has put another provider in the place of this."""
        # The provider's time runs from here on, and not from when a batch takes the command.
        told_ns, name = time.monotonic_ns(), candidate.provider
        if self._providers().get(name) is not provider:
            return
        if failure.needs_operator:
            self._tell_operator(failure, candidate, provider)
        if failure.holds_back and failure.retry_after_ms is not None:
            await self._governance.hold_back(name, told_ns, failure.retry_after_ms)

    def _tell_operator(
        self, failure: ProviderFailure, candidate: Candidate, provider: Provider
    ) -> None:
        """Once until the model answers again: every call of this provider would say the same."""
        told = (candidate.provider, candidate.model, failure.kind)
        # By the very provider and not by its name: of another one that has it now the operator is
        # told anew.
        if self._needs_operator.get(told) is not provider:
            self._needs_operator[told] = provider
            _log.error(
                "provider_needs_operator",
                provider=candidate.provider,
                model=candidate.model,
                kind=failure.kind,
                detail=failure.detail,
            )

    def _works(self, candidate: Candidate) -> None:
        if self._needs_operator:
            model = (candidate.provider, candidate.model)
            told = self._needs_operator.items()
            self._needs_operator = {each: by for each, by in told if each[:2] != model}

    async def _follow(self, call: Call, query: QueryState, run: Run, tried: Tried) -> Fail | None:
        """Admit the next candidate that has room: None, and `query.admitted` is its attempt.

        Whatever goes wrong here, the query ends in lane G: money is held for it.
        """
        request_id = query.request.request_id
        try:
            if await self._next(call, query, run, tried):
                return None
        except Stopped as stopped:
            return _fail(stop_error(stopped.reason, request_id))
        except Internal as error:  # the command's bug, which the writer has logged
            return _fail(error)
        except ChenuError as refusal:  # it cannot be recorded now; lane G tries until it can
            _log.warning("next_attempt_refused", request_id=request_id, error=str(refusal))
        except Exception:  # noqa: BLE001 - see above
            _log.exception("next_attempt_failed", request_id=request_id)
            return _fail(Internal())
        return _fail(tried.error())

    async def _call(self, call: Call, query: QueryState, run: Run) -> None:
        await self._within_time(call, query, run)
        assert query.encoded is not None
        provider = _provider_of(call, query)
        conversation, query.schemas = query.request.conversation, self._schemas()
        request = ChatRequest(
            model=call.candidate.model,
            prompt=query.encoded.prompt,
            output_cap=call.admitted.output_cap,
            declared=declared(conversation, query.schemas),
            format=conversation.response_format.kind,
            schema=conversation.response_format.schema,
        )
        attempt = call.admitted.attempt.attempt
        failpoints.hit("execution.before_dispatch")
        with run.stop.interrupts():
            stream = provider.stream(
                request,
                timeout_s=max(run.deadline - time.monotonic(), 0) + _GRACE_S,
                on_dispatch=self._dispatch(call),
            )
            try:
                # Closed here and not when it is collected: until then the provider would go on
                # writing, and billing, for nobody.
                async with aclosing(stream) as events:
                    async for event in events:
                        if isinstance(event, Finished):
                            # With its tool calls, which reach nobody before the commit of the
                            # settlement.
                            call.finished = event
                        else:
                            # Kept before it is shown: a reader must not have words that lane G
                            # knows nothing of, for by them it is decided whether another provider
                            # may still be tried.
                            query.output.add(event.part, event.kind, event.text)
                            run.log.delta(attempt, event.part, LIVE[event.kind], event.text)
                            failpoints.hit("execution.streaming")
            except Interrupted as interrupted:
                # It goes on as the cancellation that it is; only what was told of the tokens, which
                # may be more than the bound, would be lost with it.
                call.told = interrupted.told
                raise
        failpoints.hit("execution.after_answer")

    def _dispatch(self, call: Call) -> Callable[[int], None]:
        def dispatched(at_ns: int) -> None:
            call.dispatched = True
            self._governance.dispatched(call.admitted, at_ns)

        return dispatched

    async def _within_time(self, call: Call, query: QueryState, run: Run) -> None:
        """A slot is held for a dispatch within a second; later ones are admitted anew."""
        waited_ns = time.monotonic_ns() - call.admitted.moment.mono_ns
        if waited_ns < self._dispatch_within_ns:
            return

        async def submit(take_slot: bool) -> Admitted | Wait:
            # Unlike an admission it has its answer already: where others wait there is nothing to
            # ask.
            return await self._governance.readmit(call.admitted) if take_slot else Wait()

        call.admitted = await self._queued(call.candidate.provider, submit, query, run)
        query.admitted = call.admitted

    async def _next(self, call: Call, query: QueryState, run: Run, tried: Tried) -> bool:
        """
        Whether another candidate was admitted; then `query.admitted` is its attempt.

        Raises:
            Stopped: The run must end, and not for want of a candidate.
            GovernanceUnavailable, ServerOverloaded: It cannot be recorded now.
        """
        chain = call.admitted.chain[1:]
        while chain:
            # A stop that came while a command was under way has interrupted nothing, and a further
            # attempt would be paid for by somebody who is gone.
            run.stop.check()
            try:
                await self._back_off(chain[0].provider, run, tried.backoff)
                answer = await self._admit_next(call, chain, query, run)
            except (QueueFull, DeadlineUnreachable) as refusal:
                tried.had_no_room(chain[0].provider, refusal)
            else:
                if isinstance(answer, Admitted):
                    query.admitted, query.ended = answer, None
                    return True
                # Another process took this one for dead and has ended the query: no candidate can
                # be admitted for money that was given back.
                if isinstance(answer, NotHeld):
                    return False
            # No room, or too dear: the next one may be idle, or cost less. The order is one of
            # preference.
            chain = chain[1:]
        return False

    async def _back_off(self, provider: str, run: Run, backoff: Backoff) -> None:
        """
        Wait until the provider may be asked again, if it has failed in this query.

        Raises:
            DeadlineUnreachable: That is later than is worth waiting for, or than the deadline.
            Stopped: The run must end.
        """
        wait_s = backoff.wait_s(provider)
        if not wait_s:
            return
        if wait_s > min(WAIT_MAX_S, run.deadline - time.monotonic()):
            raise DeadlineUnreachable(math.ceil(wait_s * 1e6), provider)
        with run.stop.interrupts():
            await asyncio.sleep(wait_s)

    async def _admit_next(
        self, call: Call, chain: tuple[Candidate, ...], query: QueryState, run: Run
    ) -> Admitted | TooDear | NotHeld:
        assert query.ended is not None, "an attempt follows one that has ended"
        following = NextAttempt(query=call.admitted.query, ended=query.ended, chain=chain)

        async def submit(take_slot: bool) -> Admitted | TooDear | NotHeld | Wait:
            # It takes a slot if there is one, which must not pass by those who wait for it.
            return await self._governance.retry(following) if take_slot else Wait()

        return await self._queued(chain[0].provider, submit, query, run)

    async def _queued(self, provider: str, submit: Submit[T], query: QueryState, run: Run) -> T:
        waiter: Waiter[T] = Waiter(
            identity_id=query.caller.identity_id,
            deadline=run.deadline,
            stop=run.stop,
            submit=submit,
        )
        # Also of a provider that a reload has removed: its queue goes with the last run from
        # before.
        return await self._queues[provider].run(waiter, run.told_to_wait(provider))


def _provider_of(call: Call, query: QueryState) -> Provider:
    """The one that it was routed to, whatever its name means now."""
    assert query.encoded is not None, "lane C routes before lane F runs"
    return query.encoded.route.providers[call.candidate.provider]


def stop_error(reason: StopReason, request_id: str) -> ChenuError:
    """What a stopped query answers."""
    if reason is StopReason.DEADLINE:
        return DeadlineExceeded(request_id)
    if reason is StopReason.SHUTDOWN:
        return ExecutionInterrupted(request_id)
    return QueryCancelled(request_id)


def declared(
    conversation: Conversation, configured: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """The tools that the answer may call, as they were chosen, each with its schema.

    One stands there twice where an operator has configured a schema too: a call satisfies both.
    """
    # What may not be called counts as not declared, so that an answer which calls it is refused.
    use = conversation.tool_use
    return tuple(
        (tool.name, schema)
        for tool in conversation.tools
        if use.choice != "none" and use.tool in ("", tool.name)
        for schema in (tool.parameters or NO_PARAMETERS, configured.get(tool.name, ""))
        if schema
    )


def _fail(error: ChenuError) -> Fail:
    cancelled = isinstance(error, QueryCancelled)
    status = QueryStatus.CANCELLED if cancelled else QueryStatus.FAILED
    return Fail(status, outcome_of(error))


def unserved_error(reason: StopReason, request_id: str) -> ChenuError:
    """What a query answers that was stopped while it waited for a slot: nothing went out."""
    if reason is StopReason.SHUTDOWN:
        # Nothing of it was recorded, so the same call may be made again, here or elsewhere.
        return ServerOverloaded(OVERLOAD_RETRY_US, "queries")
    return stop_error(reason, request_id)
