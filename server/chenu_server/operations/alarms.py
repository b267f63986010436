"""What an operator is told of a decision once it is committed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from chenu_server.command import EntryDraft
from chenu_server.governance.budgets.overruns import FROZEN, OVERRUN

_log = structlog.get_logger(__name__)

_TOLD: Final = frozenset({FROZEN, OVERRUN})


def tell_overruns(entries: Iterable[EntryDraft]) -> None:
    """Warn of every overrun that was entered, with all that its entry says."""
    for entry in entries:
        if entry.decision == "admin" and entry.reason in _TOLD:
            _log.warning(
                entry.reason.lower(),
                identity_id=entry.identity_id,
                budget_id=entry.resource_id,
                details=entry.payload,
            )
