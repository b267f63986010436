"""Asks, decisions and the clock in any order, against a plain model of who waits for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from chenu_server.caller import Principal
from chenu_server.command import Moment
from chenu_server.governance.checkpoints.model import Checkpoint, Resolution
from chenu_server.operations.ask import Consume
from chenu_server.operations.wait import Cancel, Expire, Resolve
from chenu_server.pipeline.ports import (
    Admission,
    Admitted,
    Attached,
    Blocked,
    Conflict,
    Full,
    Known,
)
from chenu_server.pipeline.records import Operation, QueryAlias
from chenu_server.vocabulary import CheckpointState, Decision, Intent, PrincipalType
from tests.dice import examples
from tests.unit.operations.samples import (
    ACME,
    ANN,
    BACKEND,
    CALLER,
    LIFETIME_US,
    World,
    admission,
    has_lapsed,
    resumption,
)

CAP = 2
IDS = tuple(f"id-{number}" for number in range(5))
CALLERS = (CALLER, replace(CALLER, principal=Principal(type=PrincipalType.SERVICE, id="other")))
ACTIONS = (b"\x01" * 32, b"\x02" * 32)
CONTENTS = (b"content", b"detached")

Ask = tuple[str, int, int, int]


@dataclass
class Waits:
    """What the model knows of one query: who asked for which action, and how far it is."""

    caller: int
    action: int
    state: str
    until_us: int


@dataclass
class Walk:
    """The commands on one side, the model on the other."""

    world: World = field(default_factory=lambda: World(10**9, pending_max=CAP))
    queries: dict[str, Waits] = field(default_factory=dict)
    names: dict[str, tuple[str, int, int, int]] = field(default_factory=dict)

    def asked(self, ask: Ask) -> Admission:
        """The admission of an ask. The digest is the action's alone, to be harder on the units."""
        request_id, caller, action, content = ask
        return admission(
            request_id,
            intents=(Intent.DELETE,),
            caller=CALLERS[caller],
            digest=ACTIONS[action],
            content=CONTENTS[content] + bytes([action]),
        )

    def expected(self, ask: Ask) -> tuple[type, str]:
        """What the model says to an ask, and under which first id."""
        request_id, caller, action, content = ask
        if request_id in self.names:
            first, *was = self.names[request_id]
            same = was == [caller, action, content]
            return (Known, first) if same else (Conflict, "")
        for first, each in self.queries.items():
            waits = each.state in ("pending", "approved") and self.world.now_us < each.until_us
            if waits and (each.caller, each.action) == (caller, action):
                return Attached, first
        if Counter(each.state for each in self.queries.values())["pending"] >= CAP:
            return Full, ""
        return Blocked, request_id

    def ask(self, ask: Ask) -> None:
        """Somebody asks; the answer is the model's."""
        request_id, caller, action, content = ask
        kind, first = self.expected(ask)

        answer = self.world.admit(self.asked(ask))

        assert kind is type(answer)
        if isinstance(answer, Known | Attached | Blocked):
            assert first == answer.query.request_id
            self.names[request_id] = (first, caller, action, content)
        if kind is Blocked:
            until_us = self.world.now_us + LIFETIME_US
            self.queries[first] = Waits(caller, action, "pending", until_us)

    def repeat(self, request_id: str) -> None:
        """Whoever asked under this id asks it again, word for word."""
        if request_id in self.names:
            _, *was = self.names[request_id]
            caller, action, content = was
            self.ask((request_id, caller, action, content))

    def checkpoint(self, request_id: str) -> Checkpoint | None:
        """Where a query waits, by any of its ids."""
        first = self.names.get(request_id, ("",))[0]
        query = self.world.rows.get(Operation, (ACME, first))
        key = (ACME, query.checkpoint_id if query else "")
        return self.world.rows.get(Checkpoint, key)

    def resolve(self, request_id: str, decision: Decision) -> None:
        """A person decides."""
        checkpoint = self.checkpoint(request_id)
        if checkpoint is None:
            return
        asked = Resolution(
            decision_id="d", decision=decision, reason="why", expected_digest=b"", by=ANN
        )
        where = (ACME, checkpoint.request_id, checkpoint.checkpoint_id)
        self.world.act(Resolve(*where, asked, self.world.rules))
        each = self.queries[checkpoint.request_id]
        if each.state != "pending":
            return
        if self.world.now_us >= each.until_us:
            each.state = "over"
        elif decision is Decision.APPROVE:
            each.state, each.until_us = "approved", self.world.now_us + LIFETIME_US
        else:
            each.state = "over"

    def cancel(self, request_id: str) -> None:
        """Its caller withdraws it, under any of its ids."""
        checkpoint = self.checkpoint(request_id)
        if checkpoint is not None:
            where = (ACME, checkpoint.request_id, checkpoint.checkpoint_id)
            self.world.act(Cancel(*where, BACKEND, ""))
            self._over(checkpoint.request_id, "pending", "approved")

    def sweep(self) -> None:
        """What nobody decided or used in time ends."""
        for each in self.world.rows.all(Checkpoint):
            if self.world.act(Expire(ACME, each.request_id, each.checkpoint_id)):
                self._over(each.request_id, "pending", "approved")

    def use(self, request_id: str) -> None:
        """An approved query goes on."""
        checkpoint = self.checkpoint(request_id)
        if checkpoint is None:
            return
        each = self.queries[checkpoint.request_id]
        ask = (checkpoint.request_id, each.caller, each.action, 0)
        query = self.world.rows.get(Operation, (ACME, checkpoint.request_id))
        assert query is not None
        resumed = resumption(query, self.asked(ask))
        answer = self.world.act(Consume(resumed, self.world.rules, take_slot=True))
        if isinstance(answer, Admitted):
            assert "approved" == each.state
        if isinstance(answer, Admitted) or self.world.now_us >= each.until_us:
            self._over(checkpoint.request_id, "approved")

    def _over(self, first: str, *states: str) -> None:
        if self.queries[first].state in states:
            self.queries[first].state = "over"

    def pass_time(self) -> None:
        """Some of what waits may lapse."""
        self.world.now_us += LIFETIME_US // 2

    def broken(self) -> list[str]:
        """The laws of asking twice that do not hold now."""
        rows, now = self.world.rows, Moment(now_us=self.world.now_us, mono_ns=0)
        checkpoints = rows.all(Checkpoint)
        waiting = [each for each in checkpoints if each.is_open and not has_lapsed(each, now)]
        actions = Counter((each.requested_by, each.action_digest) for each in waiting)
        pending = [each for each in checkpoints if each.state is CheckpointState.PENDING]
        own = {each.request_id: each.request_id for each in rows.all(Operation)}
        others = {each.request_id: each.first_request_id for each in rows.all(QueryAlias)}

        named = {name: first for name, (first, *_) in self.names.items()}
        laws = {
            "one open checkpoint for each action": {1} >= set(actions.values()),
            "no more pending than the cap": CAP >= len(pending),
            "an id names a query or is an alias": not own.keys() & others.keys(),
            "an alias leads to a query": set(others.values()) <= own.keys(),
            "no id changes its query": named == own | others,
        }
        return [law for law, holds in laws.items() if not holds]


ids = st.sampled_from(IDS)
asks = st.tuples(ids, *[st.integers(0, 1)] * 3)
STEPS: st.SearchStrategy[Callable[[Walk], None]] = st.one_of(
    asks.map(lambda ask: lambda walk: walk.ask(ask)),
    asks.map(lambda ask: lambda walk: walk.ask(ask)),
    st.tuples(ids, st.sampled_from(Decision)).map(lambda it: lambda walk: walk.resolve(*it)),
    ids.map(lambda request_id: lambda walk: walk.repeat(request_id)),
    ids.map(lambda request_id: lambda walk: walk.cancel(request_id)),
    ids.map(lambda request_id: lambda walk: walk.use(request_id)),
    st.just(Walk.sweep),
    st.just(Walk.pass_time),
)


@examples(300)
@given(st.lists(STEPS, min_size=4, max_size=30))
def test_one_open_checkpoint_for_each_action_and_one_query_for_each_id(
    steps: list[Callable[[Walk], None]],
) -> None:
    """Whatever happens in between: no id changes its query, and no person is asked twice."""
    walk = Walk()
    for step in steps:
        step(walk)
        assert [] == walk.broken()
