"""Where somebody else has to decide: who that is, and what one's own decision leaves."""

from __future__ import annotations

from typing import Any

import pytest

from chenu_server.caller import Principal
from chenu_server.governance.checkpoints.model import Lapsed, OwnAction, Repeated, Resolved
from chenu_server.values import replace
from chenu_server.vocabulary import CheckpointType, Decision, Intent, PrincipalType
from tests.unit.operations.samples import ANN, CALLER, LIFETIME_US, World, admission, rules

BEN = Principal(type=PrincipalType.USER, id="ben")
BOT = Principal(type=PrincipalType.AGENT, id="bot")
EVE = Principal(type=PrincipalType.USER, id="eve")
MACHINE_ANN = Principal(type=PrincipalType.SERVICE, id="ann")
DELETIONS = frozenset({CheckpointType.DESTRUCTIVE_ACTION})
DECISIONS = [Decision.APPROVE, Decision.REJECT]
# Who does it, then for whom.
Parties = tuple[Any, ...]


def asked_by(
    principal: Principal, *acting_for: str, four_eyes: frozenset[CheckpointType] = DELETIONS
) -> World:
    """A world in which a deletion waits."""
    world = World(four_eyes=four_eyes)
    caller = replace(CALLER, principal=principal, acting_for=acting_for)
    world.blocked(admission(intents=(Intent.DELETE,), caller=caller))
    return world


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize(
    "asked",
    [
        (ANN,),
        (BOT, "user:ann"),
        (BOT, "service:cron", "user:ann"),
    ],
    ids=["who asked", "for whom", "at the far end"],
)
def test_nobody_decides_for_himself(asked: Parties, decision: Decision) -> None:
    """Nor does anybody for whom it was asked: it waits on, untouched, for somebody else."""
    world = asked_by(*asked)
    rows, entries = dict(world.rows.stored), list(world.entries)

    answer = world.resolve(decision)

    assert isinstance(answer, OwnAction)
    assert (rows, entries) == (world.rows.stored, world.entries)
    assert isinstance(world.resolve(decision, by=EVE), Resolved)


@pytest.mark.parametrize(
    ("asked", "by", "four_eyes"),
    [
        ((ANN,), BEN, DELETIONS),
        ((MACHINE_ANN,), ANN, DELETIONS),
        ((BOT, "service:ann"), ANN, DELETIONS),
        ((ANN,), ANN, frozenset()),
        ((ANN,), ANN, frozenset({CheckpointType.DATA_ACCESS})),
    ],
    ids=["another", "another type asked", "for another type", "nowhere", "on other types"],
)
def test_others_decide(asked: Parties, by: Principal, four_eyes: frozenset[CheckpointType]) -> None:
    """A service of the same name is somebody else, and by default everybody may."""
    world = asked_by(*asked, four_eyes=four_eyes)

    assert isinstance(world.resolve(Decision.APPROVE, by=by), Resolved)


def test_one_type_of_several_is_enough() -> None:
    """One approval covers all of them, so the strictest holds."""
    world = World(four_eyes=frozenset({CheckpointType.CROSS_SPHERE}))
    caller = replace(CALLER, principal=ANN)
    asked = admission(intents=(Intent.DELETE,), caller=caller, crosses_spheres=True)
    world.blocked(asked)

    assert {CheckpointType.CROSS_SPHERE, CheckpointType.DESTRUCTIVE_ACTION} == set(
        world.checkpoint.types
    )
    assert isinstance(world.resolve(Decision.APPROVE), OwnAction)


def test_a_person_whom_an_old_row_names_without_a_type_is_known() -> None:
    """Rows from before parties had types would else be open to those whom they are about."""
    world = asked_by(BOT, "user:ann")
    world.rows.put(replace(world.checkpoint, acting_for=("ann",)))

    assert isinstance(world.resolve(Decision.APPROVE), OwnAction)


def test_a_decision_that_was_made_before_is_answered_again() -> None:
    """It was allowed then; the rule came later."""
    world = asked_by(ANN, four_eyes=frozenset())
    world.resolve(Decision.APPROVE)
    world.rules = rules(four_eyes=DELETIONS)

    assert isinstance(world.resolve(Decision.APPROVE), Repeated)


def test_what_is_over_is_over_for_everybody() -> None:
    """Its end is written whoever finds it."""
    world = asked_by(ANN)
    world.now_us += LIFETIME_US

    assert isinstance(world.resolve(Decision.APPROVE), Lapsed)
