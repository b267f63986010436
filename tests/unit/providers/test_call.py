"""What is known of a call by the loop that made it, whatever the thread that does it has done."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import AsyncIterator, Callable

import pytest

from chenu_server.engine import Destination, Prompt, Upstream
from chenu_server.pipeline.conversation import asked
from chenu_server.providers.call import Call, Way, open_session
from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.model import ChatRequest
from tests.listener import Listener, listening
from tests.quiet import quiet

WITHIN_S = 10.0


class Told:
    """When it was told that a request has left."""

    def __init__(self) -> None:
        self.times_ns: list[int] = []
        self._first = asyncio.Event()

    def __call__(self, at_ns: int) -> None:
        """It has left then."""
        self.times_ns.append(at_ns)
        self._first.set()

    async def until_told(self) -> None:
        """Wait until a request has left."""
        async with asyncio.timeout(WITHIN_S):
            await self._first.wait()


@pytest.fixture
async def session() -> AsyncIterator[Upstream]:
    """Connections straight to whom a test calls."""
    session = open_session()
    yield session
    session.close()


def call(session: Upstream, url: str, on_dispatch: Callable[[int], None]) -> Call:
    """A call that was sent."""
    record = load_catalogue().provider("ollama")
    request = ChatRequest(model="qwen3:8b", prompt=Prompt(asked("Hello").messages), output_cap=9)
    made = Call(record, request, timeout_s=6 * WITHIN_S, on_dispatch=on_dispatch)
    made.send(session, Destination(url, [("Accept", "*/*")]), b"{}")
    return made


def until_heard(listener: Listener) -> None:
    """Hold the loop until a request has arrived."""
    end = time.monotonic() + WITHIN_S
    while not listener.heard and time.monotonic() < end:
        time.sleep(0.001)


async def test_who_leaves_a_call_knows_whether_it_has_left(session: Upstream) -> None:
    """It is charged by that: what the loop has not been told of yet must not be free."""
    told = Told()
    with listening() as provider:
        before_ns = time.monotonic_ns()
        made = call(session, provider.url, told)
        until_heard(provider)
        unheard = list(told.times_ns)
        made.close()
        after_ns = time.monotonic_ns()

    assert [] == unheard
    (at_ns,) = told.times_ns
    assert before_ns < at_ns < after_ns


async def test_what_is_left_before_it_has_left_never_does(session: Upstream) -> None:
    """Free is what was left so, and nobody is asked for it."""
    told = [Told() for _ in range(50)]
    with listening() as provider:
        for each in told:
            call(session, provider.url, each).close()
        left = sum(len(each.times_ns) for each in told)
        last = call(session, provider.url, Told())  # behind them all
        await last.receive()

        # A connection may have been made for one that was left: nobody was asked on it.
        asked = [line for line in provider.heard if line]
        assert len(asked) - 1 <= left
        assert left == sum(len(each.times_ns) for each in told)


async def test_it_is_told_once(session: Upstream) -> None:
    """By the loop's turn, and by each look at the call: a slot would be dated twice."""
    told = Told()
    with listening() as provider:
        made = call(session, provider.url, told)
        until_heard(provider)
        piece = await made.receive()
        made.close()
        await asyncio.sleep(0)

    assert "refused" == piece.end
    assert 1 == len(told.times_ns)


async def test_a_call_that_nobody_holds_any_more_is_left(session: Upstream) -> None:
    """A provider would go on writing, and billing, for nobody."""
    async with quiet() as provider:
        told = Told()
        made = call(session, provider.url, told)
        await told.until_told()
        del made
        gc.collect()
        await provider.until_left()

    assert 1 == len(told.times_ns)


async def test_a_call_that_is_over_keeps_nothing(session: Upstream) -> None:
    """Thousands a minute would be the server's memory."""
    told = Told()
    kept = weakref.ref(told)
    with listening() as provider:
        made = call(session, provider.url, told)
        await made.receive()
        made.close()
        del told, made

    assert kept() is None


async def test_a_call_that_is_cancelled_while_it_waits_is_left(session: Upstream) -> None:
    """At once, and not when something comes after all."""
    async with quiet(b": waiting\n\n") as provider:
        told = Told()
        made = call(session, provider.url, told)
        waiting = asyncio.ensure_future(made.receive())
        await told.until_told()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        made.close()

        await provider.until_left()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://a:b@proxy:3128", ("http://proxy:3128", "Basic YTpi")),
        ("http://a%40b:c%3Ad@proxy:3128", ("http://proxy:3128", "Basic YUBiOmM6ZA==")),
        ("http://a@proxy", ("http://proxy", "Basic YTo=")),
        ("https://proxy:3128/", ("https://proxy:3128/", None)),
    ],
)
async def test_a_proxy_is_told_its_user_apart_from_its_address(
    monkeypatch: pytest.MonkeyPatch, url: str, told: tuple[str, str | None]
) -> None:
    """Decoded, as it was given; and in the address it would be sent to whoever is called."""
    made: list[tuple[str, str | None]] = []

    def upstream(_: object, *, proxy: str, proxy_authorization: str | None, **__: object) -> None:
        made.append((proxy, proxy_authorization))

    monkeypatch.setattr("chenu_server.providers.call.Upstream", upstream)
    open_session(Way(proxy=url))

    assert [told] == made
