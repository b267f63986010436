"""An action asked again while it waits: what attaches, what does not, and what that writes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chenu_server.caller import Principal
from chenu_server.governance.budgets.model import Hold
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.operations.ask import Consume
from chenu_server.operations.wait import Cancel, Expire
from chenu_server.pipeline.ports import (
    Admission,
    Admitted,
    Attached,
    Blocked,
    Closed,
    Conflict,
    Full,
    Known,
    Wait,
)
from chenu_server.pipeline.records import EventSegment, Operation, QueryAlias
from chenu_server.vocabulary import Decision, Intent, PrincipalType
from tests.unit.budgets.samples import NOON
from tests.unit.operations.samples import (
    ACME,
    BACKEND,
    BOUND_2,
    CALLER,
    World,
    admission,
    resumption,
)

DELETES = (Intent.DELETE,)
AGAIN = admission("again", intents=DELETES)
EXPIRE = Expire(ACME, "q", "checkpoint-1")
CANCEL = Cancel(ACME, "q", "checkpoint-1", BACKEND, "")


def blocked(**rule: int) -> World:
    """A world whose query `q` waits for a person."""
    world = World(**rule)
    world.blocked()
    return world


def test_the_same_action_under_another_id_writes_that_name_and_its_entry_only() -> None:
    """No query, no checkpoint, no event, no money: a person is asked once."""
    world = blocked()
    before = {key: row for key, row in world.rows.stored.items() if key[0] is not QueryAlias}

    answer = world.admit(AGAIN)

    alias = world.rows.get(QueryAlias, (ACME, "again"))
    assert Attached(query=world.query) == answer
    assert alias is not None
    assert ("q", BACKEND, AGAIN.content_digest, NOON) == (
        alias.first_request_id,
        alias.asked.principal,
        alias.asked.content_digest,
        alias.created_us,
    )
    assert before == {k: row for k, row in world.rows.stored.items() if k[0] is not QueryAlias}
    entry = world.rows.entries[-1]
    details = json.loads(entry.payload)
    assert ("block", "CHECKPOINT_PENDING", "again") == (
        entry.decision,
        entry.reason,
        entry.resource_id,
    )
    assert ("q", "checkpoint-1") == (details["first_request_id"], details["checkpoint_id"])


OTHER = Principal(type=PrincipalType.SERVICE, id="other")
AGENT = Principal(type=PrincipalType.AGENT, id="backend")


@pytest.mark.parametrize(
    "asked",
    [
        replace(AGAIN, caller=replace(CALLER, principal=OTHER)),
        replace(AGAIN, caller=replace(CALLER, principal=AGENT)),
        replace(AGAIN, caller=replace(CALLER, acting_for=("user:carol",))),
        replace(AGAIN, encoded=replace(AGAIN.encoded, action_digest=bytes(32))),
    ],
)
def test_anything_else_has_its_own_checkpoint(asked: Admission) -> None:
    """Another principal, one who acts for somebody, or another action than that."""
    world = blocked()

    assert isinstance(world.admit(asked), Blocked)
    assert 2 == len(world.rows.all(Checkpoint))


def test_what_differs_outside_the_action_attaches_too() -> None:
    """How its caller waits is not what a person approves; the first's settings hold."""
    world = blocked()
    other = replace(
        AGAIN,
        request=replace(AGAIN.request, detached=True, resume_on_approval=True),
        content_digest=b"other",
    )

    answer = world.admit(other)

    assert isinstance(answer, Attached)
    assert not answer.query.resume_on_approval


@pytest.mark.parametrize("take_slot", [True, False])
def test_another_id_answers_as_the_first_query_for_ever(take_slot: bool) -> None:
    """While it waits, and after it has ended; what was asked under it stays what it was."""
    world = blocked()
    world.admit(AGAIN)
    entries = len(world.rows.entries)
    for _ in range(2):
        known = world.admit(AGAIN, take_slot=take_slot)
        other = world.admit(replace(AGAIN, content_digest=b"other"), take_slot=take_slot)
        theirs = world.admit(replace(AGAIN, caller=replace(CALLER, principal=OTHER)))
        assert (Known(query=world.query), Conflict(), Conflict()) == (known, other, theirs)
        assert entries == len(world.rows.entries)
        if not world.query.status.is_final:
            world.act(CANCEL)
            entries += 1


def test_another_id_is_bound_to_its_own_words_and_not_to_the_firsts() -> None:
    """A retry of the second ask is known; the first ask's words under the second id are others."""
    world = blocked()
    again = replace(AGAIN, content_digest=b"detached")
    world.admit(again)

    assert Known(query=world.query) == world.admit(again)
    assert Conflict() == world.admit(AGAIN)


def test_an_id_of_its_own_is_never_another_name() -> None:
    """The first query's own id, asked again, is itself."""
    world = blocked()

    assert Known(query=world.query) == world.admit(admission(intents=DELETES))
    assert not world.rows.all(QueryAlias)


def test_an_approval_that_is_not_used_is_attached_to() -> None:
    """It was given for exactly this; a second question would be one too many."""
    world = World()
    world.approved()

    assert Attached(query=world.query) == world.admit(AGAIN)


