"""Money over the wire: what fits runs, what does not is refused, and the books say so exactly."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from uuid import uuid4

import pytest

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from tests.harness import EVERYTHING, Client, Failure, Stage, eventually, only, staged
from tests.service.asking import approval, blocked, rejection
from tests.service.money import books, bound_of

PROVIDER, MODEL = "groq", "openai/gpt-oss-120b"
CAP_DEFAULT, CAP_LEAST = 1_024, 256


def hello(**fields: object) -> pb.QueryRequest:
    """A question to one model, so that its bound is the whole chain's."""
    chosen = {"text": "Hello", "routing": only(PROVIDER, MODEL), **fields}
    return pb.QueryRequest(**chosen)  # type: ignore[arg-type] # fields are checked by protobuf


async def output_rate(client: Client) -> int:
    """What one output token of the model costs, in nano-USD."""
    shown = await client.call(client.router.GetProvider, rb.GetProviderRequest(name=PROVIDER))
    (rate,) = [m.rates.output_nanousd for m in shown.provider.models if m.name == MODEL]
    return int(rate // 1_000_000)


async def global_budget(stage: Stage, limit_nanousd: int) -> bb.Budget:
    """A total budget over all identities."""
    operator = stage.operator()
    request = bb.CreateBudgetRequest(
        scope=bb.BUDGET_SCOPE_GLOBAL, period=bb.BUDGET_PERIOD_TOTAL, limit_nanousd=limit_nanousd
    )
    made = await operator.call(operator.budgets.CreateBudget, request)
    budget: bb.Budget = made.budget
    return budget


# --- what fits --------------------------------------------------------------------------------


async def test_of_twenty_at_once_as_many_run_as_the_budget_covers(purse: Stage) -> None:
    """Three worst cases, twenty callers: three run, and the bill is what was posted."""
    client, request = purse.client(), hello(max_output_tokens=1_000)
    bound = await bound_of(client, request)
    await purse.budget(limit_nanousd=3 * bound)
    purse.upstream.hold()

    calls = [asyncio.create_task(client.outcome(client.pipeline.Query, request)) for _ in range(20)]
    async with asyncio.timeout(10):
        await purse.upstream.until_open(3)
    await eventually(lambda: ended(calls, 17))
    held = await books(purse)
    purse.upstream.release()
    outcomes = await asyncio.gather(*calls)
    after = await books(purse)

    assert 3 * bound == held.reserved_nanousd
    assert 17 == [failure.reason for failure in outcomes if failure].count("BUDGET_EXHAUSTED")
    assert 3 == purse.upstream.arrivals_total
    assert (purse.upstream.bill.total_nanousd, 0) == (after.posted_nanousd, after.reserved_nanousd)


async def ended(calls: list[asyncio.Task[Failure | None]], count: int) -> bool:
    """Whether so many of the calls have been answered."""
    return count == sum(call.done() for call in calls)


@pytest.mark.parametrize("tokens", [CAP_LEAST, 356, 1_023])
async def test_the_default_cap_is_lowered_to_exactly_what_fits(purse: Stage, tokens: int) -> None:
    """A shorter answer beats none; the caller and the provider are told the same cap."""
    client, request = purse.client(), hello()
    cut = (CAP_DEFAULT - tokens) * await output_rate(client)
    await purse.budget(limit_nanousd=await bound_of(client, request) - cut)

    response = await client.call(client.pipeline.Query, request)

    sent = purse.upstream.arrivals[-1].output_cap
    assert (tokens, tokens) == (response.answer.applied_output_cap, sent)
    assert tokens == response.query.applied_output_cap


async def test_the_default_cap_is_never_lowered_under_its_least(purse: Stage) -> None:
    """An answer of a few words is no answer; one nano-USD too little is too little."""
    client, request = purse.client(), hello()
    cut = (CAP_DEFAULT - CAP_LEAST) * await output_rate(client) + 1
    await purse.budget(limit_nanousd=await bound_of(client, request) - cut)

    failure = await client.fail(client.pipeline.Query, request)

    assert "BUDGET_EXHAUSTED" == failure.reason
    assert 0 == purse.upstream.arrivals_total


async def test_a_cap_that_the_caller_named_is_never_lowered(purse: Stage) -> None:
    """Whoever names a cap wants that one or a refusal."""
    client, request = purse.client(), hello(max_output_tokens=CAP_DEFAULT)
    await purse.budget(limit_nanousd=await bound_of(client, request) - 1)

    failure = await client.fail(client.pipeline.Query, request)

    assert "BUDGET_EXHAUSTED" == failure.reason


async def test_what_costs_nothing_runs_on_an_empty_budget(purse: Stage) -> None:
    """A local model's bound is zero, and zero fits."""
    await purse.budget(limit_nanousd=0)
    request = pb.QueryRequest(text="Hello", routing=only("ollama", "qwen3:8b"))
    client = purse.client()

    response = await client.call(client.pipeline.Query, request)

    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state
    assert 0 == response.query.cost_nanousd


# --- every budget that applies ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "everyone", "scope"), [(EVERYTHING, 1, "global"), (1, EVERYTHING, "identity")]
)
async def test_a_query_must_fit_in_every_budget(
    purse: Stage, own: int, everyone: int, scope: str
) -> None:
    """All or none: the budget that had room holds nothing; a foreign budget's id is not told."""
    client = purse.client()
    budget = await purse.budget(limit_nanousd=own)
    await global_budget(purse, everyone)

    failure = await client.fail(client.pipeline.Query, hello())

    owned = {"budget_id": budget.budget_id} if scope == "identity" else {}
    assert ("BUDGET_EXHAUSTED", {"scope": scope, **owned}) == (failure.reason, failure.metadata)
    assert 0 == (await books(purse)).reserved_nanousd
    assert 0 == (await books(purse, "system")).reserved_nanousd


