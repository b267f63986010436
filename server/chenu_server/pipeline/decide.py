"""What a query's rows say to who asks: its output, its requester, its outcome as an error. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from chenu_server import errors
from chenu_server.caller import Caller, Principal
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.model import Outcome
from chenu_server.pipeline.output import part_from
from chenu_server.pipeline.records import Operation, OutputChunk
from chenu_server.vocabulary import EventKind, PrincipalType, Role

_TYPES = frozenset(PrincipalType)


def parts_of(chunks: Iterable[OutputChunk]) -> tuple[Part, ...]:
    """The output of stored rows, which are in order."""
    parts = (list(rows) for _, rows in groupby(chunks, lambda row: (row.attempt, row.part)))
    return tuple(
        part_from(rows[0].heading, rows[0].proof, (row.text for row in rows)) for rows in parts
    )


def requester_of(query: Operation, roles: frozenset[Role]) -> Caller:
    """Who asked, with the roles held then, as policies see it when the query is resumed.

    A row from before parties had types names bare ids in `acting_for`. They are read as a token's
    are, so that no policy is passed over; an approval, bound to the bare ones, then ends unused.
    """
    return Caller(
        principal=query.principal,
        identity_id=query.identity_id,
        roles=roles,
        acting_for=tuple(map(_spelt, query.acting_for)),
    )


def _spelt(party: str) -> str:
    kind, _, name = party.partition(":")
    return party if name and kind in _TYPES else str(Principal(type=PrincipalType.USER, id=party))


# --- errors as stored outcomes ----------------------------------------------------------------


def outcome_of(error: errors.ChenuError) -> Outcome:
    """A refusal or failure as it is stored; `error_of` gives it back."""
    return Outcome(reason=error.reason, message=str(error), error=error.stored())


def error_of(outcome: Outcome) -> errors.ChenuError:
    """The very error that an outcome was made of. It has a reason."""
    assert outcome.reason is not None
    return errors.of(outcome.reason).restored(outcome.error)


def reason_name(outcome: Outcome) -> str:
    """The wire's reason of a stored outcome, empty for a completed query."""
    return outcome.reason.value if outcome.reason else ""


def queued_event(provider: str, place: int, retry_after_us: int, now_us: int) -> Event:
    """The live-only notice that a call waits for a slot."""
    body = {"provider": provider, "place": place, "retry_after_us": retry_after_us}
    return Event(sequence=0, kind=EventKind.RATE_LIMIT_QUEUED, time_us=now_us, body=body)
