"""Why a query ended, by the reason's number in the contract instead of a class's name.

Revision: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# As the last release had them: a class that is renamed later must not change what this reads.
_NUMBERS = {
    "": 0,
    "RoleRequired": 4,
    "BoundaryViolation": 5,
    "PolicyDenied": 6,
    "CheckpointRejected": 8,
    "CheckpointExpired": 9,
    "CheckpointCancelled": 10,
    "QueryState": 12,
    "BudgetExhausted": 13,
    "BudgetRequired": 14,
    "PriceUnknown": 15,
    "RateLimited": 19,
    "IdentityBlocked": 20,
    "QueueFull": 21,
    "DeadlineUnreachable": 22,
    "ServerOverloaded": 23,
    "NoRoute": 24,
    "ProviderUnavailable": 25,
    "ProviderRejected": 26,
    "StreamTruncated": 27,
    "ExecutionInterrupted": 28,
    "QueryCancelled": 29,
    "DeadlineExceeded": 30,
    "GovernanceUnavailable": 31,
    "RequestIdConflict": 32,
    "InvalidField": 33,
    "RequestTooLarge": 34,
    "NotFound": 35,
    "InternalError": 37,
    "CheckpointLimit": 38,
    "BudgetFrozen": 39,
    "ToolCallInvalid": 40,
    "OutputInvalid": 41,
}


def upgrade() -> None:
    """Put the number where the name stood, at the beginning of the list."""
    _replace({f'["{name}",': f"[{number}," for name, number in _NUMBERS.items()})


def downgrade() -> None:
    """Put the name back."""
    _replace({f"[{number},": f'["{name}",' for name, number in _NUMBERS.items()})


def _replace(beginnings: dict[str, str]) -> None:
    """In one pass over the rows: each is rewritten once, and none is left half."""
    outcome = sa.column("outcome", sa.Text)
    cases = [
        (
            sa.func.substr(outcome, 1, len(old)) == old,
            sa.literal(new) + sa.func.substr(outcome, len(old) + 1),
        )
        for old, new in beginnings.items()
    ]
    queries = sa.table("queries", outcome)
    op.execute(sa.update(queries).values(outcome=sa.case(*cases, else_=outcome)))
