"""What every provider owes its caller, on each wire, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from chenu_server.engine import Prompt
from chenu_server.pipeline.conversation import ChatMessage, asked, text_part
from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.model import (
    Billing,
    ChatRequest,
    Finished,
    PartDelta,
    ProviderEvent,
    ProviderFailure,
    Retry,
)
from chenu_server.providers.ports import Provider
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings
from chenu_server.upstream import FakeUpstream
from chenu_server.vocabulary import MessageRole

KEY = "sk-never-to-be-shown-4711"
MODELS = {
    "anthropic": "claude-sonnet-5-5",
    "openai": "gpt-6-luna",
    "mistral": "mistral-small-2603",
}
DEADLINE_S = 20.0
SHORT_S = 0.3


@dataclass
class Setup:
    """A provider, the upstream that plays it, and when requests left."""

    upstream: FakeUpstream
    registry: ProviderRegistry
    name: str
    dispatched_ns: list[int] = field(default_factory=list)

    @property
    def provider(self) -> Provider:
        """The provider under test."""
        return self.registry.providers[self.name]

    def ask(self, text: str = "Good morning", *, cap: int = 512) -> ChatRequest:
        """A request for the provider's model."""
        return ChatRequest(
            model=MODELS[self.name],
            prompt=Prompt(
                (ChatMessage(MessageRole.SYSTEM, (text_part("Be brief."),)), *asked(text).messages)
            ),
            output_cap=cap,
        )

    def stream(
        self, request: ChatRequest | None = None, *, timeout_s: float = DEADLINE_S
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Run a request, noting when it leaves."""
        return self.provider.stream(
            request or self.ask(),
            timeout_s=timeout_s,
            on_dispatch=self.dispatched_ns.append,
        )


@dataclass
class Outcome:
    """What a stream gave before it ended or failed."""

    text: str = ""
    finished: list[Finished] = field(default_factory=list)
    failure: ProviderFailure | None = None


async def run(stream: AsyncIterator[ProviderEvent]) -> Outcome:
    """Everything that a stream gives."""
    outcome = Outcome()
    try:
        async for event in stream:
            if isinstance(event, PartDelta):
                assert event.text
                assert not outcome.finished
                outcome.text += event.text
            else:
                outcome.finished.append(event)
    except ProviderFailure as failure:
        outcome.failure = failure
    return outcome


async def settled(upstream: FakeUpstream, calls_open: int) -> None:
    """Wait until so many calls are under way, as they must soon be."""
    async with asyncio.timeout(10):
        await upstream.until_open(calls_open)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The shipped catalogue at its own prices."""
    return load_catalogue()


@pytest.fixture(params=list(MODELS))
async def setup(request: pytest.FixtureRequest, catalogue: Catalogue) -> AsyncIterator[Setup]:
    """One provider on the fake upstream."""
    async with FakeUpstream(catalogue) as upstream:
        settings = {
            name: ProviderSettings(api_key=KEY, base_url=upstream.provider_url(name))
            for name in MODELS
        }
        registry = ProviderRegistry(catalogue, settings)
        try:
            yield Setup(upstream, registry, request.param)
        finally:
            await registry.close()


async def test_an_answer_is_its_text_and_then_one_finish(setup: Setup) -> None:
    """The caller may hand text on as it comes, and settles on the one event that ends it."""
    outcome = await run(setup.stream())

    assert f"{MODELS[setup.name]} heard: Good morning" == outcome.text
    assert ["stop"] == [finished.stop_reason for finished in outcome.finished]
    assert MODELS[setup.name] == outcome.finished[0].model


async def test_usage_is_what_the_provider_bills(setup: Setup, catalogue: Catalogue) -> None:
    """Settling with other numbers than the bill's would break the budget's promise."""
    setup.upstream.behave(cached_tokens=7, written_tokens=5, written_hour_tokens=3)

    outcome = await run(setup.stream())

    usage = outcome.finished[0].usage
    rates = catalogue.model(setup.name, MODELS[setup.name]).rates
    assert rates is not None
    exact = usage.input_tokens * rates.input + usage.output_tokens * rates.output
    exact += usage.cache_read_tokens * rates.cache_read
    exact += usage.cache_write_tokens * rates.cache_write
    exact += usage.cache_write_hour_tokens * rates.cache_write_hour
    assert 7 == usage.cache_read_tokens
    assert setup.upstream.bill.total_nanousd == -(-exact // 1_000_000)


async def test_an_answer_stops_at_the_cap_that_was_asked_for(setup: Setup) -> None:
    """The cap is a factor of the reserved bound: one that is not sent bounds nothing."""
    outcome = await run(setup.stream(setup.ask("word " * 200, cap=16)))

    assert 16 == setup.upstream.arrivals[0].output_cap
    assert 16 == outcome.finished[0].usage.output_tokens
    assert "length" == outcome.finished[0].stop_reason


async def test_the_connection_serves_the_next_call(setup: Setup) -> None:
    """A handshake for each call would cost more than the call."""
    for _ in range(3):
        await run(setup.stream())

    assert 1 == setup.upstream.connections_total


async def test_many_calls_at_once_do_not_mix(setup: Setup) -> None:
    """The SDK is told of its call beside the request; calls must not see each other's."""
    setup.upstream.behave(pace_ms=1)
    outcomes = await asyncio.gather(
        *(run(setup.stream(setup.ask(f"number {number}"))) for number in range(20))
    )

    model = MODELS[setup.name]
    assert [f"{model} heard: number {number}" for number in range(20)] == [
        outcome.text for outcome in outcomes
    ]
    assert 20 == len(setup.dispatched_ns)


@pytest.mark.parametrize(
    ("status", "retry"),
    [
        (400, Retry.NEVER),
        (401, Retry.ELSEWHERE),
        (403, Retry.ELSEWHERE),
        (404, Retry.ELSEWHERE),
        (408, Retry.ELSEWHERE),
        (413, Retry.NEVER),
        (422, Retry.NEVER),
        (429, Retry.LATER),
        (500, Retry.ELSEWHERE),
        (503, Retry.ELSEWHERE),
        (529, Retry.ELSEWHERE),
    ],
)
async def test_a_complete_refusal_is_free_and_says_what_may_be_tried(
    setup: Setup, status: int, retry: Retry
) -> None:
    """Failover and settlement both follow from these two words; nothing retries by itself."""
    setup.upstream.behave(status=status)

    outcome = await run(setup.stream())

    assert outcome.failure is not None
    assert (retry, Billing.FREE, f"http_{status}") == (
        outcome.failure.retry,
        outcome.failure.billing,
        outcome.failure.kind,
    )
    assert (1, 0) == (setup.upstream.arrivals_total, setup.upstream.bill.attempts)


async def test_a_redirect_is_not_followed(setup: Setup) -> None:
    """The key goes to the configured host and nowhere else."""
    path = "/v1/messages" if setup.name == "anthropic" else "/chat/completions"
    setup.upstream.behave(status=307, location=setup.upstream.provider_url(setup.name) + path)

    outcome = await run(setup.stream())

    assert outcome.failure is not None
    assert (Retry.ELSEWHERE, Billing.FREE) == (outcome.failure.retry, outcome.failure.billing)
    assert "redirect" == outcome.failure.kind
    assert 1 == setup.upstream.arrivals_total


NOT_ANSWERS: dict[str, dict[str, Any]] = {
    "page": {"raw": "<!doctype html><title>Log in</title>", "raw_type": "text/html"},
    "gzip": {"raw": "not really gzip", "raw_encoding": "gzip"},
    "text": {"raw": '[{"ok": true}]', "raw_type": "application/json"},
}


@pytest.mark.parametrize("knobs", NOT_ANSWERS.values(), ids=NOT_ANSWERS)
async def test_what_is_no_answer_is_free_and_the_operators_trouble(
    setup: Setup, knobs: dict[str, Any]
) -> None:
    """A proxy's page or a wrong URL: no model wrote it, and somebody must look."""
    setup.upstream.behave(**knobs)

    outcome = await run(setup.stream())

    assert outcome.failure is not None
    assert (Retry.ELSEWHERE, Billing.FREE, "not_an_answer", True) == (
        outcome.failure.retry,
        outcome.failure.billing,
        outcome.failure.kind,
        outcome.failure.needs_operator,
    )


async def test_a_rate_refusal_brings_its_time(setup: Setup) -> None:
    """The router waits as long as the provider says, not as long as it guesses."""
    setup.upstream.behave(status=429, retry_after="3")

    outcome = await run(setup.stream())

    assert outcome.failure is not None
    assert 3_000 == outcome.failure.retry_after_ms


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("cut", "truncated"),
        ("no_terminator", "truncated"),
        ("malformed", "malformed"),
        ("error", "overloaded|server_error"),
    ],
)
async def test_a_stream_without_its_terminator_is_never_a_success(
    setup: Setup, fault: str, kind: str
) -> None:
    """Half an answer that looks whole is worse than none, and it may have been billed."""
    setup.upstream.behave(fault=fault, fault_after=2)

    outcome = await run(setup.stream())

    assert outcome.text
    assert [] == outcome.finished
    assert outcome.failure is not None
    assert outcome.failure.kind in kind.split("|")
    assert (Retry.ELSEWHERE, Billing.UNKNOWN) == (outcome.failure.retry, outcome.failure.billing)


