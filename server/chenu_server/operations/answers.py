"""What the kernel's answers about queries mean to the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from chenu_server.command import Answer
from chenu_server.governance.checkpoints.decide import pending_error
from chenu_server.governance.checkpoints.model import (
    AllResolved,
    Lapsed,
    Lost,
    NoneResolved,
    OtherAction,
    OwnAction,
    Repeated,
    ResolveAnswer,
    Resolved,
    Unresolved,
)
from chenu_server.pipeline.model import Candidate, LaneReport, Outcome
from chenu_server.pipeline.ports import (
    Admitted,
    Attached,
    Blocked,
    Closed,
    Conflict,
    FilesGone,
    Full,
    Known,
    NotHeld,
    NotResumable,
    TooDear,
    Validation,
    Wait,
)
from chenu_server.reasons import Reason
from chenu_server.values import replace
from chenu_server.vocabulary import Lane, LaneStatus


def admitted(answer: Answer, chain: Sequence[Candidate]) -> Admitted:
    """Yes, along the chain that was asked for, with what each may cost now."""
    query, attempt = answer.rows
    more = answer.more
    bounds = zip(chain, more["bounds_nanousd"], strict=True)
    return Admitted(
        query=query,
        attempt=attempt,
        chain=tuple(
            # Others only where the budgets have lowered the cap.
            each if each.bound_nanousd == bound else replace(each, bound_nanousd=bound)
            for each, bound in bounds
        ),
        output_cap=more["output_cap"],
        moment=answer.moment,
        slot_free_at_us=more["slot_free_at_us"],
    )


def of_query(answer: Answer, chain: Sequence[Candidate]) -> Any:
    """Any of the answers to whether a query may run."""
    if answer.kind == "Admitted":
        return admitted(answer, chain)
    return _OF_QUERY[answer.kind](answer)


def of_checkpoint(answer: Answer) -> ResolveAnswer:
    """What a resolution came to."""
    return cast("ResolveAnswer", _OF_CHECKPOINT[answer.kind](answer.rows[0]))


def of_checkpoints(answer: Answer) -> AllResolved | NoneResolved:
    """What the resolution of several came to."""
    if answer.kind == "NoneResolved":
        because = _OF_CHECKPOINT[answer.more["because"]](answer.rows[0])
        return NoneResolved(cast("Unresolved", because))
    is_new = zip(answer.rows, answer.more["is_new"], strict=True)
    return AllResolved([Resolved(row) if new else Repeated(row) for row, new in is_new])


def validation(answer: Answer) -> Validation:
    """What would be."""
    more = answer.more
    return Validation(
        checkpoint_types=tuple(more["types"]),
        denial=outcome(more["denial"]),
        lanes=tuple(map(_report, more["lanes"])),
    )


def _blocked(answer: Answer) -> Blocked:
    query, checkpoint = answer.rows
    return Blocked(query=query, pending=pending_error(checkpoint))


def outcome(plain: Mapping[str, Any]) -> Outcome:
    """Why something is refused."""
    return Outcome(
        reason=Reason[plain["reason"]] if plain["reason"] else None,
        message=plain["message"],
        error=tuple((name, text) for name, text in plain["error"]),
    )


def _report(plain: Mapping[str, Any]) -> LaneReport:
    return LaneReport(
        lane=Lane(plain["lane"]),
        status=LaneStatus(plain["status"]),
        duration_us=plain["duration_us"],
        summary=plain["summary"],
    )


_OF_QUERY: Final[Mapping[str, Callable[[Answer], Any]]] = {
    "Attached": lambda answer: Attached(query=answer.rows[0]),
    "Blocked": _blocked,
    "Closed": lambda answer: Closed(query=answer.rows[0]),
    "Conflict": lambda _: Conflict(),
    "FilesGone": lambda _: FilesGone(),
    "Full": lambda answer: Full(answer.more["limit"]),
    "Known": lambda answer: Known(query=answer.rows[0]),
    "NotHeld": lambda _: NotHeld(),
    "NotResumable": lambda answer: NotResumable(query=answer.rows[0]),
    "TooDear": lambda _: TooDear(),
    "Wait": lambda answer: Wait(free_times_us=tuple(answer.more["free_times_us"])),
}
_OF_CHECKPOINT: Final = {
    "Lapsed": Lapsed,
    "Lost": Lost,
    "OtherAction": OtherAction,
    "OwnAction": OwnAction,
    "Repeated": Repeated,
    "Resolved": Resolved,
}
