"""What a person's decision, or the lack of one, does to a query that waits for it."""

from __future__ import annotations

from collections.abc import Sequence

from chenu_server import asking, engine
from chenu_server.asking import Plain
from chenu_server.caller import Principal
from chenu_server.command import Answer
from chenu_server.governance.checkpoints.model import (
    AllResolved,
    Checkpoint,
    NoneResolved,
    Resolution,
    ResolveAnswer,
)
from chenu_server.operations import answers
from chenu_server.operations.rules import Rules
from chenu_server.pipeline.records import Operation
from chenu_server.values import fields_of


def _place_of(checkpoint: Checkpoint) -> Plain:
    """Which operation waits, and where."""
    return {
        "identity_id": checkpoint.identity_id,
        "request_id": checkpoint.request_id,
        "checkpoint_id": checkpoint.checkpoint_id,
    }


def _decided(asked: Resolution) -> Plain:
    return {**fields_of(asked), "by": asking.principal(asked.by)}


class _Waiting:
    """What every command names about a query that waits for a person."""

    def __init__(self, identity_id: str, request_id: str, checkpoint_id: str) -> None:
        self.checkpoint_id = checkpoint_id
        self._place = {
            "identity_id": identity_id,
            "request_id": request_id,
            "checkpoint_id": checkpoint_id,
        }

    def _command(
        self, kind: str, more: Plain, rules: engine.Rules = asking.NO_RULES
    ) -> engine.Command:
        return engine.Command({kind: {**self._place, **more}}, rules)


class Resolve(_Waiting):
    """A person approves or rejects, once."""

    def __init__(
        self, identity_id: str, request_id: str, checkpoint_id: str, asked: Resolution, rules: Rules
    ) -> None:
        super().__init__(identity_id, request_id, checkpoint_id)
        self._asked = asked
        self._rules = rules

    def asked(self) -> engine.Command:
        """For the kernel."""
        return self._command("Resolve", _decided(self._asked), self._rules.kernel)

    def outcome(self, answer: Answer) -> ResolveAnswer:
        """How the resolution went; only `Resolved` and `Lapsed` have written."""
        return answers.of_checkpoint(answer)


class ResolveAll:
    """A person decides on several that wait: on all of them, or on none."""

    def __init__(self, decisions: Sequence[tuple[Checkpoint, Resolution]], rules: Rules) -> None:
        self._rules = rules
        self._decisions = [
            {**_place_of(checkpoint), **_decided(asked)} for checkpoint, asked in decisions
        ]

    def asked(self) -> engine.Command:
        """For the kernel."""
        return engine.Command({"ResolveAll": {"decisions": self._decisions}}, self._rules.kernel)

    def outcome(self, answer: Answer) -> AllResolved | NoneResolved:
        """All as they are now, or why none was decided."""
        return answers.of_checkpoints(answer)


class Expire(_Waiting):
    """Nobody decided in time, or the approval was not used in time."""

    def asked(self) -> engine.Command:
        """For the kernel."""
        return self._command("Expire", {})

    def outcome(self, answer: Answer) -> bool:
        """Whether it expired now."""
        return bool(answer.more["done"])


class Cancel(_Waiting):
    """The query is withdrawn before it runs; its checkpoint and its money go with it."""

    def __init__(
        self, identity_id: str, request_id: str, checkpoint_id: str, by: Principal, reason: str
    ) -> None:
        super().__init__(identity_id, request_id, checkpoint_id)
        self._by = by
        self._reason = reason

    def asked(self) -> engine.Command:
        """For the kernel."""
        more = {"by": asking.principal(self._by), "reason": self._reason}
        return self._command("Cancel", more)

    def outcome(self, answer: Answer) -> Operation:
        """The query as it is now; a query that does not wait is left as it is."""
        query: Operation = answer.rows[0]
        return query
