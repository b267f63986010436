"""A random walk: steps that are possible where it stands, each a unit beside its command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, NamedTuple

from chenu_server.caller import Principal
from chenu_server.governance.checkpoints.decide import has_lapsed
from chenu_server.governance.checkpoints.model import Checkpoint, Resolution
from chenu_server.governance.limits.model import Slot
from chenu_server.pipeline.model import Analysis
from chenu_server.pipeline.ports import Admission, Admitted, Blocked, Resumption, Settlement
from chenu_server.pipeline.records import Query
from chenu_server.units.admit import Admit
from chenu_server.units.consume import Consume
from chenu_server.units.recover import Recover
from chenu_server.units.resolve import Cancel, Expire, Resolve
from chenu_server.units.retry import Retry
from chenu_server.units.settle import Settle
from chenu_server.units.validate import Validate
from chenu_server.vocabulary import CheckpointState, Decision, Intent, QueryStatus
from tests.twins import asks, ends
from tests.twins.world import World

NO_DIGEST: Final = b""
OTHER_DIGEST: Final = b"\x99" * 32


class Place(NamedTuple):
    """Where a query waits or waited."""

    identity_id: str
    request_id: str
    checkpoint_id: str


@dataclass
class Run:
    """An attempt that somebody runs; a late one, which nobody does."""

    admitted: Admitted
    is_late: bool = False
    may_retry: bool = True


@dataclass
class Walk:
    """What a walk remembers of its way, to go back to and to do again."""

    world: World
    asked: list[Admission] = field(default_factory=list)
    waited: list[tuple[Place, Admission]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    settled: list[Settlement] = field(default_factory=list)
    resolved: list[tuple[Place, Resolution]] = field(default_factory=list)
    holds: list[tuple[str, str, str]] = field(default_factory=list)

    def new_id(self, kind: str) -> str:
        """An id that was not used before."""
        return f"{kind}-{next(self.world.ids)}"


Act = Callable[[Walk, Random], None]


# --- to ask -----------------------------------------------------------------------------------


def ask(walk: Walk, dice: Random) -> None:
    """Something new."""
    _admit(walk, dice, asks.admission(dice, walk.new_id("q"), walk.world.mono_ns))


def ask_again(walk: Walk, dice: Random) -> None:
    """The same under its id, the same action under another, by another, or other content."""
    first = dice.choice(walk.asked[-6:])
    same_id = dice.random() < 0.4
    request_id = first.request.request_id if same_id else walk.new_id("q")
    again = asks.under(first, request_id)
    if dice.random() < 0.25:
        again = asks.under(again, request_id, content_digest=bytes(32))
    if dice.random() < 0.2:
        who = asks.caller(dice, dice.choice((first.caller.identity_id, "acme")))
        again = asks.under(again, request_id, caller=who)
    _admit(walk, dice, again)


def validate(walk: Walk, dice: Random) -> None:
    """Ask what would be said."""
    asked = asks.admission(dice, walk.new_id("v"), walk.world.mono_ns)
    walk.world.act(Validate(asked, walk.world.rules))


def _admit(walk: Walk, dice: Random, asked: Admission) -> None:
    take_slot = dice.random() < 0.95
    outcome = walk.world.act(Admit(asked, walk.world.rules, take_slot=take_slot))
    walk.asked.append(asked)
    if isinstance(outcome, Blocked):
        query = outcome.query
        place = Place(query.identity_id, query.request_id, query.checkpoint_id)
        walk.waited.append((place, asked))
    _note(walk, outcome)


def _note(walk: Walk, outcome: object, *, is_late: bool = False) -> None:
    if isinstance(outcome, Admitted):
        walk.runs.append(Run(outcome, is_late))
        walk.slots.append(_slot_of(walk, outcome))


def _slot_of(walk: Walk, admitted: Admitted) -> Slot:
    return Slot(
        ledger_number=walk.world.rules.ledger_number,
        provider=admitted.attempt.provider,
        slot=admitted.attempt.slot,
        free_at_us=admitted.slot_free_at_us,
    )


# --- to decide on what waits ------------------------------------------------------------------


def resolve(walk: Walk, dice: Random) -> None:
    """A person decides, having seen this action, another one, or nobody asked which."""
    place, asked = _place(walk, dice, CheckpointState.PENDING)
    digests = (NO_DIGEST,) * 4 + (asked.encoded.action_digest, OTHER_DIGEST)
    resolution = Resolution(
        decision_id=dice.choice(("d-1", "d-2")),
        decision=dice.choice((Decision.APPROVE,) * 3 + (Decision.REJECT,)),
        reason=dice.choice(("", asks.words(dice))),
        expected_digest=dice.choice(digests),
        by=dice.choice(asks.PRINCIPALS),
    )
    walk.resolved.append((place, resolution))
    walk.world.act(Resolve(*place, resolution))


def resolve_again(walk: Walk, dice: Random) -> None:
    """The very decision again, or one that differs from it in one thing."""
    place, resolution = dice.choice(walk.resolved)
    other = dice.choice(
        (
            resolution,
            resolution,
            replace(resolution, decision_id="d-3"),
            replace(resolution, reason="another"),
            replace(resolution, by=dice.choice(asks.PRINCIPALS)),
            replace(resolution, expected_digest=OTHER_DIGEST),
            replace(resolution, decision=Decision.REJECT),
        )
    )
    walk.world.act(Resolve(*place, other))


def cancel(walk: Walk, dice: Random) -> None:
    """It is withdrawn, in whatever state it is."""
    place, asked = _place(walk, dice, *CheckpointState)
    by: Principal = dice.choice((asked.caller.principal, *asks.PRINCIPALS))
    walk.world.act(Cancel(*place, by, asks.words(dice)))


def expire(walk: Walk, dice: Random) -> None:
    """A sweep comes by, mostly where the time is over."""
    lapsed = [place for place, _ in walk.waited if _has_lapsed(walk, place)]
    place, _ = dice.choice(walk.waited)
    walk.world.act(Expire(*dice.choice(lapsed or [place])))


def consume(walk: Walk, dice: Random) -> None:
    """An approved query asks to go on: as it was, or not quite."""
    place, asked = _place(walk, dice, CheckpointState.APPROVED)
    query = walk.world.rows.get(Query, place[:2])
    assert query is not None
    resumption = Resumption(
        caller=asked.caller,
        query=query,
        request=asked.request,
        analysis=asked.analysis,
        snapshot=asked.snapshot,
        encoded=asked.encoded,
        deadline_ms=dice.choice((1, 60_000)),
    )
    if dice.random() < 0.25:
        resumption = _changed(resumption, dice)
    unit = Consume(resumption, walk.world.rules, take_slot=dice.random() < 0.9)
    _note(walk, walk.world.act(unit))


def _changed(asked: Resumption, dice: Random) -> Resumption:
    """Another action, a caller without a role, more intents, nobody to call, another price."""
    plan = asked.encoded
    intents = (Intent.DELETE, Intent.SEND, Intent.TRANSFER)
    more: Analysis = replace(asked.analysis, intents=intents)
    changes = (
        {"encoded": replace(plan, action_digest=OTHER_DIGEST)},
        {"caller": replace(asked.caller, roles=frozenset())},
        {"analysis": more},
        {"encoded": replace(plan, route=replace(plan.route, chain=()))},
        {"encoded": replace(plan, output_cap=3 * plan.output_cap, cap_is_default=True)},
    )
    return replace(asked, **dice.choice(changes))


def _place(walk: Walk, dice: Random, *states: CheckpointState) -> tuple[Place, Admission]:
    """Where something waits in one of these states, or mostly so."""
    found = [each for each in walk.waited if _state(walk, each[0]) in states]
    return dice.choice(found if found and dice.random() < 0.9 else walk.waited)


def _state(walk: Walk, place: Place) -> CheckpointState:
    return _checkpoint(walk, place).state


def _has_lapsed(walk: Walk, place: Place) -> bool:
    return has_lapsed(_checkpoint(walk, place), walk.world.now)


def _checkpoint(walk: Walk, place: Place) -> Checkpoint:
    found = walk.world.rows.get(Checkpoint, (place.identity_id, place.checkpoint_id))
    assert found is not None
    return found


# --- to run -----------------------------------------------------------------------------------


def retry(walk: Walk, dice: Random) -> None:
    """A run asks for the next candidate; its answer may come too late for it."""
    run = dice.choice([each for each in walk.runs if each.may_retry and not each.is_late])
    asked = ends.following(dice, run.admitted, walk.world.dear)
    outcome = walk.world.act(Retry(asked, walk.world.rules))
    if not isinstance(outcome, Admitted):
        run.may_retry = dice.random() < 0.5
        return
    is_late = dice.random() < 0.35
    run.may_retry = False
    if not is_late:
        walk.runs.remove(run)
    _note(walk, outcome, is_late=is_late)


def settle(walk: Walk, dice: Random) -> None:
    """A run ends, or what nobody runs is ended."""
    run = dice.choice(walk.runs)
    mono_ns = walk.world.mono_ns
    if run.is_late:
        asked = ends.late(run.admitted, mono_ns)
    else:
        asked = ends.settlement(dice, run.admitted, mono_ns, walk.world.dear)
    walk.runs.remove(run)
    walk.settled.append(asked)
    walk.world.act(Settle(asked))


def settle_again(walk: Walk, dice: Random) -> None:
    """Its answer was lost: the same is asked again, once more."""
    walk.world.act(Settle(dice.choice(walk.settled)))


def recover(walk: Walk, dice: Random) -> None:
    """A process is thought dead, of which some query may be."""
    queries = walk.world.rows.all(Query)
    running = [each for each in queries if each.status is QueryStatus.RUNNING]
    found = running if running and dice.random() < 0.9 else queries
    keys = [(each.identity_id, each.request_id, each.owner_id or "owner") for each in found]
    identity_id, request_id, owner = dice.choice([*keys, ("acme", "q-none", "owner")])
    dead = dice.choice((owner,) * 4 + ("another",))
    walk.world.act(Recover(identity_id, request_id, dead))