async def test_an_answer_without_its_usage_is_whole(setup: Setup) -> None:
    """Its text came and its terminator too; what it cost is for the caller to estimate."""
    setup.upstream.behave(fault="no_usage")

    outcome = await run(setup.stream())

    assert outcome.text
    assert [False] == [finished.usage.exact for finished in outcome.finished]


async def test_a_connection_lost_before_the_answer_may_have_cost(setup: Setup) -> None:
    """The bytes left: nobody here knows whether they were billed."""
    setup.upstream.behave(fault="refuse")

    outcome = await run(setup.stream())

    assert outcome.failure is not None
    assert (Retry.ELSEWHERE, Billing.UNKNOWN, "connection") == (
        outcome.failure.retry,
        outcome.failure.billing,
        outcome.failure.kind,
    )
    assert (1, 1) == (setup.upstream.arrivals_total, len(setup.dispatched_ns))


async def test_a_connection_that_was_never_made_is_free(catalogue: Catalogue) -> None:
    """No byte left, so the reservation goes back whole, and no slot was used."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        settings = {name: ProviderSettings(api_key=KEY, base_url=url) for name in MODELS}
        registry = ProviderRegistry(catalogue, settings)
        for name in MODELS:
            setup = Setup(FakeUpstream(catalogue), registry, name)

            outcome = await run(setup.stream())

            assert outcome.failure is not None
            assert (Billing.FREE, "connection") == (outcome.failure.billing, outcome.failure.kind)
            assert [] == setup.dispatched_ns
        await registry.close()


@pytest.mark.parametrize("fault", ["hang", "stall"])
async def test_the_deadline_ends_a_silent_provider(setup: Setup, fault: str) -> None:
    """A provider that says nothing must not hold a query longer than its caller waits."""
    setup.upstream.behave(fault=fault, fault_after=1)

    outcome = await run(setup.stream(timeout_s=SHORT_S))

    assert outcome.failure is not None
    assert (Retry.ELSEWHERE, Billing.UNKNOWN, "timeout") == (
        outcome.failure.retry,
        outcome.failure.billing,
        outcome.failure.kind,
    )
    await settled(setup.upstream, 0)


async def test_the_deadline_covers_a_trickle(setup: Setup) -> None:
    """Each delta in time does not make the whole in time."""
    setup.upstream.behave(pace_ms=50, deltas=20, answer_chars=20)

    outcome = await run(setup.stream(timeout_s=SHORT_S))

    assert outcome.failure is not None
    assert "timeout" == outcome.failure.kind


async def test_a_deadline_that_has_passed_sends_nothing(setup: Setup) -> None:
    """Zero means now, not never."""
    outcome = await run(setup.stream(timeout_s=0))

    assert outcome.failure is not None
    assert (Billing.FREE, "timeout") == (outcome.failure.billing, outcome.failure.kind)
    assert (0, []) == (setup.upstream.arrivals_total, setup.dispatched_ns)


async def test_closing_early_ends_the_call_upstream(setup: Setup) -> None:
    """A caller who leaves must not leave a provider talking, and billing."""
    setup.upstream.behave(pace_ms=20, deltas=1_000, answer_chars=1_000)
    stream = setup.stream()

    async with contextlib.aclosing(stream) as events:
        first = await anext(events)

    assert isinstance(first, PartDelta)
    await settled(setup.upstream, 0)


async def test_cancelling_ends_the_call_upstream(setup: Setup) -> None:
    """`CancelQuery` acts at once, also while the provider is silent."""
    setup.upstream.hold()
    waiting = asyncio.ensure_future(run(setup.stream()))
    await settled(setup.upstream, 1)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await settled(setup.upstream, 0)


async def test_dispatch_is_told_once_when_the_request_leaves(setup: Setup) -> None:
    """A slot's time runs from here, so it must not wait for the answer."""
    setup.upstream.hold()
    before_ns = time.monotonic_ns()
    waiting = asyncio.ensure_future(run(setup.stream()))
    await settled(setup.upstream, 1)

    assert 1 == len(setup.dispatched_ns)
    assert before_ns < setup.dispatched_ns[0] < setup.upstream.arrivals[0].mono_ns

    setup.upstream.release()
    await waiting
    assert 1 == len(setup.dispatched_ns)


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "é漢字🙂" * 500,
        'quotes " and \\ backslashes \\"' * 200,
        "\x00\x01\x1f\n\r\t\x7f" * 200,
        "\u2028\u2029</script>" * 100,
        "x" * 50_000,
    ],
)
async def test_a_prompts_size_bounds_the_body_that_is_sent(setup: Setup, text: str) -> None:
    """The bytes of the body bound its tokens: one too few and a query can cost too much."""
    request = setup.ask(text, cap=256)

    await run(setup.stream(request))

    sent = setup.upstream.arrivals[0].body_bytes
    wire = load_catalogue().provider(setup.name).wire
    bound = request.prompt.size(wire) + len(json.dumps(request.model))
    assert sent <= bound <= sent + 256


async def test_text_comes_and_goes_byte_for_byte(setup: Setup) -> None:
    """Attack strings are data."""
    text = "'; DROP TABLE -- \x00 ../../etc \u202e <b> 🙂 \\ud83d \ufffd {{7*7}}"
    setup.upstream.behave(deltas=50)

    outcome = await run(setup.stream(setup.ask(text)))

    assert f"{MODELS[setup.name]} heard: {text}" == outcome.text


@pytest.mark.parametrize(
    "knobs", [{"status": 401}, {"status": 500}, {"fault": "refuse"}, {"fault": "cut"}]
)
async def test_the_key_is_in_no_error_log_or_repr(
    setup: Setup, knobs: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The upstream quotes the key in its refusals, as real ones do."""
    setup.upstream.behave(**knobs)
    with caplog.at_level(logging.DEBUG):
        outcome = await run(setup.stream())

    shown = [
        *traceback.format_exception(outcome.failure),
        repr(outcome.failure),
        repr(setup.provider),
        repr(vars(setup.registry)),
        caplog.text,
    ]
    assert [] == [text for text in shown if re.search(KEY, text)]
    assert KEY.encode() not in b"".join(setup.upstream.bodies)
