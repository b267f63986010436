"""A provider that bills more than was reserved, over the wire: frozen, looked at, unfrozen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.upstream.behaviour import Behaviour
from tests.harness import Failure, Stage, staged
from tests.service.asking import approval, blocked
from tests.service.money import books
from tests.service.test_money import global_budget, hello, output_rate

EXTRA_TOKENS = 100_000
DAY_US = 86_400_000_000
HONEST = Behaviour()


@pytest.fixture
async def purse(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server without a budget, on each store in turn, that tells its warnings."""
    async with staged(database_url, tmp_path, {"log.level": "warning"}) as running:
        yield running


async def limited(stage: Stage, percent: float, period: int = bb.BUDGET_PERIOD_TOTAL) -> bb.Budget:
    """A budget of which one such bill overruns about so many per cent."""
    rate = await output_rate(stage.client())
    admin = stage.person()
    request = bb.CreateBudgetRequest(
        scope=bb.BUDGET_SCOPE_IDENTITY,
        period=period,  # type: ignore[arg-type] # an enum's number
        limit_nanousd=int(EXTRA_TOKENS * rate * 100 / percent),
    )
    made: bb.Budget = (await admin.call(admin.budgets.CreateBudget, request)).budget
    return made


async def overbilled(stage: Stage) -> message_pb2.Query:
    """A query whose provider bills for far more than it was let write; it is answered."""
    stage.upstream.behave(extra_output_tokens=EXTRA_TOKENS)
    answer = await stage.client().call(stage.client().pipeline.Query, hello())
    stage.upstream.behave(behaviour=HONEST)
    query: message_pb2.Query = answer.query
    return query


async def refusal(stage: Stage) -> Failure | None:
    """How the next query is refused, if it is."""
    client = stage.client()
    return await client.outcome(client.pipeline.Query, hello())


async def unfreeze(stage: Stage, budget_id: str, reason: str = "") -> bb.Budget:
    """As a budget_admin does."""
    admin = stage.person()
    request = bb.UnfreezeBudgetRequest(budget_id=budget_id, reason=reason)
    thawed: bb.Budget = (await admin.call(admin.budgets.UnfreezeBudget, request)).budget
    return thawed


async def entered(stage: Stage, resource_id: str) -> list[ab.LedgerEntry]:
    """What the ledger says of a budget, in order, as the system's auditor reads it."""
    auditor = stage.operator()
    request = ab.ListEntriesRequest(resource_kind="budget", resource_id=resource_id)
    return list((await auditor.call(auditor.audit.ListEntries, request)).entries)


async def test_an_overrun_freezes_until_a_person_unfreezes(purse: Stage) -> None:
    """The overbilled query is answered; the next one never reaches the provider."""
    made = await limited(purse, percent=5)
    first = await overbilled(purse)
    refused = await refusal(purse)
    calls = purse.upstream.arrivals_total
    stopped = await books(purse)
    thawed = await unfreeze(purse, made.budget_id, "the provider has paid it back")

    assert message_pb2.QUERY_STATE_COMPLETED == first.state
    assert refused is not None
    assert ("BUDGET_FROZEN", {"scope": "identity", "budget_id": made.budget_id}) == (
        refused.reason,
        refused.metadata,
    )
    assert 1 == calls
    assert (True, False) == (stopped.HasField("freeze_time"), thawed.HasField("freeze_time"))
    assert (made.etag, stopped.overrun_nanousd) == (thawed.etag, thawed.overrun_nanousd)
    assert await refusal(purse) is None
    assert purse.upstream.bill.total_nanousd == (
        (after := await books(purse)).posted_nanousd + after.overrun_nanousd
    )


async def test_a_refusal_says_which_budget_as_a_precondition(purse: Stage) -> None:
    """A client library shows what must be done first, and no amount."""
    made = await limited(purse, percent=5)
    await overbilled(purse)
    refused = await refusal(purse)

    assert refused is not None
    (violation,) = refused.details["PreconditionFailure"].violations
    assert ("BUDGET", f"identity:{made.budget_id}") == (violation.type, violation.subject)
    assert not any(character.isdigit() for character in violation.description)
    assert {"ErrorInfo", "PreconditionFailure"} == set(refused.details)