def test_a_used_approval_is_not_attached_to() -> None:
    """It covered one run, and that run has begun."""
    world = World()
    approved = world.approved()
    assert isinstance(world.act(Consume(approved, world.rules, take_slot=True)), Admitted)

    assert isinstance(world.admit(AGAIN), Blocked)


@pytest.mark.parametrize("end", ["reject", "cancel", "expire"])
def test_what_has_ended_is_not_attached_to(end: str) -> None:
    """A person is asked anew."""
    world = blocked()
    if end == "reject":
        world.resolve(Decision.REJECT)
    elif end == "cancel":
        world.act(CANCEL)
    else:
        world.now_us = world.checkpoint.expires_us
        world.act(EXPIRE)

    assert isinstance(world.admit(AGAIN), Blocked)


@pytest.mark.parametrize("approved", [False, True])
def test_what_is_over_and_not_swept_yet_is_not_attached_to(approved: bool) -> None:
    """One clock: in the instant of its expiry it is denied, and who asks then asks anew."""
    world = blocked()
    if approved:
        world.resolve(Decision.APPROVE)
    world.now_us = world.held.expires_us - 1
    assert isinstance(world.admit(AGAIN), Attached)

    world.now_us += 1

    assert isinstance(world.admit(admission("third", intents=DELETES)), Blocked)
    assert isinstance(world.admit(admission("fourth", intents=DELETES)), Attached)


def test_what_waits_needs_no_more_money() -> None:
    """The budget that its own hold has filled does not refuse it."""
    world = World(BOUND_2)
    world.blocked()

    assert isinstance(world.admit(AGAIN), Attached)
    assert isinstance(
        world.admit(
            replace(
                AGAIN,
                request=replace(AGAIN.request, request_id="x"),
                encoded=replace(AGAIN.encoded, action_digest=bytes(32)),
            )
        ),
        Closed,
    )


def test_a_person_is_asked_by_whom_policies_let_ask() -> None:
    """A caller that may not any more is denied; it does not get an approval by asking again."""
    world = blocked()
    nobody = replace(AGAIN, caller=replace(CALLER, roles=frozenset()))

    assert isinstance(world.admit(nobody), Closed)


def distinct(number: int) -> Admission:
    """A query about an action of its own."""
    return admission(f"q{number}", intents=DELETES, digest=number.to_bytes(32, "big"))


@pytest.mark.parametrize("most", [1, 3])
def test_so_many_wait_and_no_more(most: int) -> None:
    """The one too many writes nothing at all."""
    world = World(pending_max=most)
    answers = [world.admit(distinct(number)) for number in range(most)]
    before, entries = dict(world.rows.stored), len(world.rows.entries)

    refused = world.admit(distinct(99))

    assert [Blocked] * most == [type(each) for each in answers]
    assert Full(most) == refused
    assert before == world.rows.stored
    assert entries == len(world.rows.entries)


def test_what_needs_no_room_is_not_refused_for_it() -> None:
    """Another id of what waits, a query that runs or waits for a slot, a denial."""
    world = blocked(pending_max=1)

    assert isinstance(world.admit(AGAIN), Attached)
    assert isinstance(world.admit(admission("run")), Admitted)
    assert isinstance(world.admit(admission("wait"), take_slot=False), Wait)
    nobody = replace(distinct(1), caller=replace(CALLER, roles=frozenset()))
    assert isinstance(world.admit(nobody), Closed)


def test_an_approval_waits_for_no_person() -> None:
    """It makes room before it is used."""
    world = blocked(pending_max=1)
    assert isinstance(world.admit(distinct(1)), Full)

    world.resolve(Decision.APPROVE)

    assert isinstance(world.admit(distinct(1)), Blocked)


def test_zero_is_no_limit() -> None:
    """Off by number, as every limit is."""
    world = World(pending_max=0)

    assert {Blocked} == {type(world.admit(distinct(number))) for number in range(5)}


@pytest.mark.parametrize("asked", [admission(), admission(intents=(Intent.ANALYZE,))])
def test_a_query_that_needs_no_person_looks_at_nothing_that_waits(asked: Admission) -> None:
    """It must not pay for the cap: not one statement more, but for its id's."""
    world = World()

    assert isinstance(world.admit(asked), Admitted)
    assert world.rows.looked_up.isdisjoint({"open_of_action", "pending"})


def test_an_attached_ask_shares_the_fate_of_the_first() -> None:
    """One run for both, and what is reserved is reserved once."""
    world = blocked()
    world.admit(AGAIN)
    world.resolve(Decision.APPROVE)
    asked = resumption(world.query, admission(intents=DELETES))

    admitted = world.act(Consume(asked, world.rules, take_slot=True))

    assert isinstance(admitted, Admitted)
    assert Known(query=world.query) == world.admit(AGAIN)
    assert (1, 1) == (len(world.rows.all(Hold)), len(world.rows.all(Operation)))
    assert {"q"} == {each.request_id for each in world.rows.all(EventSegment)}
