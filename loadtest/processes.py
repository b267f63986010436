"""Real processes to show, load, measure and kill: a CHE·NU server and the fake upstream.

Everything is bounded: what does not start, stop or answer in time raises `ProcessFailed` with the
end of its log.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.request import ProxyHandler, Request, build_opener

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no stubs

ROOT: Final = Path(__file__).resolve().parents[1]
SERVE: Final = ("-m", "chenu_server", "serve")
FAKE_UPSTREAM: Final = (sys.executable, "-m", "chenu_server.upstream", "--port-file")
START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.02
LOG_TAIL_BYTES: Final = 4_000
# What runs beside this process is never behind a proxy, whatever the environment says.
_DIRECT: Final = build_opener(ProxyHandler({}))

T = TypeVar("T")


class ProcessFailed(Exception):
    """A process did not do in time what was waited for. The message ends with its log."""


class Process:
    """A Python process. Its output is appended to `log`, so that a restart keeps what was there."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        core: int | None = None,
        python: str = sys.executable,
    ) -> None:
        """Start `python` with `command` in `directory`; with `core`, on that core alone."""
        self.name = name
        self.log = directory / f"{name}.log"
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*pinned(core), python, *command],
                # A `chenu.toml` that lies where this was called from would configure the server.
                cwd=directory,
                env=_environment(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.running:
            with suppress(ProcessFailed):  # it was killed instead
                self.terminate()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def output(self) -> str:
        """What this process has written; not what stood in the log before it."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is tidied up."""
        self._process.kill()
        self._process.wait(STOP_TIMEOUT_S)

    def terminate(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, and the exit status that follows.

        Raises:
            ProcessFailed: It did not end in time; it has been killed.
        """
        self._process.terminate()
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Its exit status, once it has ended by itself.

        Raises:
            ProcessFailed: It did not end in time; it has been killed.
        """
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self.failure(f"did not end within {timeout_s:g} s") from None

    def failure(self, what: str) -> ProcessFailed:
        """The error that says what this process did, with the end of its log."""
        tail = self.output()[-LOG_TAIL_BYTES:]
        return ProcessFailed(f"{self.name} {what}; {self.log} ends:\n{tail}")

    def until(self, ready: Callable[[], T | None], what: str, timeout_s: float) -> T:
        """What `ready` gives as soon as it gives something.

        Raises:
            ProcessFailed: The process ended, or it took longer.
        """
        end_s = time.monotonic() + timeout_s
        while (found := ready()) is None:
            if not self.running:
                raise self.failure(f"ended with {self._process.returncode} before it {what}")
            if time.monotonic() > end_s:
                raise self.failure(f"has not {what} within {timeout_s:g} s")
            time.sleep(POLL_S)
        return found


class ServerProcess(Process):
    """A CHE·NU server on loopback."""

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Any],
        *,
        core: int | None = None,
        command: Sequence[str] = SERVE,
        python: str = sys.executable,
    ) -> None:
        """Start it; `settings` are sections as in `chenu.toml`. Nothing else configures it."""
        environment = {f"CHENU_{name.upper()}": _text(value) for name, value in settings.items()}
        super().__init__(
            "server",
            command,
            directory=directory,
            environment=environment,
            core=core,
            python=python,
        )
        self._port = 0

    @property
    def port(self) -> int:
        """Where it listens, once it does; a restart may ask for the same one."""
        if not self._port:
            raise LookupError("wait until it is serving")
        return self._port

    @property
    def target(self) -> str:
        """`host:port` for a client."""
        return f"127.0.0.1:{self.port}"

    def wait_serving(self, timeout_s: float = START_TIMEOUT_S) -> Self:
        """Wait until its health says SERVING.

        Raises:
            ProcessFailed: It ended, or took longer than `timeout_s`.
        """
        end_s = time.monotonic() + timeout_s
        self._port = self.until(self._logged_port, "listened", timeout_s)
        with grpc.insecure_channel(self.target, [("grpc.enable_http_proxy", 0)]) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            left_s = max(end_s - time.monotonic(), POLL_S)
            self.until(lambda: _serving(stub), "said SERVING", left_s)
        return self

    def _logged_port(self) -> int | None:
        for line in self.output().splitlines():
            # A line that is just being written is no JSON yet.
            if '"listening"' in line and line.endswith("}"):
                return int(json.loads(line)["port"])
        return None


