"""How the fake upstream answers: knobs per model, and scripts that are used up one by one."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from chenu_server.values import dataclass

FAULTS = (
    "refuse",  # the connection closes without an answer
    "hang",  # there is never an answer
    "cut",  # the connection closes after `fault_after` deltas
    "stall",  # after `fault_after` deltas nothing more comes
    "malformed",  # after `fault_after` deltas comes an event that is not JSON
    "error",  # after `fault_after` deltas comes the wire's own error event
    "no_terminator",  # the stream ends in good order, but without its terminator
    "no_usage",  # the answer says nothing of tokens
)
FAULTS_MIDWAY = ("cut", "stall", "malformed", "error")
SCRIPT_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one request is answered. The default is at once, in order, and truthful."""

    latency_ms: int = 0  # before the first byte
    pace_ms: int = 0  # between deltas
    deltas: int = 4
    held_after: int = 0  # while requests wait, this many come all the same
    answer_chars: int = 0  # 0: as long as the echo of the prompt
    answer: str = ""  # in the place of the echo
    calls: str = ""  # what it calls, as JSON: [[name, {arguments} or their very text], ...]
    token_chars: int = 4  # of the answer: one token may stand for many
    status: int = 200
    retry_after: str = ""  # the header's value: seconds or a date
    retry_after_ms: str = ""  # likewise in milliseconds, as some providers add
    location: str = ""  # likewise, for a redirect
    request_id: str = ""  # how it names the call, in place of a name of its own making
    raw: str = ""  # the body as it is, in the place of an answer
    raw_type: str = "text/event-stream"  # its content type
    raw_encoding: str = ""  # its content encoding, true or not
    fault: str = ""  # one of FAULTS
    fault_after: int = 0
    cached_tokens: int = 0  # of the input, read from a cache
    written_tokens: int = 0  # beyond the input, written to a cache for its usual time
    written_hour_tokens: int = 0  # beyond the input, written to a cache for an hour
    extra_input_tokens: int = 0  # billed beyond what was sent
    extra_output_tokens: int = 0  # billed beyond the cap

    def __post_init__(self) -> None:
        if self.fault and self.fault not in FAULTS:
            raise ValueError(f"fault must be one of {', '.join(FAULTS)}")
        if not 1 <= self.deltas <= 100_000 or not 200 <= self.status <= 599:
            raise ValueError("deltas must be 1 to 100000, status 200 to 599")
        if self.token_chars == 0:
            raise ValueError("token_chars must be at least 1")
        # Read for its check: a wrong script fails where it is set, and not in the middle of a test
        # that plays it.
        _ = self.tool_calls
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if type(value).__name__ != field.type or (isinstance(value, int) and value < 0):
                raise ValueError(f"{field.name} must be a {field.type}, not negative")

    @property
    def tool_calls(self) -> tuple[tuple[str, str], ...]:
        """The calls that an answer holds: names, and arguments as JSON.

        Raises:
            ValueError: `calls` is no such list.
        """
        try:
            calls = json.loads(self.calls or "[]")
            return tuple((str(name), _written(arguments)) for name, arguments in calls)
        except (TypeError, ValueError) as error:
            raise ValueError(f"calls must be [[name, {{arguments}}], ...]: {error}") from error

    @property
    def headers(self) -> str:
        """The header lines of a refusal, or of a raw answer."""
        named = (
            ("Retry-After", self.retry_after),
            ("retry-after-ms", self.retry_after_ms),
            ("Location", self.location),
            ("Content-Encoding", self.raw_encoding),
        )
        return "".join(f"{name}: {value}\r\n" for name, value in named if value)


def behaviour_of(table: Mapping[str, Any]) -> Behaviour:
    """The behaviour in a JSON object.

    Raises:
        ValueError: A key is unknown or a value is not what it must be.
    """
    known = [field.name for field in dataclasses.fields(Behaviour)]
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            raise ValueError(f"unknown knob {key!r}" + (f", {close[0]!r}?" if close else ""))
    return Behaviour(**table)


class Playbook:
    """Which behaviour a request gets.

    A key is `provider/model`, a model, a provider or `*`; the narrowest one that says
    anything wins, and at each key a queued script comes before the standing behaviour.
    """

    def __init__(self) -> None:
        self._standing: dict[str, Behaviour] = {}
        self._scripts: dict[str, deque[Behaviour]] = {}

    def stand(self, key: str, behaviour: Behaviour) -> None:
        """Answer so until told otherwise."""
        self._standing[key] = behaviour

    def queue(self, key: str, behaviours: Iterable[Behaviour]) -> None:
        """Answer the next requests so, one each.

        Raises:
            ValueError: The script would be longer than `SCRIPT_MAX`.
        """
        script, added = self._scripts.setdefault(key, deque()), list(behaviours)
        if len(script) + len(added) > SCRIPT_MAX:
            raise ValueError(f"a script has at most {SCRIPT_MAX} steps")
        script.extend(added)

    def take(self, provider: str, model: str) -> Behaviour:
        """The behaviour of the next request for a model."""
        for key in (f"{provider}/{model}", model, provider, "*"):
            if script := self._scripts.get(key):
                return script.popleft()
            if standing := self._standing.get(key):
                return standing
        return _DEFAULT

    def clear(self) -> None:
        """Forget all of it."""
        self._standing.clear()
        self._scripts.clear()


_DEFAULT = Behaviour()


def _written(arguments: Any) -> str:
    # A text as it stands: models write what no JSON of an object gives, such as a key twice.
    return arguments if isinstance(arguments, str) else json.dumps(arguments)
