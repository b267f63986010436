"""The next candidate: what the failed one cost is posted, the next one's bound is covered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu_server.governance.limits.model import Slot
from chenu_server.operations.run import Recover, Retry
from chenu_server.pipeline.ports import Admitted, NotHeld, TooDear, Wait
from chenu_server.pipeline.records import Attempt, AttemptState
from chenu_server.vocabulary import QueryStatus
from tests.unit.operations.samples import (
    ACME,
    BOUND_1,
    BOUND_2,
    FIRST,
    SECOND,
    World,
    admission,
    candidate,
    ended,
    following,
    route,
)

THIRD = candidate("third", 1)


def retry(world: World, first: Admitted, charge: int) -> object:
    """What the command answers after a failure that cost `charge`."""
    end = ended(first, charge, failure="http_500", estimated=charge > 0)
    return world.act(Retry(following(first, end), world.rules))


@pytest.mark.parametrize("charge", [0, BOUND_1])
def test_the_failed_attempt_is_posted_and_the_next_one_executes(charge: int) -> None:
    """In one command, with its own `execute` entry and slot; the rest stays held for it."""
    world = World()
    first = world.admitted()

    second = retry(world, first, charge)

    assert isinstance(second, Admitted)
    assert (charge, BOUND_2, 0) == world.money
    attempts = {each.attempt: each for each in world.rows.all(Attempt)}
    assert AttemptState.FAILED is attempts[1].state
    assert charge == attempts[1].cost_nanousd == world.query.cost_nanousd
    assert (2, "second") == (attempts[2].attempt, attempts[2].provider)
    assert ["allow", "execute", "execute"] == world.entries
    assert ["llm_call.error", "llm_call.start"] == world.kinds[-2:]
    assert (charge > 0) == world.query.estimated


def test_a_candidate_that_no_budget_covers_is_too_dear_and_nothing_is_written() -> None:
    """The first attempt's charge has used up what the dear one would need."""
    world = World(BOUND_2)
    first = world.admitted(admission(chain=route(FIRST, SECOND, THIRD)))
    before = dict(world.rows.stored)

    assert isinstance(retry(world, first, BOUND_1), TooDear)
    assert before == world.rows.stored


def test_a_cheaper_one_behind_it_may_still_go() -> None:
    """The failed attempt is posted with whoever follows."""
    world = World(BOUND_2)
    first = world.admitted(admission(chain=route(FIRST, SECOND, THIRD)))
    end = ended(first, BOUND_1, failure="http_500", estimated=True)
    after = replace(following(first, end), chain=(THIRD,))

    answer = world.act(Retry(after, world.rules))

    assert isinstance(answer, Admitted)
    assert "third" == answer.attempt.provider == world.query.provider
    assert (BOUND_1, BOUND_2 - BOUND_1, 0) == world.money


def test_a_wait_for_the_next_providers_slot_writes_nothing() -> None:
    """The failed attempt counts as executing until the next one is admitted."""
    world = World()
    first = world.admitted()
    for name in ("x", "y"):
        world.admitted(admission(name, chain=route(SECOND)))
    before = dict(world.rows.stored)

    assert isinstance(retry(world, first, 0), Wait)
    assert before == world.rows.stored


def test_nothing_follows_for_a_query_that_was_taken_over() -> None:
    """Its owner was thought dead, its money is gone: the chain ends."""
    world = World()
    first = world.admitted()
    world.act(Recover(ACME, "q", "owner"))
    before = dict(world.rows.stored)

    assert isinstance(retry(world, first, 0), NotHeld)
    assert before == world.rows.stored
    assert QueryStatus.FAILED is world.query.status


def test_each_attempt_takes_a_slot_of_its_own() -> None:
    """The same provider's second model is a second call."""
    world = World()
    first = world.admitted(admission(chain=route(FIRST, FIRST)))

    retry(world, first, 0)

    assert 2 == len(world.rows.all(Slot))


def test_a_lowered_limit_does_not_stop_what_is_covered_by_what_is_held() -> None:
    """Nothing new is reserved, so nothing new has to fit."""
    world = World()
    first = world.admitted()
    world.set_limit(1)

    assert isinstance(retry(world, first, 0), Admitted)
    assert (0, BOUND_2, 0) == world.money