async def test_both_budgets_are_posted_what_was_used(purse: Stage) -> None:
    """A global budget sees what each identity's sees."""
    await purse.budget()
    await global_budget(purse, EVERYTHING)

    await purse.client().query("Hello")

    bill = purse.upstream.bill.total_nanousd
    assert (bill, bill) == (
        (await books(purse)).posted_nanousd,
        (await books(purse, "system")).posted_nanousd,
    )


async def test_a_write_to_a_cache_costs_by_how_long_it_is_kept(purse: Stage) -> None:
    """One price for both kinds would book the dearer one too low, and call it exact."""
    await purse.budget()
    purse.upstream.behave(written_tokens=300, written_hour_tokens=200)
    client, request = purse.client(), hello(routing=only("anthropic", "claude-opus-5-5"))

    answered = await client.call(client.pipeline.Query, request)
    shown = await client.call(client.router.GetProvider, rb.GetProviderRequest(name="anthropic"))
    stored = await client.call(
        client.pipeline.GetQuery, pb.GetQueryRequest(request_id=answered.query.request_id)
    )

    (rates,) = [m.rates for m in shown.provider.models if m.name == "claude-opus-5-5"]
    usage = stored.answer.usage
    told = (usage.cache_write_tokens, usage.cache_write_hour_tokens)
    counted = usage.input_tokens + usage.output_tokens + sum(told)
    assert (300, 200) == told
    assert message_pb2.COST_BASIS_EXACT == stored.query.cost_basis
    assert (usage, counted) == (answered.answer.usage, stored.query.tokens_used)
    assert rates.cache_write_nanousd < rates.cache_write_hour_nanousd
    bill = purse.upstream.bill.total_nanousd
    assert (bill, bill) == (stored.query.cost_nanousd, (await books(purse)).posted_nanousd)


