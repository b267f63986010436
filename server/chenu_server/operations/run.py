"""What becomes of a query that runs: the next candidate, its end, its owner's death."""

from __future__ import annotations

from typing import cast

from chenu_server import asking, engine
from chenu_server.command import Answer, Key
from chenu_server.operations import answers, subject
from chenu_server.operations.rules import Rules
from chenu_server.operations.tool_calls import proposals
from chenu_server.pipeline.ports import (
    Admitted,
    NextAttempt,
    NotHeld,
    Settlement,
    TooDear,
    Wait,
)
from chenu_server.pipeline.records import Operation
from chenu_server.vocabulary import QueryStatus


class Retry:
    """Post what the failed attempt may have cost, cover the next bound, take its slot.

    A candidate that is too dear is left to the caller, who asks for the next one in that one's own
    queue: taking its slot from here would pass by those who wait for it.
    """

    def __init__(self, following: NextAttempt, rules: Rules) -> None:
        self._asked = following
        self._rules = rules

    def asked(self) -> engine.Command:
        """For the kernel."""
        asked = self._asked
        plain = {
            "operation": asked.query,
            "ended": asked.ended,
            "chain": subject.chain(asked.chain),
        }
        return engine.Command({"Retry": plain}, self._rules.kernel)

    def outcome(self, answer: Answer) -> Admitted | TooDear | NotHeld | Wait:
        """One of the four; only `Admitted` has written."""
        return cast(
            "Admitted | TooDear | NotHeld | Wait", answers.of_query(answer, self._asked.chain)
        )


class Settle:
    """Posts or voids, stores the output, writes the final event and the final entry.

    `rules` are what the calls of an answer are judged by; of one that has none nobody asks.
    """

    def __init__(self, settlement: Settlement, rules: Rules | None = None) -> None:
        self._asked = settlement
        self._rules = rules

    def asked(self) -> engine.Command:
        """For the kernel."""
        asked, rules = self._asked, self._rules
        plain = {
            "identity_id": asked.query.identity_id,
            "request_id": asked.query.request_id,
            "status": asked.status,
            "outcome": asked.outcome,
            "ended": asked.ended,
            "output": asked.output,
            "execution_us": asked.execution_us,
            "lane_started_ns": asked.lane_started_ns,
        }
        completed = asked.status is QueryStatus.COMPLETED
        calls = proposals(asked.output, asked.proposing, rules) if rules and completed else []
        # Should an answer have calls all the same, the kernel decides nothing: none may pass by.
        if rules is None or not calls:
            return engine.Command({"Settle": plain}, asking.NO_RULES)
        plain |= {"calls": calls, "policies_revision": rules.policies.revision}
        return engine.Command({"Settle": plain}, rules.kernel)

    def outcome(self, answer: Answer) -> Operation:
        """The query as it ended; if a sweep ended it before, only its money is posted late."""
        query: Operation = answer.rows[0]
        return query


class Recover:
    """Ends one query of an owner that is dead: outcome unknown, its bound charged.

    It is never run again by itself.
    """

    def __init__(self, identity_id: str, request_id: str, dead_owner_id: str) -> None:
        self.key: Key = (identity_id, request_id)
        self._dead_owner_id = dead_owner_id

    def asked(self) -> engine.Command:
        """For the kernel."""
        identity_id, request_id = self.key
        plain = {
            "identity_id": identity_id,
            "request_id": request_id,
            "dead_owner_id": self._dead_owner_id,
        }
        return engine.Command({"Recover": plain}, asking.NO_RULES)

    def outcome(self, answer: Answer) -> bool:
        """Whether the query was still the dead owner's, and is ended now."""
        return bool(answer.more["done"])
