"""The fake upstream itself: takes requests, answers as told, keeps the books."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
from collections import deque
from collections.abc import Iterable
from typing import Any, Self

from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.prices import resolve_prices
from chenu_server.upstream.behaviour import FAULTS_MIDWAY, Behaviour, Playbook
from chenu_server.upstream.control import answer_control
from chenu_server.upstream.http import Connection, Request
from chenu_server.upstream.record import Arrival, Bill, Tokens, prices_of
from chenu_server.upstream.wires import Answer, AnthropicMessages, Ask, OpenAiChat, Wire
from chenu_server.values import replace

ARRIVALS_MAX = 200_000
BODIES_MAX = 1_000
# One with files is remembered by its size alone.
KEPT_BODY_BYTES_MAX = 1024 * 1024
LATER_S = 86_400.0

# A provider's own path and query stand between its name and what its wire appends.
_PATH = re.compile(r"/([a-z0-9_-]+)(?:/[^?]*)?/(v1/messages|chat/completions)(?:\?.*)?")
_LIST = re.compile(r"/([a-z0-9_-]+)(?:/[^?]*)?/models(?:\?.*)?")
_MARKER = re.compile(r"\[\[(.{1,128}?)\]\]")
_WIRES: dict[str, Wire] = {"v1/messages": AnthropicMessages(), "chat/completions": OpenAiChat()}
_PLAYED: dict[str, Wire] = {
    "anthropic_messages": _WIRES["v1/messages"],
    "openai_chat": _WIRES["chat/completions"],
}
_PATHS = {"anthropic_messages": "", "openai_chat": "/v1"}


class FakeUpstream:
    """A real server on a real port that plays every provider of a catalogue.

    Deterministic: the answer echoes the prompt, the usage follows from the sizes: input
    tokens never exceed the body's bytes, output tokens never the cap, unless told to. It bills
    an attempt in full when it accepts it, whatever becomes of the answer: the harshest
    provider that a gateway's books must stand.
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        *,
        port: int = 0,
        arrivals_max: int = ARRIVALS_MAX,
    ) -> None:
        if catalogue is None:
            today = datetime.datetime.now(datetime.UTC).date()
            catalogue = resolve_prices(load_catalogue(), today)
        self._catalogue = catalogue
        self._port = port
        self._prices = prices_of(catalogue)
        self._playbook = Playbook()
        self._opened: set[Connection] = set()
        self._released = asyncio.Event()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.arrivals: deque[Arrival] = deque(maxlen=arrivals_max)
        self.bodies: deque[bytes] = deque(maxlen=BODIES_MAX)
        self.requests: deque[Request] = deque(maxlen=BODIES_MAX)
        self.bill = Bill(self._prices)
        self.arrivals_total = 0
        self.calls_open = 0
        self.connections_total = 0
        self._released.set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._accept, "127.0.0.1", self._port, backlog=4_096
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None, "never entered"
        self._server.close()
        for connection in list(self._opened):
            connection.close()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def provider_url(self, provider: str) -> str:
        """The `base_url` to configure for one provider."""
        path = _PATHS[self._catalogue.provider(provider).wire]
        return f"{self.base_url}/{provider}{path}"

    def behave(self, key: str = "*", behaviour: Behaviour | None = None, **knobs: Any) -> None:
        """Answer `provider/model`, a model, a provider or `*` so from now on."""
        self._playbook.stand(key, behaviour or Behaviour(**knobs))

    def script(self, key: str, behaviours: Iterable[Behaviour]) -> None:
        """Answer the next requests for `key` so, one each."""
        self._playbook.queue(key, behaviours)

    def hold(self) -> None:
        """Let every request wait, from now until `release`."""
        self._released.clear()

    def release(self) -> None:
        """Answer those that wait, and no longer hold."""
        self._released.set()

    @property
    def held(self) -> bool:
        """Whether requests wait."""
        return not self._released.is_set()

    async def until_open(self, calls: int) -> None:
        """Wait until so many calls are under way; bound it with `asyncio.timeout`."""
        while self.calls_open != calls:
            self._changed.clear()
            await self._changed.wait()

    def reset(self) -> None:
        """Forget behaviours, arrivals and the bill; let go of what is held."""
        self._playbook.clear()
        self.arrivals.clear()
        self.bodies.clear()
        self.requests.clear()
        self.bill = Bill(self._prices)
        self.arrivals_total = 0
        self.release()

    def _accept(self) -> Connection:
        self.connections_total += 1
        return Connection(self._serve, self._opened)

    async def _serve(self, request: Request, connection: Connection) -> None:
        if request.path.startswith("/control/"):
            connection.respond(*answer_control(self, request))
            return
        self.calls_open += 1
        self._changed.set()
        try:
            await self._call(request, connection)
        finally:
            self.calls_open -= 1
            self._changed.set()

    async def _list(
        self, request: Request, connection: Connection, provider: str, wire: Wire
    ) -> None:
        """The provider's models. Told as `provider/models`; nothing of it is billed or kept."""
        behaviour = self._playbook.take(provider, "models")
        await self._wait(behaviour)
        names = [model for known, model in self._prices if known == provider]
        status, why = self._verdict(request, provider, wire, names[0], behaviour)
        if behaviour.raw:
            kind = behaviour.raw_type
            connection.respond(status, behaviour.raw.encode(), behaviour.headers, kind=kind)
        elif status == 200:
            models = [{"id": name, "object": "model"} for name in names]
            connection.respond(200, json.dumps({"object": "list", "data": models}).encode())
        else:
            connection.respond(status, wire.error(why, why), behaviour.headers)

    async def _call(self, request: Request, connection: Connection) -> None:
        listed = _LIST.fullmatch(request.path)
        record = self._catalogue.providers.get(listed[1]) if listed else None
        if record is not None and request.method == "GET":
            await self._list(request, connection, record.name, _PLAYED[record.wire])
            return
        match = _PATH.fullmatch(request.path)
        if match is None or request.method != "POST":
            connection.respond(404, b'{"error":{"type":"not_found","message":"no such path"}}')
            return
        provider, wire = match[1], _WIRES[match[2]]
        try:
            body = _object(request.body)
            ask = wire.ask_of(provider, body)
            # As those do whose record says so: a gateway that asks all the same is found out here.
            if "stream_options" in body and self._tells_unasked(provider):
                raise ValueError("Extra inputs are not permitted: stream_options")
        except ValueError as error:
            # Refused, it has come all the same: the books show every arrival.
            self._arrive(request, provider, None, 400, 0)
            connection.respond(400, wire.error("invalid_request_error", str(error)))
            return
        await self._answer(request, connection, provider, wire, ask)

    async def _answer(
        self, request: Request, connection: Connection, provider: str, wire: Wire, ask: Ask
    ) -> None:
        behaviour = self._playbook.take(provider, ask.model)
        status, why = self._verdict(request, provider, wire, ask.model, behaviour)
        pieces, tokens = _compose(ask, behaviour, len(request.body) - ask.file_chars)
        billed = status == 200 and behaviour.fault != "refuse"
        cost = self.bill.charge(provider, ask.model, tokens) if billed else 0
        # Before any wait: the books show a call that has come, also one that is never answered.
        self._arrive(request, provider, ask, status, cost)
        await self._wait(behaviour)
        headers = self._named(provider, behaviour) + behaviour.headers
        if behaviour.raw:
            body = behaviour.raw.encode()
            connection.respond(status, body, headers, kind=behaviour.raw_type)
            return
        if status != 200:
            # Real providers quote the key in their refusals; so does this one, for those who log.
            key = wire.key_of(request.headers)
            complaint = wire.error(why, f"{why}, key {key!r}")
            connection.respond(status, complaint, f"X-Key-Seen: {key}\r\n{headers}")
            return
        unasked = not ask.streaming or self._tells_unasked(provider)
        shown = behaviour.fault != "no_usage" and (ask.wants_usage or unasked)
        answer = Answer(
            name=f"{self.arrivals_total:08d}",
            model=ask.model,
            pieces=pieces,
            calls=behaviour.tool_calls,
            finished=sum(map(len, pieces)) < 4 * ask.output_cap,
            tokens=tokens if shown else None,
        )
        if behaviour.fault == "refuse":
            connection.close()
        elif ask.streaming:
            connection.begin_stream(headers)
            await _play(connection, wire, answer, behaviour, self._released)
        else:
            connection.respond(200, wire.whole(answer), headers)

    def _named(self, provider: str, behaviour: Behaviour) -> str:
        """The header line by which the provider names the call."""
        record = self._catalogue.providers.get(provider)
        header = "x-request-id" if record is None else record.request_id_header
        return f"{header}: {behaviour.request_id or f'req_{self.arrivals_total:08d}'}\r\n"

    def _tells_unasked(self, provider: str) -> bool:
        """Whether it tells its usage unasked, and refuses to be asked for it."""
        record = self._catalogue.providers.get(provider)
        return record is not None and not record.stream_options

    def _verdict(
        self, request: Request, provider: str, wire: Wire, model: str, behaviour: Behaviour
    ) -> tuple[int, str]:
        if (provider, model) not in self._prices:
            return 404, "not_found_error"
        auth = self._catalogue.provider(provider).auth
        if auth not in ("none", "optional") and not wire.key_of(request.headers):
            return 401, "authentication_error"
        return behaviour.status, "api_error"

    def _arrive(
        self, request: Request, provider: str, ask: Ask | None, status: int, cost: int
    ) -> None:
        self.arrivals_total += 1
        marker = _MARKER.search(ask.prompt) if ask else None
        kept = request.body if len(request.body) <= KEPT_BODY_BYTES_MAX else b""
        self.bodies.append(kept)
        self.requests.append(replace(request, body=kept))
        self.arrivals.append(
            Arrival(
                number=self.arrivals_total,
                mono_ns=request.mono_ns,
                wall_us=request.wall_us,
                provider=provider,
                model=ask.model if ask else "",
                body_bytes=len(request.body),
                output_cap=ask.output_cap if ask else 0,
                streaming=ask.streaming if ask else False,
                marker=marker[1] if marker else "",
                status=status,
                billed_nanousd=cost,
            )
        )

    async def _wait(self, behaviour: Behaviour) -> None:
        if not behaviour.held_after:
            await self._released.wait()
        if behaviour.latency_ms:
            await asyncio.sleep(behaviour.latency_ms / 1_000)
        if behaviour.fault == "hang":
            # Longer than any deadline that a test sets: whoever waits for it ends by his own time.
            await asyncio.sleep(LATER_S)


