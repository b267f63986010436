"""What becomes of a query that runs: the next candidate, its end, its owner's death."""

from __future__ import annotations

from typing import cast

from chenu_server import asking, engine
from chenu_server.asking import Plain
from chenu_server.command import Answer, Key
from chenu_server.operations import answers, subject
from chenu_server.operations.rules import Rules
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.ports import (
    Admitted,
    AttemptEnd,
    NextAttempt,
    NotHeld,
    Settlement,
    TooDear,
    Wait,
)
from chenu_server.pipeline.records import Operation


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
            "operation": _operation(asked.query),
            "ended": _ended(asked.ended),
            "chain": subject.chain(asked.chain),
        }
        return engine.Command({"Retry": plain}, self._rules.kernel)

    def outcome(self, answer: Answer) -> Admitted | TooDear | NotHeld | Wait:
        """One of the four; only `Admitted` has written."""
        return cast(
            "Admitted | TooDear | NotHeld | Wait", answers.of_query(answer, self._asked.chain)
        )


class Settle:
    """Posts or voids, stores the output, writes the final event and the final entry."""

    def __init__(self, settlement: Settlement) -> None:
        self._asked = settlement

    def asked(self) -> engine.Command:
        """For the kernel."""
        asked = self._asked
        plain = {
            "identity_id": asked.query.identity_id,
            "request_id": asked.query.request_id,
            "status": asked.status,
            "outcome": asking.plain(asked.outcome),
            "ended": None if asked.ended is None else _ended(asked.ended),
            "output": [_part(part) for part in asked.output],
            "execution_us": asked.execution_us,
            "lane_started_ns": asked.lane_started_ns,
        }
        return engine.Command({"Settle": plain}, asking.NO_RULES)

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


def _ended(of: AttemptEnd) -> Plain:
    return {
        "attempt": {**asking.plain(of.attempt), "usage": asking.plain(of.attempt.usage)},
        "usage": asking.plain(of.usage),
        "charge_nanousd": of.charge_nanousd,
        "estimated": of.estimated,
        "failure": of.failure,
        "duration_us": of.duration_us,
        "stop_reason": of.stop_reason,
        "detail": of.detail,
    }


def _operation(query: Operation) -> Plain:
    return {
        **asking.plain(query),
        "usage": asking.plain(query.usage),
        "lanes": subject.lanes(query.lanes),
        "outcome": asking.plain(query.outcome),
        "output_parts": [asking.plain(part) for part in query.output_parts],
    }


def _part(part: Part) -> Plain:
    return {
        "kind": part.kind,
        "text": part.text,
        "name": part.name,
        "call_id": part.call_id,
        "signature": part.signature,
        "redacted": part.redacted,
    }
