"""Any commands in any order: the laws hold after each, and money is never made or lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from chenu_server.errors import ExecutionInterrupted
from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.operations.ask import Consume
from chenu_server.operations.run import Recover, Retry, Settle
from chenu_server.operations.wait import Cancel, Expire
from chenu_server.pipeline.decide import outcome_of
from chenu_server.pipeline.ports import Admitted
from chenu_server.vocabulary import Decision, Intent, QueryStatus
from tests.dice import examples
from tests.unit.operations.samples import (
    ACME,
    BACKEND,
    BOUND_2,
    SECOND_US,
    World,
    admission,
    ended,
    following,
    resumption,
    settlement,
)

ASKED = admission(intents=(Intent.DELETE,))
FAILURE = outcome_of(ExecutionInterrupted("q"))


@dataclass
class Walk:
    """One query's way through the commands, beside others that compete for budget and slots."""

    world: World
    running: list[Admitted] = field(default_factory=list)
    others: int = 0

    def block(self) -> None:
        """Ask, again and again under one id."""
        self.world.admit(ASKED)

    def compete(self) -> None:
        """Another query asks for money and a slot."""
        self.others += 1
        self.world.admit(admission(f"other-{self.others}"))

    def approve(self) -> None:
        """A person says yes."""
        self._waiting(lambda: self.world.resolve(Decision.APPROVE))

    def reject(self) -> None:
        """A person says no."""
        self._waiting(lambda: self.world.resolve(Decision.REJECT))

    def cancel(self) -> None:
        """The caller withdraws it."""
        command = Cancel(ACME, "q", "checkpoint-1", BACKEND, "")
        self._waiting(lambda: self.world.act(command))

    def expire(self) -> None:
        """A sweep."""
        self._waiting(lambda: self.world.act(Expire(ACME, "q", "checkpoint-1")))

    def consume(self) -> None:
        """The approval is used, if there is one."""

        def go_on() -> None:
            asked = resumption(self.world.query, ASKED)
            answer = self.world.act(Consume(asked, self.world.rules, take_slot=True))
            if isinstance(answer, Admitted):
                self.running.append(answer)

        self._waiting(go_on)

    def retry(self) -> None:
        """The last attempt failed after it went out."""
        if self.running:
            last = self.running[-1]
            charge = last.attempt.bound_nanousd
            end = ended(last, charge, failure="timeout", estimated=True)
            answer = self.world.act(Retry(following(last, end), self.world.rules))
            if isinstance(answer, Admitted):
                self.running.append(answer)

    def settle(self) -> None:
        """The last attempt succeeded."""
        if self.running:
            last = self.running[-1]
            self.world.act(Settle(settlement(last, ended(last, 7), output="done")))

    def fail(self) -> None:
        """The last attempt never went out."""
        if self.running:
            last = self.running[-1]
            end = ended(last, 0, failure="connection")
            self.world.act(Settle(settlement(last, end, QueryStatus.FAILED, FAILURE)))

    def recover(self) -> None:
        """The owner is thought dead."""
        self.world.act(Recover(ACME, "q", "owner"))

    def pass_time(self) -> None:
        """Slots free and approvals lapse."""
        self.world.now_us += 25 * SECOND_US

    def lower(self) -> None:
        """An admin lowers the limit."""
        self.world.set_limit(BOUND_2)

    def _waiting(self, act: Callable[[], object]) -> None:
        if ("block" in self.world.entries) and self.world.query.checkpoint_id:
            act()


STEPS = [
    Walk.block,
    Walk.compete,
    Walk.approve,
    Walk.reject,
    Walk.cancel,
    Walk.expire,
    Walk.consume,
    Walk.retry,
    Walk.settle,
    Walk.fail,
    Walk.recover,
    Walk.pass_time,
    Walk.lower,
]


@examples(150)
@given(st.lists(st.sampled_from(STEPS), max_size=14))
def test_the_laws_hold_after_every_unit(steps: list[Callable[[Walk], None]]) -> None:
    """`World.act` checks them; here, that limits hold and that a final query stays as it is."""
    walk = Walk(World(3 * BOUND_2))
    walk.block()
    final = None
    for step in steps:
        step(walk)
        query = walk.world.query
        assert final in (None, query)
        final = query if query.status.is_final else None
        allowed = sum(budget.limit_nanousd for budget in walk.world.rows.all(Budget))
        if step is not Walk.lower and allowed == 3 * BOUND_2:
            spent = walk.world.rows.all(BudgetPeriod)
            assert sum(p.posted_nanousd + p.reserved_nanousd for p in spent) <= allowed
