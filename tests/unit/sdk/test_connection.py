"""A client is built anywhere, says at once what it cannot send, and closes without a riddle."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from chenu import errors
from chenu.aio import Client
from chenu.api.pipeline.v1 import message_pb2, pipeline_service_pb2
from tests.unit.sdk.gateway import Gateway, Hang, started

ANSWER = pipeline_service_pb2.QueryResponse(answer=message_pb2.Answer(text="hello"))
UNSENDABLE = [
    ("", "it is empty"),
    (" \n", "it is empty"),
    ("a\nb", "a line break as character 2"),
    ("ab\x00", "a NUL as character 3"),
    ("\ufeffabc", "a byte order mark as character 1"),
    ("a b", "a space as character 2"),
    ("clé", "U+00E9 as character 3"),
    (b"abc", "it is bytes, not str"),
    (None, "it is NoneType, not str"),
]


@pytest.mark.parametrize(("given", "problem"), UNSENDABLE[:-1])
@pytest.mark.parametrize("setting", ["token", "identity"])
def test_what_no_header_can_carry_is_refused_where_it_is_given(
    setting: str, given: Any, problem: str
) -> None:
    """The library says "metadata was invalid", at the first call, and not which or where."""
    wrong: dict[str, Any] = {setting: given}
    with pytest.raises(errors.InvalidSetting) as caught:
        Client("127.0.0.1:1", **wrong)

    assert setting == caught.value.setting
    assert problem in caught.value.problem
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(("given", "problem"), [*UNSENDABLE, ("Bearer abc", "without `Bearer`")])
async def test_a_token_that_is_given_later_is_refused_then(
    target: str, gateway: Gateway, given: Any, problem: str
) -> None:
    """What a secret store hands out tomorrow is no better known than what a file holds today."""
    async with Client(target, token=lambda: given) as client:
        with pytest.raises(errors.InvalidSetting, match=re.escape(problem)):
            await client.pipeline.query("hello")
        with pytest.raises(errors.InvalidSetting, match=re.escape(problem)):
            async for _ in client.pipeline.run("hello"):
                pass

    assert [] == gateway.asked


def test_a_refused_token_is_not_shown() -> None:
    """Errors are logged, and secrets must not be."""
    with pytest.raises(errors.InvalidSetting) as caught:
        Client("127.0.0.1:1", token="hush-hush\nhush")

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("late", [False, True])
async def test_the_line_break_that_a_file_ends_with_is_no_part_of_a_token(
    target: str, gateway: Gateway, late: bool
) -> None:
    """`Path.read_text()` is how most tokens are read."""
    gateway.answer = lambda _: ANSWER
    token: Any = (lambda: "a-token\r\n") if late else "a-token\n"
    async with Client(target, token=token, identity=" acme\n") as client:
        await client.pipeline.query("hello")

    assert "Bearer a-token" == gateway.headers[0]["authorization"]
    assert "acme" == gateway.headers[0]["x-chenu-identity"]


class Elsewhere:
    """A gateway in a thread and a loop of its own."""

    def __init__(self) -> None:
        self.target = ""
        self.asked = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Elsewhere:
        self._stop = asyncio.Event()
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    async def _serve(self) -> None:
        async def query(request: bytes, context: object) -> bytes:
            self.asked += 1
            return ANSWER.SerializeToString()

        handler: Any = grpc.unary_unary_rpc_method_handler(query)
        name = pipeline_service_pb2.DESCRIPTOR.services_by_name["PipelineService"].full_name
        server = grpc.aio.server()
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(name, {"Query": handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self.target = f"127.0.0.1:{port}"
        self._ready.set()
        await self._stop.wait()
        await server.stop(None)


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """A gateway that outlives the loops of a test."""
    with Elsewhere() as gateway:
        yield gateway


def test_a_client_is_built_without_a_loop_and_outlives_one(elsewhere: Elsewhere) -> None:
    """Modules build clients at import; scripts call `asyncio.run` more than once."""
    client = Client(elsewhere.target, token="a-token")

    async def ask() -> str:
        return (await client.pipeline.query("hello", timeout_s=10)).answer.text

    async def ask_and_close() -> str:
        async with client:
            return await ask()

    assert ["hello", "hello", "hello"] == [
        asyncio.run(ask()),
        asyncio.run(ask()),
        asyncio.run(ask_and_close()),
    ]
    assert 3 == elsewhere.asked


def test_a_client_is_built_in_a_thread_that_has_no_loop(elsewhere: Elsewhere) -> None:
    """Only the main thread is given a loop by itself."""
    built: list[Client] = []
    thread = threading.Thread(target=lambda: built.append(Client(elsewhere.target)))
    thread.start()
    thread.join()

    async def ask() -> str:
        async with built[0] as client:
            return (await client.pipeline.query("hello", timeout_s=10)).answer.text

    assert "hello" == asyncio.run(ask())


async def reading(client: Client) -> None:
    """Read a log that does not end."""
    async for _ in client.pipeline.run("hello"):
        pass


async def asking(client: Client) -> None:
    """Ask what is not answered."""
    await client.pipeline.query("hello")


@pytest.mark.parametrize("work", [reading, asking])
async def test_a_client_that_is_closed_during_a_call_says_so(
    target: str, gateway: Gateway, work: Callable[[Client], Any]
) -> None:
    """The library cancels the call; a CancelledError that nobody sent ends a group silently."""
    gateway.runs = [[started(), Hang()]]
    gateway.answer = lambda _: ANSWER
    gateway.hold = asyncio.Event()
    client = Client(target)
    task = asyncio.create_task(work(client))
    await asyncio.wait_for(gateway.called.wait(), 10)
    await client.close()

    with pytest.raises(errors.Closed):
        await asyncio.wait_for(task, 10)
    assert 1 == len(gateway.asked)


async def test_a_log_that_is_detached_elsewhere_says_so(client: Client, gateway: Gateway) -> None:
    """It must not look like the end of the query."""
    gateway.runs = [[started(), Hang()]]
    log = client.pipeline.run("hello")

    async def read() -> None:
        async for _ in log:
            pass

    task = asyncio.create_task(read())
    await asyncio.wait_for(gateway.called.wait(), 10)
    log.detach()

    with pytest.raises(errors.Closed):
        await asyncio.wait_for(task, 10)
    assert 1 == len(gateway.asked)


@pytest.mark.parametrize("work", [reading, asking])
async def test_a_cancelled_task_is_cancelled(
    client: Client, gateway: Gateway, work: Callable[[Client], Any]
) -> None:
    """Whoever cancels waits for a CancelledError, and for the call to end."""
    gateway.runs = [[started(), Hang()]]
    gateway.hold = asyncio.Event()
    task = asyncio.create_task(work(client))
    await asyncio.wait_for(gateway.called.wait(), 10)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(task), 10)
    assert await asyncio.wait_for(gateway.ended.wait(), 10)


async def test_a_closed_client_says_that_it_is(target: str) -> None:
    """Not "Channel is closed", from a library that the caller never met."""
    client = Client(target)
    await client.close()
    await client.close()

    with pytest.raises(errors.Closed):
        await client.pipeline.query("hello")


@pytest.fixture
async def unheard() -> AsyncIterator[Client]:
    """A client of nobody."""
    async with Client("127.0.0.1:1") as client:
        yield client


Given = Callable[[Client], Any]


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("text", lambda c: c.pipeline.query("\ud800")),
        ("reason", lambda c: c.checkpoints.approve("c", reason="a\udfffb")),
        ("reason", lambda c: c.pipeline.cancel("q", reason="\ud800")),
        ("limit_nanousd", lambda c: c.budgets.update("b", limit_nanousd=2**63)),
        ("page_size", lambda c: anext(c.pipeline.list(page_size=2**31))),
    ],
)
async def test_what_no_message_can_hold_is_a_refusal(
    unheard: Client, field: str, call: Given
) -> None:
    """It comes from users, so it is data and not a mistake of the program."""
    with pytest.raises(errors.InvalidRequest) as caught:
        await call(unheard)

    assert [field] == [name for name, _ in caught.value.fields]


async def test_a_run_of_what_no_message_can_hold_is_a_refusal(unheard: Client) -> None:
    """Before there is a log to read."""
    with pytest.raises(errors.InvalidRequest):
        unheard.pipeline.run("\ud800")
