"""Steps of a random walk that no query takes: budgets, slots, files, violations, time."""

from __future__ import annotations

from random import Random
from typing import Final

from chenu_server.caller import Caller
from chenu_server.governance.budgets.changes import (
    CreateBudget,
    DeleteBudget,
    UnfreezeBudget,
    UpdateBudget,
)
from chenu_server.governance.budgets.model import Budget, BudgetPeriod, Reservation
from chenu_server.governance.identity.decide import RecordViolation
from chenu_server.governance.limits.decide import Dispatched, HeldBack, LetGo, Readmitted
from chenu_server.governance.limits.model import Slot
from chenu_server.pipeline.media_records import FileChunk, StoredFile
from chenu_server.units.media import HoldFiles, KeepChunk
from chenu_server.values import replace
from chenu_server.vocabulary import Period, Scope, ViolationType
from tests.twins import asks
from tests.twins.walk import Walk

LIMITS: Final = (0, 1_000, 8_000, 20_000, 40_000, 100_000, 10**18)


# --- budgets ----------------------------------------------------------------------------------


def create_budget(walk: Walk, dice: Random) -> None:
    """A new one, unless there is one alike."""
    unit = CreateBudget(
        caller=asks.caller(dice),
        budget_id=walk.new_id("b-5"),
        scope=dice.choice((Scope.IDENTITY, *Scope)),
        period=dice.choice(tuple(Period)),
        limit_nanousd=dice.choice(LIMITS[3:]),
    )
    walk.world.act(unit)


def update_budget(walk: Walk, dice: Random) -> None:
    """Its limit is raised or lowered, by who saw its version, an older one, or none."""
    found = _budget(walk, dice)
    unit = UpdateBudget(
        caller=_caller(dice, found),
        budget_id=found.budget_id,
        limit_nanousd=dice.choice(LIMITS),
        version=_seen(dice, found),
    )
    walk.world.act(unit)


def unfreeze_budget(walk: Walk, dice: Random) -> None:
    """One that is frozen, mostly, if any is."""
    frozen = {each.budget_id for each in walk.world.rows.all(BudgetPeriod) if each.frozen_us}
    found = _budget(walk, dice, frozen)
    reason = asks.words(dice)
    unit = UnfreezeBudget(caller=_caller(dice, found), budget_id=found.budget_id, reason=reason)
    walk.world.act(unit)


def delete_budget(walk: Walk, dice: Random) -> None:
    """Whether money is held on it or not, or not yet posted in full."""
    reservations = walk.world.rows.all(Reservation)
    held = {leg[0] for each in reservations if each.amount_nanousd for leg in each.legs}
    used = {leg[0] for each in reservations for leg in each.legs}
    found = _budget(walk, dice, dice.choice((held, used - held, set())))
    caller, version = _caller(dice, found), _seen(dice, found)
    walk.world.act(DeleteBudget(caller=caller, budget_id=found.budget_id, version=version))


def _budget(walk: Walk, dice: Random, preferred: set[str] | None = None) -> Budget:
    """One of those preferred, if there are any; seldom one that nobody has made."""
    budgets = walk.world.rows.all(Budget)
    found = [each for each in budgets if each.budget_id in (preferred or ())]
    picked = dice.choice(found or budgets)
    return replace(picked, budget_id="b-none") if dice.random() < 0.05 else picked


def _caller(dice: Random, budget: Budget) -> Caller:
    """Somebody of the budget's identity, mostly."""
    return asks.caller(dice, dice.choice((budget.identity_id,) * 6 + asks.IDENTITIES[:1]))


def _seen(dice: Random, budget: Budget) -> int | None:
    return dice.choice((None, budget.version, budget.version, budget.version - 1))


# --- slots ------------------------------------------------------------------------------------


def dispatched(walk: Walk, dice: Random) -> None:
    """A call went out, a little before or after it is told."""
    slot = _slot(walk, dice)
    at_ns = walk.world.mono_ns - dice.choice((-700, 0, 1, 1_001, 2_000_000_000))
    walk.world.act(Dispatched(slot, walk.world.rules.limit_of(slot.provider), at_ns))


def readmit(walk: Walk, dice: Random) -> None:
    """A call did not go out in time; it keeps the slot that it is given."""
    slot = _slot(walk, dice)
    limit = walk.world.rules.limit_of(slot.provider)
    outcome = walk.world.act(Readmitted(slot, limit))
    if isinstance(outcome, Slot):
        walk.slots.append(outcome)


def hold_back(walk: Walk, dice: Random) -> None:
    """A provider says when to come back; that may be over already."""
    told_ns = walk.world.mono_ns - dice.choice((0, 999, 3_000_000_000))
    wait_us = dice.choice((0, 1, 2_000_000, 5_000_000, 20_000_000))
    number, provider = walk.world.rules.ledger_number, dice.choice(asks.PROVIDERS)
    walk.world.act(HeldBack(number, provider, told_ns, wait_us))


def let_go(walk: Walk, dice: Random) -> None:
    """A provider is called in another way, whether it was held back or not."""
    slots = walk.world.rows.all(Slot)
    held = [each.provider for each in slots if each.held_until_us] or asks.PROVIDERS
    walk.world.act(LetGo(walk.world.rules.ledger_number, dice.choice(held)))


def _slot(walk: Walk, dice: Random) -> Slot:
    return dice.choice(walk.slots[-4:])


# --- files and violations ---------------------------------------------------------------------


def hold_files(walk: Walk, dice: Random) -> None:
    """Some files are to be stored."""
    wanted = dice.sample(asks.FILES, dice.choice((1, 2, 3)))
    hold_id, owner = walk.new_id("hold"), dice.choice(asks.IDENTITIES)
    walk.holds += [(owner, hold_id, digest) for digest in wanted]
    digests = [bytes.fromhex(digest) for digest in wanted]
    walk.world.act(HoldFiles(owner, hold_id, walk.world.rules.owner_id, digests))


def keep_chunk(walk: Walk, dice: Random) -> None:
    """A piece of a held file, often its last; seldom of one that is held no more."""
    owner, hold_id, digest = dice.choice(walk.holds)
    sha256 = bytes.fromhex(digest)
    chunk = FileChunk(
        identity_id=owner, sha256=sha256, offset=dice.choice((0, 262_144)), data=b"\x00\xff"
    )
    whole = StoredFile(identity_id=owner, sha256=sha256, size=3) if dice.random() < 0.8 else None
    walk.world.act(KeepChunk("gone" if dice.random() < 0.15 else hold_id, chunk, whole))


def record_violation(walk: Walk, dice: Random) -> None:
    """Somebody reached over a boundary, for something that he spelt as he liked."""
    unit = RecordViolation(
        violation_id=walk.new_id("violation"),
        ledger_number=walk.world.rules.ledger_number,
        caller=asks.caller(dice),
        type=dice.choice(tuple(ViolationType)),
        target_kind=dice.choice(("query", "budget", "identity")),
        target_id=dice.choice((asks.words(dice), "\x1b[2J" * 99)),
    )
    walk.world.act(unit)


# --- what is no command -----------------------------------------------------------------------


def pass_time(walk: Walk, dice: Random) -> None:
    """The clocks go on."""
    walk.world.pass_time(dice)


def change_rules(walk: Walk, dice: Random) -> None:
    """Limits are raised and lowered."""
    walk.world.change_rules(dice)
