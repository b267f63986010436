"""Another identity sees nothing, and learns nothing from the refusal."""

from __future__ import annotations

import uuid

from chenu import errors
from loadtest.demo.proof import refused, same
from loadtest.demo.stage import Stage, ask


async def kept_apart(stage: Stage) -> list[str]:
    """Reading another identity's query is refused exactly like reading one that never was."""
    response = await stage["orders"].pipeline.query(ask("Sum up the orders of today"), timeout_s=10)
    real, missing = response.query.request_id, str(uuid.uuid4())
    answers = [
        await refused(errors.BoundaryViolation, stage["gil"].pipeline.get(name))
        for name in (real, missing)
    ]
    said = [_but_for(error.violation_id, error) for error in answers]
    same(said[1], said[0], "the two refusals")
    listed = [each async for each in stage["gil"].identity.violations()]
    found = [(each.violation_id, each.target_id) for each in listed[:2]]
    expected = [(answers[1].violation_id, missing), (answers[0].violation_id, real)]
    same(expected, found, "the two newest violations in the auditor's list")
    mine = [each async for each in stage["ada"].identity.violations()]
    same([], mine, "violations that the owner of the query is shown")
    return [
        f"gil reads a query of acme -> {answers[0].reason}",
        "gil reads one that never was -> the same status, message and details",
        "both stand in the auditor's list of his own identity, and in no other's",
    ]


def _but_for(violation_id: str, error: errors.ChenuError) -> tuple[object, ...]:
    """All that a refusal says, without the id that it was recorded under."""
    metadata = {key: value.replace(violation_id, "(id)") for key, value in error.metadata.items()}
    message = error.message.replace(violation_id, "(id)")
    return error.code, message, error.reason, metadata, error.retry_after, error.fields