async def _play(
    connection: Connection,
    wire: Wire,
    answer: Answer,
    behaviour: Behaviour,
    released: asyncio.Event,
) -> None:
    written = wire.begin(answer)
    for number, piece in enumerate(answer.pieces):
        if behaviour.fault in FAULTS_MIDWAY and number == behaviour.fault_after:
            break
        if number and number == behaviour.held_after and not released.is_set():
            connection.chunk(written)
            written = b""
            await released.wait()
        written += wire.delta(answer, piece)
        if behaviour.pace_ms:
            connection.chunk(written)
            written = b""
            await asyncio.sleep(behaviour.pace_ms / 1_000)
    await _finish(connection, wire, answer, behaviour, written)


async def _finish(
    connection: Connection, wire: Wire, answer: Answer, behaviour: Behaviour, written: bytes
) -> None:
    match behaviour.fault:
        case "cut" | "stall":
            if written:
                connection.chunk(written)
            if behaviour.fault == "stall":
                await asyncio.sleep(LATER_S)
            connection.close()
        case "malformed":
            connection.end_stream(written + b'data: {"type": "content_block_delta", \n\n')
        case "error":
            connection.end_stream(written + wire.error_event())
        case "no_terminator":
            connection.end_stream(written + wire.end(answer))
        case _:
            connection.end_stream(written + wire.end(answer) + wire.terminator)


