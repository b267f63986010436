"""Which steps a random walk takes, how often, and where each is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Final, NamedTuple

from chenu_server.governance.checkpoints.decide import has_lapsed
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.pipeline.records import Query
from chenu_server.vocabulary import CheckpointState, QueryStatus
from tests.twins import admin, walk
from tests.twins.walk import Act, Walk
from tests.twins.world import World


class Step(NamedTuple):
    """A step, its share among those that are possible, and whether it is."""

    share: int
    act: Act
    is_possible: Callable[[Walk], object] = lambda _: True


def _can_retry(at: Walk) -> bool:
    return any(run.may_retry and not run.is_late for run in at.runs)


def _is_pending(at: Walk) -> bool:
    return any(each.state is CheckpointState.PENDING for each in at.world.rows.all(Checkpoint))


def _is_approved(at: Walk) -> bool:
    rows = at.world.rows.all(Checkpoint)
    return any(each.is_open and each.state is CheckpointState.APPROVED for each in rows)


def _has_lapsed(at: Walk) -> bool:
    return any(has_lapsed(each, at.world.now) for each in at.world.rows.all(Checkpoint))


def _runs(at: Walk) -> bool:
    return any(each.status is QueryStatus.RUNNING for each in at.world.rows.all(Query))


STEPS: Final = (
    Step(16, walk.ask),
    Step(6, walk.ask_again, lambda at: at.asked),
    Step(2, walk.validate),
    Step(10, walk.resolve, _is_pending),
    Step(1, walk.resolve, lambda at: at.waited),
    Step(3, walk.resolve_again, lambda at: at.resolved),
    Step(2, walk.cancel, lambda at: at.waited),
    Step(6, walk.expire, _has_lapsed),
    Step(1, walk.expire, lambda at: at.waited),
    Step(16, walk.consume, _is_approved),
    Step(1, walk.consume, lambda at: at.waited),
    Step(11, walk.retry, _can_retry),
    Step(9, walk.settle, lambda at: at.runs),
    Step(3, walk.settle_again, lambda at: at.settled),
    Step(3, walk.recover, _runs),
    Step(1, walk.recover, lambda at: at.asked),
    Step(2, admin.create_budget),
    Step(4, admin.update_budget),
    Step(3, admin.unfreeze_budget),
    Step(3, admin.delete_budget),
    Step(3, admin.dispatched, lambda at: at.slots),
    Step(3, admin.readmit, lambda at: at.slots),
    Step(2, admin.hold_back),
    Step(1, admin.let_go),
    Step(2, admin.hold_files),
    Step(4, admin.keep_chunk, lambda at: at.holds),
    Step(1, admin.record_violation),
    Step(14, admin.pass_time),
    Step(4, admin.change_rules),
)


def walk_through(world: World, seeds: Iterable[int | str], told: Callable[[str], object]) -> None:
    """A step for each seed, among those that are possible; `told` which it is."""
    at = Walk(world)
    for seed in seeds:
        dice = Random(seed)
        possible = [step for step in STEPS if step.is_possible(at)]
        (step,) = dice.choices(possible, [each.share for each in possible])
        told(f"{step.act.__name__} at {world.now}")
        step.act(at, dice)
