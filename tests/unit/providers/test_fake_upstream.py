"""The fake upstream tells the truth: other tests build on its books."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.upstream import Behaviour, FakeUpstream

MODEL = "mistral-small-2603"
BODY: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "hello [[q-17]]"}],
    "max_tokens": 64,
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The shipped catalogue at its own prices."""
    return load_catalogue()


@pytest.fixture
async def upstream(catalogue: Catalogue) -> AsyncIterator[FakeUpstream]:
    """A running fake upstream."""
    async with FakeUpstream(catalogue) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that is not the one under test elsewhere."""
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as session:
        yield session


async def ask(client: aiohttp.ClientSession, upstream: FakeUpstream, **fields: Any) -> Any:
    """The JSON answer of a call that does not stream."""
    url = f"{upstream.provider_url('mistral')}/chat/completions"
    async with client.post(url, json={**BODY, **fields}) as response:
        return {"status": response.status, **await response.json()}


async def raw(upstream: FakeUpstream, sent: bytes) -> bytes:
    """Everything that comes back for these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(sent)
    writer.write_eof()
    async with asyncio.timeout(5):
        got = await reader.read()
    writer.close()
    return got


async def test_the_bill_is_tokens_times_rates_rounded_up_once(
    upstream: FakeUpstream, client: aiohttp.ClientSession
) -> None:
    """By hand, not by the code under test: 0.15 and 0.60 USD a million."""
    answer = await ask(client, upstream)

    usage = answer["usage"]
    exact = usage["prompt_tokens"] * 150_000_000 + usage["completion_tokens"] * 600_000_000
    assert upstream.bill.total_nanousd == -(-exact // 1_000_000)
    assert 1 == upstream.bill.attempts


async def test_usage_stays_within_what_was_sent_and_asked(
    upstream: FakeUpstream, client: aiohttp.ClientSession
) -> None:
    """Else every bound would be wrong by construction."""
    answer = await ask(client, upstream, max_tokens=3)

    assert answer["usage"]["prompt_tokens"] <= upstream.arrivals[0].body_bytes
    assert 3 == answer["usage"]["completion_tokens"]


async def test_it_can_bill_more_than_was_asked(
    upstream: FakeUpstream, client: aiohttp.ClientSession
) -> None:
    """An overrun has to be made before it can be handled."""
    upstream.behave(extra_output_tokens=1_000)

    answer = await ask(client, upstream, max_tokens=3)

    assert 1_003 == answer["usage"]["completion_tokens"]


async def test_a_refused_request_is_not_billed(
    upstream: FakeUpstream, client: aiohttp.ClientSession
) -> None:
    """No real provider bills a refusal, and the gateway relies on it."""
    upstream.behave(status=529)

    assert 529 == (await ask(client, upstream))["status"]
    assert (1, 0) == (upstream.arrivals_total, upstream.bill.total_nanousd)


async def test_a_call_that_was_cut_is_billed(
    upstream: FakeUpstream, client: aiohttp.ClientSession
) -> None:
    """The provider ran it: the harsh case that reservations must cover."""
    upstream.behave(fault="hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await ask(client, upstream)

    assert 1 == upstream.bill.attempts


async def test_an_arrival_names_who_and_when(
    upstream: FakeUpstream, client: aiohttp.ClientSession
) -> None:
    """Tests of limits read these times, tests of once-only these markers."""
    before = time.monotonic_ns(), time.time_ns() // 1_000
    await ask(client, upstream)

    arrival = upstream.arrivals[0]
    assert ("mistral", MODEL, "q-17", 64) == (
        arrival.provider,
        arrival.model,
        arrival.marker,
        arrival.output_cap,
    )
    assert before[0] < arrival.mono_ns < time.monotonic_ns()
    assert before[1] <= arrival.wall_us <= time.time_ns() // 1_000
    assert len(upstream.bodies[0]) == arrival.body_bytes


async def test_the_narrowest_key_wins_and_scripts_come_first(
    upstream: FakeUpstream, client: aiohttp.ClientSession
) -> None:
    """One test can fail one model and leave the rest alone."""
    upstream.behave("*", status=500)
    upstream.behave("mistral", status=503)
    upstream.script(MODEL, [Behaviour(status=429), Behaviour(status=400)])

    statuses = [(await ask(client, upstream))["status"] for _ in range(3)]

    assert [429, 400, 503] == statuses


async def test_held_requests_wait_until_released(
    upstream: FakeUpstream, client: aiohttp.ClientSession
) -> None:
    """A crash test needs a moment at which everything is under way."""
    upstream.hold()
    waiting = [asyncio.ensure_future(ask(client, upstream)) for _ in range(5)]
    async with asyncio.timeout(5):
        await upstream.until_open(5)

    upstream.release()

    assert [200] * 5 == [answer["status"] for answer in await asyncio.gather(*waiting)]


async def test_half_an_answer_comes_while_the_rest_is_held(
    upstream: FakeUpstream, client: aiohttp.ClientSession
) -> None:
    """A test of what is cut in the middle needs that middle to last."""
    upstream.hold()
    upstream.behave(answer="one two ", deltas=2, held_after=1)
    url = f"{upstream.provider_url('mistral')}/chat/completions"
    async with client.post(url, json={**BODY, "stream": True}) as response:
        begun = b""
        async with asyncio.timeout(5):
            while b"one" not in begun:
                begun += await response.content.readany()
        is_open = upstream.calls_open == 1
        upstream.release()
        rest = await response.read()

    assert is_open
    assert (False, True) == (b"two" in begun, b"two" in rest)


async def test_what_it_remembers_is_bounded(
    catalogue: Catalogue, client: aiohttp.ClientSession
) -> None:
    """A load test runs for an hour; the counters go on."""
    async with FakeUpstream(catalogue, arrivals_max=2) as upstream:
        for _ in range(3):
            await ask(client, upstream)

        assert [2, 3] == [arrival.number for arrival in upstream.arrivals]
        assert 3 == upstream.arrivals_total


async def test_an_unknown_model_or_a_missing_key_is_refused(upstream: FakeUpstream) -> None:
    """As at a real provider: a wrong catalogue must not pass here."""
    async with aiohttp.ClientSession() as nobody:
        assert 401 == (await ask(nobody, upstream))["status"]
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as client:
        assert 404 == (await ask(client, upstream, model="nova"))["status"]


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.0\r\n\r\n",
        b"POST /\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length : 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"x" * 40_000,
    ],
)
async def test_what_is_not_http_is_refused(upstream: FakeUpstream, sent: bytes) -> None:
    """A client that frames its requests badly must not get away with it here."""
    assert (await raw(upstream, sent)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("knobs", [{"fault": "explode"}, {"deltas": 0}, {"latency_ms": "1"}])
def test_a_knob_that_makes_no_sense_is_an_error(knobs: dict[str, Any]) -> None:
    """A misspelt fault would make a test pass for the wrong reason."""
    with pytest.raises(ValueError, match=next(iter(knobs))):
        Behaviour(**knobs)


async def test_the_control_endpoint_sets_and_reads_everything(
    upstream: FakeUpstream, client: aiohttp.ClientSession
) -> None:
    """A server in another process is tested against the same books."""
    base = f"{upstream.base_url}/control"

    async def post(action: str, value: Any = None) -> Any:
        async with client.post(f"{base}/{action}", data=json.dumps(value)) as response:
            return response.status, await response.json()

    assert 200 == (await post("behave", {"key": MODEL, "behaviour": {"status": 503}}))[0]
    assert 200 == (await post("script", {"key": MODEL, "behaviours": [{"deltas": 2}]}))[0]
    assert [200, 503] == [(await ask(client, upstream))["status"] for _ in range(2)]
    assert (await post("hold"))[1]["held"]
    assert not (await post("release"))[1]["held"]
    status, refusal = await post("behave", {"key": "*", "behaviour": {"latency": 5}})
    assert (400, "unknown knob 'latency', 'latency_ms'?") == (status, refusal["error"])

    async with client.get(f"{base}/state") as response:
        state = await response.json()
    assert (2, 1, MODEL) == (
        state["arrivals_total"],
        state["billed_attempts"],
        state["bill"][0]["model"],
    )
    assert upstream.bill.total_nanousd == state["billed_nanousd"]
    async with client.get(f"{base}/arrivals?after=1&limit=5") as response:
        arrivals = (await response.json())["arrivals"]
    assert [(2, 503)] == [(arrival["number"], arrival["status"]) for arrival in arrivals]

    assert 0 == (await post("reset"))[1]["arrivals_total"]


def test_it_runs_as_a_process_and_stops_when_told(tmp_path: Path) -> None:
    """Demo, benches and crash tests start it so."""
    port_file = tmp_path / "port"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "chenu_server.upstream", "--port-file", str(port_file)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(500):
                if port_file.exists():
                    break
                time.sleep(0.02)
            assert 0 < int(port_file.read_text()) < 65_536
        finally:
            process.terminate()

    assert 0 == process.returncode
