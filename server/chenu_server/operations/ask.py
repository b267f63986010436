"""May a query run? Asked anew, asked without effect, asked again once a person has approved."""

from __future__ import annotations

from typing import cast

from chenu_server import asking, engine
from chenu_server.asking import Plain
from chenu_server.command import Answer
from chenu_server.operations import answers, subject
from chenu_server.operations.rules import Rules
from chenu_server.pipeline.ports import (
    Admission,
    Admitted,
    Attached,
    Blocked,
    Closed,
    Conflict,
    FilesGone,
    Full,
    Known,
    NotResumable,
    Resumption,
    Validation,
    Wait,
)


class Admit:
    """The claim of a query's id, the decision on it and its effect are one commit."""

    def __init__(self, admission: Admission, rules: Rules, *, take_slot: bool) -> None:
        self._asked = admission
        self._rules = rules
        self._take_slot = take_slot

    def asked(self) -> engine.Command:
        """For the kernel."""
        plain = _admission(self._asked, self._rules, take_slot=self._take_slot)
        return engine.Command({"Admit": plain}, self._rules.kernel)

    def outcome(
        self, answer: Answer
    ) -> Admitted | Blocked | Closed | Wait | Known | Attached | Full | FilesGone | Conflict:
        """One of them; only the first three and `Attached` have written."""
        return cast(
            "Admitted | Blocked | Closed | Wait | Known | Attached | Full | FilesGone | Conflict",
            answers.of_query(answer, self._asked.encoded.route.chain),
        )


class Validate:
    """What would `Admit` say? Claims no id, reserves nothing, takes no slot, asks nobody."""

    def __init__(self, admission: Admission, rules: Rules) -> None:
        self._asked = admission
        self._rules = rules

    def asked(self) -> engine.Command:
        """For the kernel."""
        plain = _admission(self._asked, self._rules, take_slot=False)
        return engine.Command({"Validate": plain}, self._rules.kernel)

    def outcome(self, answer: Answer) -> Validation:
        """The judgement, entered as `validate_only`."""
        return answers.validation(answer)


class Consume:
    """Checks again what may have changed since the approval, and uses it once."""

    def __init__(self, resumption: Resumption, rules: Rules, *, take_slot: bool) -> None:
        self._asked = resumption
        self._rules = rules
        self._take_slot = take_slot

    def asked(self) -> engine.Command:
        """For the kernel."""
        asked, query = self._asked, self._asked.query
        # Asked anew, with the roles of then: an approval lifts only the types that it covers, and a
        # restart may have brought other policies.
        verdict = self._rules.policies.evaluate(subject.facts_of(asked))
        plain = {
            "identity_id": query.identity_id,
            "request_id": query.request_id,
            "checkpoint_id": query.checkpoint_id,
            "caller": asking.caller(asked.caller),
            "asked": subject.asked(asked.request, asked.analysis, asked.snapshot),
            "plan": subject.plan(asked.encoded),
            "verdict": verdict,
            "deadline_ms": asked.deadline_ms,
            "take_slot": self._take_slot,
        }
        return engine.Command({"Consume": plain}, self._rules.kernel)

    def outcome(self, answer: Answer) -> Admitted | Closed | NotResumable | Wait:
        """One of the four; `Closed` where a check made again says no."""
        return cast(
            "Admitted | Closed | NotResumable | Wait",
            answers.of_query(answer, self._asked.encoded.route.chain),
        )


def _admission(asked: Admission, rules: Rules, *, take_slot: bool) -> Plain:
    verdict = rules.policies.evaluate(subject.facts_of(asked))
    return {
        "caller": asking.caller(asked.caller),
        "asked": subject.asked(asked.request, asked.analysis, asked.snapshot),
        "content_digest": asked.content_digest,
        "content": asked.content,
        "plan": subject.plan(asked.encoded),
        "verdict": verdict,
        "deadline_ms": asked.deadline_ms,
        "lanes": asked.lanes,
        "lane_started_ns": asked.lane_started_ns,
        # Whether it is needed is decided on rows; only a policy makes it so.
        "checkpoint_id": rules.make_id() if verdict.checkpoints else "",
        "take_slot": take_slot,
    }