async def test_one_percent_in_all_is_let_pass_and_not_more(purse: Stage) -> None:
    """Small overruns add up; what a person has seen does not count again, and more does."""
    made = await limited(purse, percent=0.4)
    seen = []
    for _ in range(2):
        await overbilled(purse)
        seen.append((await books(purse)).HasField("freeze_time"))
    await overbilled(purse)
    await unfreeze(purse, made.budget_id)
    for _ in range(2):
        await overbilled(purse)
        seen.append((await books(purse)).HasField("freeze_time"))
    await overbilled(purse)

    assert [False] * 4 == seen
    assert (await books(purse)).HasField("freeze_time")


async def test_the_next_day_is_not_frozen(purse: Stage) -> None:
    """The freeze ends with its period, and nobody has to think of it."""
    await limited(purse, percent=5, period=bb.BUDGET_PERIOD_DAILY)
    await overbilled(purse)
    today = await refusal(purse)
    purse.sql("UPDATE budget_periods SET period_start_us = period_start_us - :day", day=DAY_US)

    assert "BUDGET_FROZEN" == (today.reason if today else "")
    assert await refusal(purse) is None
    assert not (await books(purse)).HasField("freeze_time")


async def test_an_approved_query_does_not_run_on_a_frozen_budget(purse: Stage) -> None:
    """Approved, and then the overrun was known: the query ends with that as its outcome."""
    await limited(purse, percent=5)
    client, person = purse.client(), purse.person()
    waiting = await blocked(client)
    await person.call(person.checkpoints.ResolveCheckpoint, approval(waiting))
    await overbilled(purse)
    request = pb.ContinueRequest(request_id=waiting.metadata["request_id"])
    _, failure = await client.events(client.pipeline.Continue, request)

    assert failure is not None
    assert "BUDGET_FROZEN" == failure.reason
    assert 0 == (await books(purse)).reserved_nanousd


async def test_validation_tells_of_the_freeze(purse: Stage) -> None:
    """Whoever asks what would happen is told what would."""
    await limited(purse, percent=5)
    await overbilled(purse)
    client = purse.client()
    refused = await client.outcome(client.pipeline.Query, hello(validate_only=True))
    assert refused is None

    answer = await client.call(client.pipeline.Query, hello(validate_only=True))
    assert "BUDGET_FROZEN" in str(answer.validation)


async def test_a_global_budget_only_alarms(purse: Stage) -> None:
    """One identity's provider must not stop everybody."""
    rate = await output_rate(purse.client())
    everybody = await global_budget(purse, 20 * EXTRA_TOKENS * rate)
    with structlog.testing.capture_logs() as told:
        await overbilled(purse)

    assert await refusal(purse) is None
    assert not (await books(purse, "system")).HasField("freeze_time")
    reasons = [entry.reason for entry in await entered(purse, everybody.budget_id)]
    assert ["", "BUDGET_OVERRUN"] == reasons
    warned = [line for line in told if line["event"] == "budget_overrun"]
    assert [everybody.budget_id] == [line["budget_id"] for line in warned]


async def test_the_ledger_says_what_froze_and_who_unfroze(purse: Stage) -> None:
    """By the system, then by a person with a reason; the second unfreezing changes nothing."""
    made = await limited(purse, percent=5)
    with structlog.testing.capture_logs() as told:
        await overbilled(purse)
    await unfreeze(purse, made.budget_id, "paid back, dit l’équipe")
    await unfreeze(purse, made.budget_id, "again")
    created, frozen, thawed = await entered(purse, made.budget_id)

    assert ("", "BUDGET_FROZEN", "BUDGET_UNFROZEN") == (
        created.reason,
        frozen.reason,
        thawed.reason,
    )
    assert {ab.LEDGER_ACTION_UPDATE} == {frozen.action, thawed.action}
    assert ("system", "ann") == (frozen.principal.id, thawed.principal.id)
    assert "paid back, dit l’équipe" in thawed.payload
    assert ["budget_frozen"] == [line["event"] for line in told if "budget_id" in line]


async def test_a_reason_has_its_length(purse: Stage) -> None:
    """It stands in the ledger for ever."""
    made = await limited(purse, percent=5)
    admin = purse.person()
    request = bb.UnfreezeBudgetRequest(budget_id=made.budget_id, reason="x" * 501)
    refused = await admin.fail(admin.budgets.UnfreezeBudget, request)

    assert ("INVALID_FIELD", "reason") == (refused.reason, refused.metadata["field"])