def _compose(ask: Ask, behaviour: Behaviour, body_bytes: int) -> tuple[tuple[str, ...], Tokens]:
    """The answer's pieces and its count: four characters to a token unless told, four bytes in.

    Files count for nothing: each provider has a rule of its own for them.
    """
    told = behaviour.answer or behaviour.calls
    text = behaviour.answer if told else f"{ask.model} heard: {ask.prompt}"
    if behaviour.answer_chars:
        text = (text * (behaviour.answer_chars // len(text) + 1))[: behaviour.answer_chars]
    text = text[: behaviour.token_chars * ask.output_cap]
    # Rounded up, or there would be a piece more than was wanted; and no range has a step of 0.
    size = -(-len(text) // behaviour.deltas) or 1
    called = sum(len(name) + len(arguments) for name, arguments in behaviour.tool_calls)
    pieces = tuple(text[at : at + size] for at in range(0, len(text), size))
    counted = max(body_bytes // 4, 1)
    cached = min(behaviour.cached_tokens, counted)
    return pieces, Tokens(
        input=counted - cached + behaviour.extra_input_tokens,
        output=-(-(len(text) + called) // behaviour.token_chars) + behaviour.extra_output_tokens,
        cache_read=cached,
        cache_write=behaviour.written_tokens,
        cache_write_hour=behaviour.written_hour_tokens,
    )


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("the body is not an object")
    return value