class UpstreamProcess(Process):
    """The fake upstream with its control endpoint, or a program that can less of the same."""

    def __init__(
        self, directory: Path, *, core: int | None = None, program: Sequence[str] = FAKE_UPSTREAM
    ) -> None:
        """Start it: `program`, which takes the file for its port as its last word."""
        self._port_file = directory / "upstream.port"
        # Else the port of an earlier one would be taken for its own.
        self._port_file.unlink(missing_ok=True)
        name, *words = program
        command = (*words, str(self._port_file))
        super().__init__("upstream", command, directory=directory, core=core, python=name)

    @property
    def base_url(self) -> str:
        """Where it listens, once it does."""
        return f"http://127.0.0.1:{self._port_file.read_text().strip()}"

    def wait_listening(self, timeout_s: float = START_TIMEOUT_S) -> Self:
        """Wait until it listens.

        Raises:
            ProcessFailed: It ended, or took longer than `timeout_s`.
        """
        self.until(lambda: self._port_file.exists() or None, "listened", timeout_s)
        return self

    def provider_settings(self, names: Sequence[str]) -> dict[str, Any]:
        """The `providers` section of a server that calls these providers here."""
        return {
            "enabled": list(names),
            "settings": {
                name: {
                    "base_url": f"{self.base_url}/{name}{'' if name == 'anthropic' else '/v1'}",
                    "api_key": "a-key-for-the-fake-upstream",
                }
                for name in names
            },
        }

    def state(self) -> dict[str, Any]:
        """Its counters and its bill."""
        return self._control("state")

    def billed_nanousd(self, *models: str) -> int:
        """What it bills for these models, or for all."""
        bill = self.state()["bill"]
        return sum(line["nanousd"] for line in bill if not models or line["model"] in models)

    def arrivals(self, *, marker: str = "", provider: str = "") -> list[dict[str, Any]]:
        """Requests in the order of their arrival, of a `[[marker]]` or a provider."""
        found: list[dict[str, Any]] = self._control("arrivals")["arrivals"]
        return [
            arrival
            for arrival in found
            if marker in ("", arrival["marker"]) and provider in ("", arrival["provider"])
        ]

    def behave(self, key: str, **knobs: Any) -> None:
        """Answer `provider/model`, a model, a provider or `*` so from now on."""
        self._control("behave", {"key": key, "behaviour": knobs})

    def hold(self) -> None:
        """Let every request wait."""
        self._control("hold", {})

    def release(self) -> None:
        """Answer those that wait, and no longer hold."""
        self._control("release", {})

    def _control(self, action: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.base_url}/control/{action}", data=data)
        with _DIRECT.open(request, timeout=STOP_TIMEOUT_S) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


def end_like_ctrl_c() -> None:
    """Let SIGTERM unwind this process too, so that whatever it has started is stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _serving(stub: Any) -> bool | None:
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
    except grpc.RpcError:
        return None
    return True if answer.status == health_pb2.HealthCheckResponse.SERVING else None


def pinned(core: int | None) -> list[str]:
    """What goes in front of a command that may use one core alone.

    Raises:
        ProcessFailed: The machine has no `taskset`.
    """
    if core is None:
        return []
    taskset = shutil.which("taskset")
    if taskset is None:
        raise ProcessFailed("`taskset` is missing; on Debian: apt-get install util-linux")
    return [taskset, "--cpu-list", str(core)]


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """This process's, without what would configure another server."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("CHENU_")}
    # Unbuffered: the port is read from the log while the process runs.
    return inherited | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | dict(own)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