async def test_without_a_budget_nothing_runs(purse: Stage) -> None:
    """A budget of another identity is no budget."""
    await purse.budget("theirs")
    client = purse.client()

    failure = await client.fail(client.pipeline.Query, hello())

    assert "BUDGET_REQUIRED" == failure.reason
    assert 0 == purse.upstream.arrivals_total


async def test_without_a_budget_everything_runs_where_none_is_required(
    sqlite_url: str, tmp_path: Path
) -> None:
    """An operator may decide so."""
    async with staged(sqlite_url, tmp_path, {"budgets.required": False}) as stage:
        response = await stage.client().query("Hello")

    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state


# --- what is told, what is kept ---------------------------------------------------------------


async def test_a_refusal_tells_no_amount(purse: Stage) -> None:
    """What is left is for a budget_admin alone: not in message, metadata or any detail."""
    client = purse.client()
    budget = await purse.budget(limit_nanousd=123_457)

    failure = await client.fail(client.pipeline.Query, hello())

    said = said_by(failure).replace(budget.budget_id, "")
    assert {"ErrorInfo", "QuotaFailure"} == set(failure.details)
    assert [] == re.findall(r"\d+", said)


def said_by(failure: Failure) -> str:
    """Everything that a refusal says, as text."""
    return " ".join([failure.message, *map(str, failure.details.values())])


async def test_a_denial_stays_with_its_id(purse: Stage) -> None:
    """More money later is for new queries: a retry is answered as the first time."""
    client, request = purse.client(), hello(request_id=str(uuid4()))
    budget = await purse.budget(limit_nanousd=1)
    first = await client.fail(client.pipeline.Query, request)
    admin = purse.person()
    update = bb.UpdateBudgetRequest(budget_id=budget.budget_id, limit_nanousd=EVERYTHING)
    await admin.call(admin.budgets.UpdateBudget, update)

    again = await client.fail(client.pipeline.Query, request)
    other = await client.outcome(client.pipeline.Query, hello())

    assert (first.reason, first.metadata) == (again.reason, again.metadata)
    assert other is None


async def test_what_is_billed_beyond_the_bound_is_overrun_and_counts(purse: Stage) -> None:
    """The promise holds with a provider that breaks its own: nothing new fits any more."""
    client, request = purse.client(), hello(max_output_tokens=16)
    bound = await bound_of(client, request)
    await purse.budget(limit_nanousd=10 * bound)
    purse.upstream.behave(extra_output_tokens=100_000)

    await client.call(client.pipeline.Query, request)
    failure = await client.fail(client.pipeline.Query, request)
    after = await books(purse)

    bill = purse.upstream.bill.total_nanousd
    assert bill == after.posted_nanousd + after.overrun_nanousd
    assert after.posted_nanousd + after.reserved_nanousd <= after.limit_nanousd
    assert "BUDGET_FROZEN" == failure.reason


async def test_a_blocked_query_holds_its_bound_until_a_person_says_no(purse: Stage) -> None:
    """What may still run keeps its money; what may not gives it back."""
    await purse.budget()
    person = purse.person()
    failure = await blocked(purse.client(), routing=only(PROVIDER, MODEL))
    held = await books(purse)

    await person.call(person.checkpoints.ResolveCheckpoint, rejection(failure))
    after = await books(purse)

    assert held.reserved_nanousd > 0
    assert (0, 0) == (after.reserved_nanousd, after.posted_nanousd)


async def test_a_lapsed_checkpoint_gives_its_money_back(purse: Stage) -> None:
    """Expired means denied, also for the budget."""
    await purse.budget()
    person = purse.person()
    failure = await blocked(purse.client())
    purse.sql("UPDATE checkpoints SET expires_us = created_us")

    late = await person.fail(person.checkpoints.ResolveCheckpoint, approval(failure))

    assert "CHECKPOINT_EXPIRED" == late.reason
    assert 0 == (await books(purse)).reserved_nanousd


# --- budgets themselves -----------------------------------------------------------------------


