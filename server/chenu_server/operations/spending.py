"""A service's own spending: the budgets' `Spender`, on the writer."""

from __future__ import annotations

from collections.abc import Callable

from chenu_server import asking, engine
from chenu_server.asking import Plain
from chenu_server.caller import Caller
from chenu_server.command import Answer, Writer
from chenu_server.engine import sensitivity_of
from chenu_server.errors import CheckpointLimit, RequestIdConflict
from chenu_server.governance.budgets.spending_decide import (
    action_digest,
    ask_json,
    content_digest,
    spending_of,
)
from chenu_server.governance.budgets.spending_model import ReserveAsk, Spending
from chenu_server.governance.budgets.spending_ports import Reserved, SpendingReader
from chenu_server.governance.checkpoints.decide import pending_error
from chenu_server.governance.policy.decide import Facts
from chenu_server.operations.rules import Rules
from chenu_server.pipeline.ports import Conflict, Full
from chenu_server.vocabulary import Mode


class Reserve:
    """The claim of an id, the decision on it and the money are one commit."""

    def __init__(self, caller: Caller, asked: ReserveAsk, rules: Rules) -> None:
        self._caller = caller
        self._asked = asked
        self._rules = rules

    def asked(self) -> engine.Command:
        """For the kernel."""
        caller, asked, rules = self._caller, self._asked, self._rules
        verdict = rules.policies.evaluate(_facts(caller, asked))
        plain = {
            "caller": asking.caller(caller),
            "request_id": asked.request_id,
            "amount_nanousd": asked.amount_nanousd,
            "action": asked.target.operation,
            "target": asked.target.path,
            "description": asked.description,
            "sphere": asked.sphere,
            "intents": asked.intents,
            "run_id": asked.run_id,
            "labels": asked.labels,
            "ttl_ms": asked.ttl_ms,
            "content_digest": content_digest(asked),
            "action_digest": action_digest(caller, asked),
            "content": {
                "identity_id": caller.identity_id,
                "request_id": asked.request_id,
                "request": ask_json(asked),
                # It walks no lanes.
                "plan": "",
            },
            "verdict": verdict,
            "checkpoint_id": rules.make_id() if verdict.checkpoints else "",
        }
        return engine.Command({"Reserve": plain}, rules.kernel)

    def outcome(self, answer: Answer) -> Reserved | Conflict | Full:
        """One of them; `Reserved` may have written."""
        if answer.kind == "Conflict":
            return Conflict()
        if answer.kind == "Full":
            return Full(answer.more["limit"])
        # The same content was stored under the id, or else it were a conflict.
        return Reserved(_standing(answer, self._asked), answer.more["is_new"])


class Post:
    """It was spent; no more than is held."""

    def __init__(self, caller: Caller, request_id: str, amount_nanousd: int) -> None:
        self._plain = {**_named(caller, request_id), "amount_nanousd": amount_nanousd}

    def asked(self) -> engine.Command:
        """For the kernel."""
        return engine.Command({"Post": self._plain}, asking.NO_RULES)

    def outcome(self, answer: Answer) -> Answer:
        """Which makes sense only beside what was asked."""
        return answer


class Void:
    """Nothing was spent, and nothing will be."""

    def __init__(self, caller: Caller, request_id: str, reason: str) -> None:
        self._plain = {**_named(caller, request_id), "reason": reason}

    def asked(self) -> engine.Command:
        """For the kernel."""
        return engine.Command({"Void": self._plain}, asking.NO_RULES)

    def outcome(self, answer: Answer) -> Answer:
        """As of `Post`."""
        return answer


class Lapse:
    """Its time may be over, and nobody has said what became of it."""

    def __init__(self, identity_id: str, request_id: str) -> None:
        self.request_id = request_id
        self._identity_id = identity_id

    def asked(self) -> engine.Command:
        """For the kernel."""
        plain = {"identity_id": self._identity_id, "request_id": self.request_id}
        return engine.Command({"Lapse": plain}, asking.NO_RULES)

    def outcome(self, answer: Answer) -> bool:
        """Whether it ended now."""
        return bool(answer.more["done"])


class WriterSpending:
    """The budgets' `Spender`: each decision is one command to the one writer."""

    def __init__(self, writer: Writer, reader: SpendingReader, rules: Callable[[], Rules]) -> None:
        self._writer = writer
        self._reader = reader
        self._rules = rules

    async def reserve(self, caller: Caller, asked: ReserveAsk) -> Reserved:
        """See `governance.budgets.spending_ports.Spender`."""
        # The rules of this moment: a reload may have brought others since the last call.
        command = Reserve(caller, asked, self._rules())
        outcome: Reserved | Conflict | Full = await self._writer.submit(command)
        if isinstance(outcome, Conflict):
            raise RequestIdConflict(asked.request_id)
        if isinstance(outcome, Full):
            raise CheckpointLimit(outcome.limit)
        return outcome

    async def post(self, caller: Caller, request_id: str, amount_nanousd: int) -> Spending | None:
        """See `governance.budgets.spending_ports.Spender`."""
        return await self._ended(caller, request_id, Post(caller, request_id, amount_nanousd))

    async def void(self, caller: Caller, request_id: str, reason: str) -> Spending | None:
        """See `governance.budgets.spending_ports.Spender`."""
        return await self._ended(caller, request_id, Void(caller, request_id, reason))

    async def _ended(
        self, caller: Caller, request_id: str, command: Post | Void
    ) -> Spending | None:
        answer: Answer = await self._writer.submit(command)
        if answer.kind == "Conflict":
            raise RequestIdConflict(request_id)
        if answer.kind == "Absent":
            return None
        # What was asked stands in a row that no command loads, and never changes. Should it not be
        # read, the same call is answered alike.
        return _standing(answer, await self._reader.asked(caller.identity_id, request_id))


def _named(caller: Caller, request_id: str) -> Plain:
    return {"caller": asking.caller(caller), "request_id": request_id}


def _standing(answer: Answer, asked: ReserveAsk) -> Spending:
    operation, *checkpoints = answer.rows
    pending = pending_error(checkpoints[0]) if checkpoints else None
    return spending_of(operation, asked, expires_us=answer.more["expires_us"], pending=pending)


def _facts(caller: Caller, asked: ReserveAsk) -> Facts:
    """What policies decide on. Its mode is that of what is carried out."""
    target, intents = asked.target, tuple(intent.value for intent in asked.intents)
    spheres = (target.sphere.value,) if target.sphere else ()
    return Facts(
        principal_type=caller.principal.type.value,
        principal_id=caller.principal.id,
        identity_id=caller.identity_id,
        roles=tuple(role.value for role in sorted(caller.roles)),
        acting_for=caller.acting_for,
        operation=target.operation,
        mode=Mode.COMMAND.value,
        intents=intents,
        # What is declared counts alone: the description is read by people.
        detected_intents=(),
        sphere=asked.sphere.value,
        target_kind=target.kind,
        target_id=target.id,
        target_sphere=target.sphere.value if target.sphere else "",
        spheres=spheres,
        cross_sphere=any(sphere != asked.sphere.value for sphere in spheres),
        sensitivity=sensitivity_of(intents),
        agent_role="",
        providers=(),
        amount_nanousd=asked.amount_nanousd,
    )
