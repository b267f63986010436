"""What is right of cases that are known by name, in the words of the specification."""

from __future__ import annotations

from typing import Any, Final

from tests.faults.calls import LYON, PARIS, TOOL
from tests.faults.script import Blame, End, Tokens, Truth

_BOTH: Final = Tokens(input=11, output=7)
_WORDS: Final = "Hello there"


def _answered(text: str = _WORDS, tokens: Tokens = _BOTH, **more: Any) -> Truth:
    return Truth(end=End.ANSWER, text=text, tokens=tokens, **more)


def _bound(tokens: Tokens | None = None, text: str = "Hello") -> Truth:
    return _answered(text, tokens or Tokens(), is_told=False)


def _broke(failure: str, text: str = "", **more: Any) -> Truth:
    return Truth(end=End.BROKE, failure=failure, text=text, **more)


def _refused(failure: str, blame: Blame, **more: Any) -> Truth:
    return Truth(end=End.REFUSED, failure=failure, blame=blame, may_be_billed=False, **more)


def _called(*arguments: str) -> Truth:
    calls = tuple((TOOL, each) for each in arguments)
    return _answered("", calls=calls, stop="TOOL_CALLS")


def _wrong_call(problem: str) -> Truth:
    return Truth(end=End.BAD_CALL, failure="tool_call_invalid", problem=problem, tokens=_BOTH)


_OPERATORS: Final[dict[str, Any]] = {"blame": Blame.OPERATOR, "may_be_billed": False}

RIGHT: Final[dict[tuple[str, str], Truth]] = {
    ("plain", "oai"): _answered(),
    ("plain", "ant"): _answered(),
    # --- tokens ---
    ("usage-all-zero", "oai"): _bound(text=_WORDS),
    ("usage-none", "oai"): _bound(),
    ("usage-then-zero", "oai"): _answered("Hello"),
    ("usage-then-empty", "oai"): _answered("Hello"),
    ("usage-first-only", "oai"): _answered(),
    ("usage-second-last", "oai"): _answered(),
    ("usage-x-groq", "oai"): _answered("Hello"),
    ("usage-floats", "oai"): _answered("Hello"),
    ("delta-zero-input", "ant"): _answered("Hello", Tokens(input=3_602, output=7)),
    ("delta-usage-null", "ant"): _bound(Tokens(input=11, output=1)),
    ("cumulative-delta", "ant"): _answered(
        "Hello", Tokens(input=11, output=7, cache_read=100, cache_write=50)
    ),
    ("cache-in-delta", "ant"): _answered("Hello", Tokens(input=3_602, output=7, cache_read=3_604)),
    ("reasoning-outside", "oai"): _answered("Hello", Tokens(input=11, output=107), reasoning="hmm"),
    # --- how it stops ---
    ("finish-error", "oai"): _broke("finish_error", "Hel", tokens=_BOTH),
    ("finish-empty-string", "oai"): _broke("truncated", _WORDS),
    ("no-done", "oai"): _broke("truncated", "Hello", tokens=_BOTH),
    ("reasoning-ate-cap", "oai"): _answered(
        "", Tokens(input=11, output=256), reasoning="all of it", stop="LENGTH"
    ),
    ("empty-answer", "oai"): _answered("", Tokens(input=11), is_told=True),
    ("thinking-pause", "ant"): _answered("Hello", reasoning="hmm", stop="PAUSE"),
    # --- errors inside ---
    ("error-null-field", "oai"): _answered(),
    ("error-midstream", "oai"): _broke("server_error", "Hel"),
    ("error-event-name", "oai"): _broke("server_error", may_be_billed=False),
    ("overloaded-first", "ant"): _broke("overloaded", may_be_billed=False),
    ("overloaded-midstream", "ant"): _broke("overloaded", "Hello"),
    ("error-200-json", "oai"): _broke("rate_limit", blame=Blame.RATE, may_be_billed=False),
    # --- how it is spelt ---
    ("data-null", "oai"): _answered("Hello"),
    ("comments", "oai"): _answered("Hello"),
    ("crlf", "oai"): _answered("Hello"),
    ("bom", "oai"): _answered(),
    ("done-trailing-space", "oai"): _answered("Hello"),
    ("done-no-newline", "oai"): _answered("Hello"),
    ("content-list", "oai"): _answered(reasoning="hmm"),
    ("json-not-stream", "oai"): _answered(),
    ("emoji-bytewise", "oai"): _answered("a 👩‍👩‍👧‍👦 é 日本 x😀y"),
    # --- what is no answer ---
    ("redirect-307", "oai"): _refused("redirect", Blame.OPERATOR),
    ("bad-gzip", "oai"): _broke("not_an_answer", **_OPERATORS),
    ("stall-before-first", "oai"): _broke("timeout_first_event"),
    ("stall-mid", "oai"): _broke("timeout_between_events", "Hel"),
    ("http-401", "oai"): _refused("http_401", Blame.OPERATOR),
    ("http-404", "oai"): _refused("http_404", Blame.OPERATOR),
    ("http-400-credit", "ant"): _refused("credit", Blame.OPERATOR),
    ("http-400-context", "oai"): _refused("http_400", Blame.CALLER),
    ("http-429-ms", "oai"): _refused("http_429", Blame.RATE, retry_after_ms=1_500),
    ("http-529", "ant"): _refused("http_529", Blame.PROVIDER),
    # --- tools and JSON ---
    ("tool-plain", "oai"): _called(PARIS),
    ("tool-plain", "ant"): _called(PARIS),
    ("tool-shared-index", "oai"): _called(PARIS, LYON),
    ("tool-no-index", "oai"): _called(PARIS),
    ("tool-late-id", "oai"): _called(PARIS),
    ("tool-cut", "oai"): _wrong_call("cut"),
    ("tool-undeclared", "oai"): _wrong_call("undeclared"),
    ("json-fence", "oai"): _answered('```json\n{"city":"Paris"}\n```', json=PARIS),
    ("json-broken", "oai"): Truth(
        end=End.BAD_OUTPUT,
        failure="output_invalid",
        text='{"city": "Paris"',
        problem="not_json",
        tokens=_BOTH,
    ),
}
