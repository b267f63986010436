"""The native parts of the bench, as they are asked: a line of JSON for a line of JSON.

They are `loadtest/native`, built by `make bench`: a generator in Python tops out where a server
that is to be faster begins.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from chenu.api.pipeline.v1 import pipeline_service_pb2, routing_pb2
from loadtest.bench.scene import CONNECTIONS, MODEL, OUTPUT_CAP, PROVIDER, SERVER_CORE, TEXT
from loadtest.processes import ROOT, START_TIMEOUT_S, STOP_TIMEOUT_S, Process, pinned

PROGRAM: Final = ROOT / "target" / "release" / "chenu-load"
PLAYS_PROVIDER: Final = (str(PROGRAM), "provider")
SERVICE: Final = "/chenu.api.pipeline.v1.PipelineService"


class NativeFailed(Exception):
    """A native part is not built, has ended, or says why a figure would be worth nothing."""


class Asked:
    """A native part that answers line by line."""

    def __init__(self, part: str, *, core: int) -> None:
        """Start it on one core."""
        if not PROGRAM.exists():
            raise NativeFailed(f"{PROGRAM} is missing; run `make bench` or `make bench-pairs`")
        self._process = subprocess.Popen(
            [*pinned(core), str(PROGRAM), part],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended before it has read all
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def tell(self, line: Mapping[str, Any]) -> None:
        """
        A line that is not answered.

        Raises:
            NativeFailed: It has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise NativeFailed("it has ended") from None

    def ask(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """
        What it answers.

        Raises:
            NativeFailed: It has ended, or says why there is no answer.
        """
        self.tell(line)
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        found: dict[str, Any] = json.loads(answer or '{"error": "it has ended"}')
        if "error" in found:
            raise NativeFailed(found["error"])
        return found


@dataclass(frozen=True, slots=True)
class Measured:
    """What some calls took; times in microseconds, `cpu_us` the server's for one of them."""

    calls: int
    per_s: float
    cpu_us: float
    latency_us: Mapping[str, int]
    first_us: Mapping[str, int]


class Load(Asked):
    """Calls a gateway, and the provider behind it, with ready-made bytes.

    An answer is checked by what is `expected` of it, and in any case by its status.
    """

    def __init__(self, target: str, token: str, *, core: int, pid: int, provider: str = "") -> None:
        """Connect to `target`; `pid` is its process, `provider` the host and port behind it."""
        super().__init__("calls", core=core)
        self._pid = pid
        methods = {
            "query": _method("Query", _query(), is_stream=False),
            "run": _method("Run", pipeline_service_pb2.RunRequest(query=_query()), is_stream=True),
        }
        path = f"/{PROVIDER}/v1/chat/completions"
        behind = {"target": provider, "path": path, "body": _BODY} if provider else None
        self.tell(
            {
                "target": target,
                "token": token,
                "connections": CONNECTIONS,
                "methods": methods,
                "provider": behind,
            }
        )

    def burst(
        self, method: str, concurrency: int, calls: int, *, expected: str | None = None
    ) -> Measured:
        """So many calls, with as many under way as that allows."""
        return self._measured(
            method=method, concurrency=concurrency, calls=calls, expected=expected
        )

    def spell(
        self, method: str, concurrency: int, seconds: float, *, expected: str | None = None
    ) -> Measured:
        """As many calls as end in so many seconds, behind a second of warm-up."""
        return self._measured(
            method=method,
            concurrency=concurrency,
            seconds=seconds,
            warm_up_s=1.0,
            expected=expected,
        )

    def _measured(self, **command: Any) -> Measured:
        found = self.ask({**command, "server_pid": self._pid})
        calls = found["calls"]
        if not calls:
            raise NativeFailed("no call ended in time")
        return Measured(
            calls=calls,
            per_s=calls * 1e6 / found["wall_us"],
            cpu_us=found["cpu_us"] / calls,
            latency_us=found["latency_us"],
            first_us=found["first_us"],
        )


class Spin(Asked):
    """How long a fixed loop takes on the server's core: other times are told in its terms."""

    def __init__(self) -> None:
        """Start it."""
        super().__init__("spin", core=SERVER_CORE)

    def us(self) -> int:
        """Microseconds, now."""
        spin_us: int = self.ask({})["spin_us"]
        return spin_us


class Echo(Process):
    """A gRPC server that answers at once, to find what the load generator can ask for."""

    def __init__(self, directory: Path) -> None:
        """Start it."""
        self._port_file = directory / "echo.port"
        command = ("echo", str(self._port_file))
        super().__init__(
            "echo", command, directory=directory, core=SERVER_CORE, python=str(PROGRAM)
        )

    def wait_listening(self) -> str:
        """Wait until it listens, and where that is.

        Raises:
            ProcessFailed: It ended, or took too long.
        """
        self.until(lambda: self._port_file.exists() or None, "listened", START_TIMEOUT_S)
        return f"127.0.0.1:{self._port_file.read_text()}"


def answer(chars: int = 0) -> str:
    """What the provider answers, over and over up to so many characters."""
    text = f"{MODEL} heard: {TEXT}"
    return (text * (chars // len(text) + 1))[:chars] if chars else text


def _method(name: str, request: Any, *, is_stream: bool) -> dict[str, Any]:
    encoded = base64.b64encode(request.SerializeToString()).decode("ascii")
    return {"path": f"{SERVICE}/{name}", "request": encoded, "is_stream": is_stream}


def _query() -> pipeline_service_pb2.QueryRequest:
    """Without an id, so that each call is a query of its own."""
    only = routing_pb2.RoutingRequest(strategy=routing_pb2.STRATEGY_SPECIFIC, preferred_model=MODEL)
    return pipeline_service_pb2.QueryRequest(text=TEXT, routing=only, max_output_tokens=OUTPUT_CAP)


# The provider is called with the body that the gateway would send.
_BODY: Final = json.dumps(
    {
        "model": MODEL,
        "messages": [{"role": "user", "content": TEXT}],
        "max_completion_tokens": OUTPUT_CAP,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
)
