"""What becomes of a query whose process died while it ran."""

from __future__ import annotations

from chenu_server.operations.run import Recover
from chenu_server.vocabulary import Lane, LaneStatus
from tests.unit.operations.samples import ACME, BOUND_1, World


def test_an_interrupted_attempt_ends_in_the_log_too() -> None:
    """A reader that saw the call begin is told that nobody knows how it went."""
    world = World()
    world.admitted()

    assert world.act(Recover(ACME, "q", "owner"))

    assert ["llm_call.start", "llm_call.error", "lane.error"] == world.kinds[-6:-3]
    assert "pipeline.error" == world.kinds[-1]
    assert LaneStatus.FAILED is world.lane(Lane.F_EXECUTION)
    assert (BOUND_1, True) == (world.query.cost_nanousd, world.query.estimated)
