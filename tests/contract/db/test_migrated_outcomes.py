"""Why queries of before had ended, after the revision that keeps reasons by number."""

from __future__ import annotations

import json

import sqlalchemy as sa

from chenu_server.infra.db import migrate
from chenu_server.infra.db.engine import writer_engine
from chenu_server.pipeline.model import Outcome
from chenu_server.pipeline.tables import QUERIES
from chenu_server.reasons import Reason
from tests.contract.db.test_migrated_answers import QUERY, put

# How the release before spelt what it stored, and what that is.
BEFORE = {
    "completed": ("", None),
    "denied": ("PolicyDenied", Reason.POLICY_DENIED),
    "bug": ("InternalError", Reason.INTERNAL),
    "foreign": ("BoundaryViolation", Reason.IDENTITY_BOUNDARY_VIOLATION),
    "cut": ("StreamTruncated", Reason.STREAM_TRUNCATED),
    "gone": ("ExecutionInterrupted", Reason.EXECUTION_INTERRUPTED),
}
ERROR = [["policies", "PolicyDenied\x1f[6,"], ["outcome_unknown", "True"]]


def stored(url: str) -> dict[str, str]:
    """The columns as they stand."""
    with writer_engine(url).begin() as connection:
        rows = connection.execute(sa.text("SELECT request_id, outcome FROM queries"))
        return {row.request_id: row.outcome for row in rows}


def test_an_outcome_of_before_is_the_same_by_its_number(blank_url: str) -> None:
    """Its text and its fields stay what they were, whatever they look like; and back again."""
    migrate.upgrade(blank_url, "0009")
    with writer_engine(blank_url).begin() as connection:
        for request_id, (name, _) in BEFORE.items():
            outcome = json.dumps([name, f'["{name}",', ERROR], separators=(",", ":"))
            put(connection, "queries", QUERY, request_id=request_id, outcome=outcome)
    before = stored(blank_url)
    migrate.upgrade(blank_url, "0010")
    with writer_engine(blank_url).begin() as connection:
        found = connection.execute(sa.select(QUERIES.c.request_id, QUERIES.c.outcome))
        read = {row.request_id: row.outcome for row in found}
    migrate.downgrade(blank_url, "0009")

    error = (("policies", "PolicyDenied\x1f[6,"), ("outcome_unknown", "True"))
    assert read == {
        request_id: Outcome(reason=reason, message=f'["{name}",', error=error)
        for request_id, (name, reason) in BEFORE.items()
    }
    assert before == stored(blank_url)