async def test_a_budget_is_made_read_changed_and_deleted(purse: Stage) -> None:
    """The whole life of a budget, each step seen by the next."""
    admin, made = purse.person(), await purse.budget(limit_nanousd=5)
    get = bb.GetBudgetRequest(budget_id=made.budget_id)
    read = (await admin.call(admin.budgets.GetBudget, get)).budget
    update = bb.UpdateBudgetRequest(budget_id=made.budget_id, limit_nanousd=9, etag=read.etag)

    changed = (await admin.call(admin.budgets.UpdateBudget, update)).budget
    delete = bb.DeleteBudgetRequest(budget_id=made.budget_id, etag=changed.etag)
    await admin.call(admin.budgets.DeleteBudget, delete)
    gone = await admin.fail(admin.budgets.GetBudget, get)
    left = await admin.call(admin.budgets.ListBudgets, bb.ListBudgetsRequest())

    assert made == read
    assert (9, True) == (changed.limit_nanousd, changed.etag != read.etag)
    assert "IDENTITY_BOUNDARY_VIOLATION" == gone.reason
    assert [] == list(left.budgets)


async def test_a_stale_etag_is_told_the_present_one(purse: Stage) -> None:
    """A lost update is refused, and its author knows what to read."""
    admin, made = purse.person(), await purse.budget()
    update = bb.UpdateBudgetRequest(budget_id=made.budget_id, limit_nanousd=9, etag=made.etag)
    changed = (await admin.call(admin.budgets.UpdateBudget, update)).budget
    delete = bb.DeleteBudgetRequest(budget_id=made.budget_id, etag=made.etag)

    failures = [
        await admin.fail(admin.budgets.UpdateBudget, update),
        await admin.fail(admin.budgets.DeleteBudget, delete),
    ]

    assert made.etag != changed.etag
    assert ["ETAG_MISMATCH"] * 2 == [failure.reason for failure in failures]
    assert [{"etag": changed.etag}] * 2 == [dict(failure.metadata) for failure in failures]


async def test_spending_does_not_change_an_etag(purse: Stage) -> None:
    """A busy budget can still be changed."""
    made = await purse.budget()

    await purse.client().query("Hello")
    after = await books(purse)

    assert (made.etag, True) == (after.etag, after.posted_nanousd > 0)


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("scope", bb.CreateBudgetRequest(period=bb.BUDGET_PERIOD_TOTAL)),
        (
            "scope",
            bb.CreateBudgetRequest(scope=bb.BUDGET_SCOPE_SPHERE, period=bb.BUDGET_PERIOD_TOTAL),
        ),
        (
            "period",
            bb.CreateBudgetRequest(scope=bb.BUDGET_SCOPE_IDENTITY, period=bb.BUDGET_PERIOD_WEEKLY),
        ),
        (
            "limit_nanousd",
            bb.CreateBudgetRequest(
                scope=bb.BUDGET_SCOPE_IDENTITY, period=bb.BUDGET_PERIOD_DAILY, limit_nanousd=-1
            ),
        ),
    ],
)
async def test_a_budget_that_is_not_offered_names_its_field(
    purse: Stage, field: str, request_: bb.CreateBudgetRequest
) -> None:
    """What comes later is refused today, not silently taken for something else."""
    admin = purse.person()

    failure = await admin.fail(admin.budgets.CreateBudget, request_)

    assert ("INVALID_FIELD", field) == (failure.reason, failure.metadata["field"])


async def test_a_global_budget_is_made_in_system_alone(purse: Stage) -> None:
    """An identity cannot limit all others."""
    admin = purse.person()
    request = bb.CreateBudgetRequest(
        scope=bb.BUDGET_SCOPE_GLOBAL, period=bb.BUDGET_PERIOD_TOTAL, limit_nanousd=1
    )

    failure = await admin.fail(admin.budgets.CreateBudget, request)

    assert ("ROLE_REQUIRED", "operator") == (failure.reason, failure.metadata["role"])
