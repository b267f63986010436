"""What the two servers of the release lived through, until each of them was killed."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.upstream import Behaviour
from tests.contract.db.release.asked import APPROVED, ASKS, AWKWARD, WAITING
from tests.contract.db.release.play import Play, soon
from tests.contract.test_provider_answers import events_of
from tests.harness import EVERYTHING, eventually
from tests.service.test_money import output_rate

EXTRA_TOKENS: Final = 100_000
EXPIRY_S: Final = 60
"""How long a checkpoint waits and an approval holds: the least that can be set."""
LOST: Final = "UNAVAILABLE"
"""What a call comes to whose server is killed."""
DAILY, MONTHLY = bb.BUDGET_PERIOD_DAILY, bb.BUDGET_PERIOD_MONTHLY
TOTAL, GLOBAL = bb.BUDGET_PERIOD_TOTAL, bb.BUDGET_SCOPE_GLOBAL

_PARTS: Final = events_of(
    {"type": "message_start", "message": {"model": "claude-sonnet-5-5-é"}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
    {"type": "content_block_delta", "index": 0, "delta": {"thinking": "Hé\0mm 🎈"}},
    {"type": "content_block_delta", "index": 0, "delta": {"signature": "signed é"}},
    {"type": "content_block_start", "index": 1, "content_block": {"text": "Look: \0 🎈"}},
    *(
        {
            "type": "content_block_start",
            "index": index,
            "content_block": {"type": "tool_use", "id": f"c{index}", "name": name, "input": given},
        }
        for index, name, given in ((2, "look", {"sécret": "\0"}), (3, "save", {}))
    ),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use"},
        "usage": {"input_tokens": 9, "output_tokens": 17},
    },
    {"type": "message_stop"},
)


async def first_life(play: Play) -> None:
    """It answers, refuses and asks people. Whatever a provider is asked behind it hangs."""
    await _fund(play)
    await play.block("expired", "lapsed", "lapsed_again")
    await play.approve("lapsed")
    await _answer(play)
    await _fail(play)
    await _overbill(play)
    await _refuse(play)
    await _decide(play)
    await _overreach(play)
    play.upstream.hold()


async def second_life(play: Play) -> None:
    """It ends what the first left, and asks what shall be left waiting. Behind it, as above."""

    async def are_over() -> bool:
        shown = [await play.shown(name) for name in ("expired", "lapsed")]
        return all(message_pb2.QUERY_STATE_EXPIRED == each.query.state for each in shown)

    await eventually(are_over, within_s=2 * EXPIRY_S)
    await play.block(*WAITING, *APPROVED, "running_approved")
    await play.approve("approved")
    await play.approve("running_approved")
    play.upstream.hold()


# --- the first life, act by act ---------------------------------------------------------------


async def _fund(play: Play) -> None:
    """Budgets of each scope and period that can be made; one is deleted, and made anew."""
    await play.ask("unfunded", "BUDGET_REQUIRED")
    await play.fund("system", EVERYTHING, TOTAL, GLOBAL)
    await play.fund("system", EVERYTHING, DAILY, GLOBAL)
    await play.fund("acme", EVERYTHING)
    changed = await play.fund("acme", EVERYTHING, DAILY)
    deleted = await play.fund("acme", EVERYTHING, MONTHLY)
    await play.fund("umbrella", 1)
    await play.ask("plain")
    ann = play.people.person("acme")
    update = bb.UpdateBudgetRequest(budget_id=changed.budget_id, limit_nanousd=EVERYTHING - 1)
    await ann.call(ann.budgets.UpdateBudget, update)
    delete = bb.DeleteBudgetRequest(budget_id=deleted.budget_id)
    await ann.call(ann.budgets.DeleteBudget, delete)
    await play.fund("acme", EVERYTHING - 2, MONTHLY)


async def _answer(play: Play) -> None:
    """Answers of every shape, under ids of both versions."""
    say = play.upstream.script
    await play.ask("awkward", request_id=str(uuid4()))
    await play.ask("upper", request_id=str(uuid4()).upper())
    say("anthropic", [Behaviour(raw=_PARTS, request_id="req_é")])
    await play.ask("parts")
    say("openai", [Behaviour(answer='{"rain": true}')])
    await play.ask("json")
    say("groq", [Behaviour(answer_chars=150_000, token_chars=100, cached_tokens=3)])
    await play.ask("long")
    say("anthropic", [Behaviour(written_tokens=30, written_hour_tokens=20)])
    await play.ask("files")
    for name in ("talk", "local", "context"):
        await play.ask(name)


async def _fail(play: Play) -> None:
    """Providers that refuse, break off, or say when to come back."""
    say = play.upstream.script
    say("*", [Behaviour(status=500)])
    await play.ask("failed_over")
    say("*", [Behaviour(fault="cut", fault_after=2)])
    await play.ask("cut", "STREAM_TRUNCATED")
    say("groq", [Behaviour(status=400)])
    await play.ask("failed", "PROVIDER_REJECTED")
    say("mistral", [Behaviour(status=429, retry_after="3600")])
    await play.ask("held_back", "PROVIDER_UNAVAILABLE")


async def _overbill(play: Play) -> None:
    """A provider bills more than was held: one budget is frozen and freed, another stays so."""
    rate = await output_rate(play.people.named("backend"))
    limit_nanousd = EXTRA_TOKENS * rate * 20
    freed = await play.fund("globex", limit_nanousd)
    await play.fund("initech", limit_nanousd)
    await play.ask("elsewhere", request_id=play.ids["plain"])
    await play.ask("files_elsewhere")
    await play.block("rechecked")
    await play.approve("rechecked")
    for name in ("overbilled", "overbilled_too"):
        play.upstream.script("groq", [Behaviour(extra_output_tokens=EXTRA_TOKENS)])
        await play.ask(name)
    await play.go_on("rechecked", "BUDGET_FROZEN")
    person = play.people.person("globex")
    request = bb.UnfreezeBudgetRequest(budget_id=freed.budget_id, reason=f"seen {AWKWARD}")
    await person.call(person.budgets.UnfreezeBudget, request)


async def _refuse(play: Play) -> None:
    """Refused by a policy, and by money in each way; and one that only asked what would be."""
    await play.ask("forbidden", "POLICY_DENIED")
    await play.ask("too_dear", "BUDGET_EXHAUSTED")
    await play.ask("frozen", "BUDGET_FROZEN")
    backend = play.people.named("backend")
    request = pb.QueryRequest(validate_only=True, **ASKS["rejected"].fields)
    await backend.call(backend.pipeline.Query, request)


async def _decide(play: Play) -> None:
    """What a person says to those that wait, and what is withdrawn."""
    names = ("rejected", "continued", "continued_again", "resumed", "withdrawn", "unused")
    await play.block(*names)
    await play.reject("rejected")
    await play.approve("continued")
    await play.go_on("continued")
    await play.approve("resumed")
    await soon(play.watched("resumed"))
    await play.cancel("withdrawn")
    await play.approve("unused")
    await play.cancel("unused")
    play.upstream.hold()
    stopped = play.start("stopped", "QUERY_CANCELLED")
    await play.under_way()
    await play.cancel("stopped")
    await soon(stopped)
    play.upstream.release()


async def _overreach(play: Play) -> None:
    """Each way over a boundary: an id of another identity, one of nobody, an identity named."""
    globex, ann = play.people.named("globex"), play.people.person("acme")
    get = pb.GetQueryRequest(request_id=play.ids["awkward"])
    await play.overreach(globex, globex.pipeline.GetQuery, get)
    none = cb.GetCheckpointRequest(checkpoint_id='l\'été "q" 🎈')
    await play.overreach(ann, ann.checkpoints.GetCheckpoint, none)
    for lost in (play.people.lost(), play.people.lost("initech")):
        await play.overreach(lost, lost.pipeline.ListQueries, pb.ListQueriesRequest())
