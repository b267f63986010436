"""What the release's servers were asked, by name: so that it can be asked again, word for word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chenu.api.governance.v1 import action_pb2
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import routing_pb2
from chenu_server.values import dataclass
from tests.files import PDF, png
from tests.harness import only

# What is data in SQL, JSON and C strings, and must never be anything else.
AWKWARD: Final = "l'été \"q\" \\ {a} NULL '; -- \0 \x01 \u2028 \U0001f512 é 你好"
# A later catalogue must know the first two still: queries that wait go on to them.
GROQ: Final = only("groq", "openai/gpt-oss-120b")
CLAUDE: Final = only("anthropic", "claude-sonnet-5-5")
GPT: Final = only("openai", "gpt-6.1-terra")
MISTRAL: Final = only("mistral", "mistral-large-4")
GEMINI: Final = only("google", "gemini-3.8-flash")
LOCAL: Final = only("ollama", "qwen3:8b")
EITHER: Final = routing_pb2.RoutingRequest(allowed_providers=["groq", "openai", "anthropic"])
PICTURE: Final = png(28, 28, bytes(300_000))
"""More than one chunk of a stored file, and nothing once it is packed."""
UNUSED: Final = png()
"""What is sent with a query that is never admitted."""
RAIN: Final = '{"type":"object","properties":{"rain":{"type":"boolean"}},"required":["rain"]}'
LOOK: Final = cp.Tool(
    name="look", effect=cp.TOOL_EFFECT_READ, description="Looks.", parameters='{"type":"object"}'
)
SAVE: Final = cp.Tool(name="save", effect=cp.TOOL_EFFECT_WRITE)


@dataclass(frozen=True, slots=True)
class Ask:
    """One ask: by whom, of `people.People`, and of what; its id is given when it is sent."""

    by: str
    fields: Mapping[str, Any]

    def request(self, request_id: str) -> pb.QueryRequest:
        """The request under an id."""
        return pb.QueryRequest(request_id=request_id, **self.fields)


def _ask(by: str, text: str, routing: routing_pb2.RoutingRequest = GROQ, **more: Any) -> Ask:
    return Ask(by, {"text": text, "routing": routing, **more})


def _waits(by: str, what: str, routing: routing_pb2.RoutingRequest = GROQ, **more: Any) -> Ask:
    """For what a person must approve; each asks for another thing, or it would be an alias."""
    return _ask(by, f"Delete all archived {what}", routing, detached=True, **more)


def _said(role: str, *parts: cp.Part, **more: Any) -> cp.ChatMessage:
    return cp.ChatMessage(role=cp.MessageRole.Value(f"MESSAGE_ROLE_{role}"), parts=parts, **more)


def _call(call_id: str, arguments: str) -> cp.Part:
    return cp.Part(tool_call=cp.ToolCall(call_id=call_id, name="look", arguments_json=arguments))


def _image(data: bytes) -> cp.Part:
    return cp.Part(image=cp.Image(data=data, media_type="image/png"))


def _with_files(text: str) -> list[cp.ChatMessage]:
    paper = cp.Document(data=PDF, media_type="application/pdf", name="la liste é🎈")
    said = cp.Part(text=text, cache_hint=cp.CACHE_HINT_EPHEMERAL)
    return [_said("USER", _image(PICTURE), cp.Part(document=paper), said)]


_TALK: Final = [
    _said("SYSTEM", cp.Part(text="Be brief.")),
    _said("USER", cp.Part(text="What is it? é🎈")),
    _said("ASSISTANT", _call("c1", '{"at": "Paris"}'), _call("c2", "{}")),
    _said(
        "TOOL",
        cp.Part(tool_result=cp.ToolResult(call_id="c1", text="rain")),
        cp.Part(
            tool_result=cp.ToolResult(call_id="c2", text="none", outcome=cp.TOOL_OUTCOME_ERROR)
        ),
    ),
    _said("USER", cp.Part(text="And tomorrow?\0")),
]
_NAMED: Final[dict[str, Any]] = {
    "thread_id": f"thread {AWKWARD}",
    "run_id": "run-7 é",
    "labels": {"team": "été 🎈", "é": AWKWARD},
}
_SPHERES: Final[dict[str, Any]] = {
    "sphere": action_pb2.SPHERE_BUSINESS,
    "target": action_pb2.Target(
        operation="archive.purge", kind="folder", id="été/🎈", sphere=action_pb2.SPHERE_TEAM
    ),
    "context_items": [
        pb.ContextItem(
            kind="note", id='n"1', sphere=action_pb2.SPHERE_SCHOLAR, content=f"<b> {AWKWARD}"
        ),
        pb.ContextItem(kind="note", id="n2", content="Un."),
    ],
}

ASKS: Final = {
    # What is answered.
    "plain": _ask("backend", "What is new?", **_NAMED),
    "awkward": _ask("ann", AWKWARD, mode=cp.QUERY_MODE_GENERATION, **_NAMED),
    "upper": _ask("backend", "What is new up there?", agent_id="planner", department="Prüfung é"),
    "parts": _ask("bot", "Look around.", CLAUDE, tools=[LOOK, SAVE], thread_id="thread é"),
    "json": _ask(
        "backend",
        "Does it rain?",
        GPT,
        response_format=cp.ResponseFormat(
            kind=cp.RESPONSE_KIND_JSON_SCHEMA, name="rain", schema=RAIN
        ),
    ),
    "long": _ask("backend", "Tell me everything.", max_output_tokens=4_000, run_id="run"),
    "talk": Ask(
        "backend",
        {
            "messages": _TALK,
            "tools": [LOOK],
            "routing": GROQ,
            "sampling": cp.Sampling(temperature=0.5, seed=-3, stop=["END"]),
        },
    ),
    "files": Ask("ann", {"messages": _with_files("What is this?"), "routing": CLAUDE}),
    "local": _ask("backend", "What is near?", LOCAL),
    "context": _ask(
        "backend",
        "Summarise.",
        sphere=action_pb2.SPHERE_TEAM,
        context_items=[pb.ContextItem(kind="note", id="n1", content="Un </context> deux.")],
    ),
    "failed_over": _ask("backend", "Try twice.", EITHER),
    "cut": _ask("backend", "Try once more.", EITHER),
    "elsewhere": _ask("globex", "What is new?", **_NAMED),
    "files_elsewhere": Ask(
        "globex",
        {
            "messages": [_said("USER", _image(PICTURE), cp.Part(text="What is this?"))],
            "routing": CLAUDE,
        },
    ),
    "overbilled": _ask("globex", "What does it cost?"),
    "overbilled_too": _ask("initech", "What does it cost?"),
    # What is refused, by a provider or here.
    "failed": _ask("backend", "Fail."),
    "held_back": _ask("backend", "Come back later.", MISTRAL),
    "forbidden": _ask("intern", f"May I? {AWKWARD}"),
    "unfunded": _ask("hooli", "Hello"),
    "too_dear": _ask("umbrella", "Hello"),
    "frozen": _ask("initech", "Hello again"),
    # What a person decides.
    "rejected": _waits("backend", "letters"),
    "continued": _waits("backend", "mails", max_cost_nanousd=10**12),
    "continued_again": _waits("backend", "mails", max_cost_nanousd=10**12),
    "resumed": _waits("bot", "notes", resume_on_approval=True),
    "withdrawn": _waits("backend", "photos"),
    "unused": _waits("ann", "films"),
    "rechecked": _waits("globex", "letters"),
    "expired": _waits("bot", "cards"),
    "lapsed": _waits("backend", "maps"),
    "lapsed_again": _waits("backend", "maps"),
    # What is ended while it runs.
    "stopped": _ask("backend", "Stop me.", detached=True),
    "interrupted": _ask("bot", "Do not stop.", detached=True),
    # What the last server leaves as it is.
    "waiting": _waits("bot", AWKWARD, **_SPHERES, **_NAMED),
    "waiting_again": _waits("bot", AWKWARD, **_SPHERES, **_NAMED),
    "waiting_elsewhere": _waits("globex", "bills", resume_on_approval=True),
    "files_waiting": Ask(
        "ann",
        {"messages": _with_files("Delete all that is shown"), "routing": CLAUDE, "detached": True},
    ),
    "approved": _waits("backend", "plans", **_NAMED),
    "approved_again": _waits("backend", "plans", **_NAMED),
    "running": _ask("backend", "Never mind me.", GEMINI, detached=True),
    "running_approved": _waits("bot", "songs"),
    "unadmitted": Ask(
        "ann",
        {
            "messages": [_said("USER", _image(UNUSED), cp.Part(text="And what is this?"))],
            "routing": GEMINI,
            "detached": True,
        },
    ),
}
"""In the order in which they are told of; `_again` marks another id of the same action."""

WAITING: Final = ("waiting", "waiting_again", "waiting_elsewhere", "files_waiting")
APPROVED: Final = ("approved", "approved_again")
RUNNING: Final = ("running", "running_approved")
NEVER_STORED: Final = "unadmitted"
ALIASES: Final = tuple(name for name in ASKS if name.endswith("_again"))
