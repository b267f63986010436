"""The features' tables: budgets, slots, checkpoints, queries and violations.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    _create_budgets()
    _create_reservations()
    _create_slots()
    _create_checkpoints()
    _create_queries()
    _create_runs()
    _create_logs()
    _create_violations()


def downgrade() -> None:
    """Drop every table."""
    for table in (
        "violations",
        "output_chunks",
        "query_events",
        "attempts",
        "query_contents",
        "queries",
        "checkpoints",
        "provider_slots",
        "reservations",
        "budget_periods",
        "budgets",
    ):
        op.drop_table(table)


def _create_budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("budget_id", sa.Text, nullable=False),
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("scope_value", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("limit_nanousd", sa.BigInteger, nullable=False),
        sa.Column("granted_nanousd", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "limit_nanousd >= 0 AND granted_nanousd >= 0", name="ck_budgets_amounts"
        ),
        sa.PrimaryKeyConstraint("budget_id", name="pk_budgets"),
    )
    op.create_index("ix_budgets_listed", "budgets", ["identity_id", "created_us", "budget_id"])
    op.create_index(
        "uq_budgets_open",
        "budgets",
        ["identity_id", "scope", "scope_value", "period"],
        unique=True,
        sqlite_where=sa.text("NOT deleted"),
        postgresql_where=sa.text("NOT deleted"),
    )
    op.create_table(
        "budget_periods",
        sa.Column("budget_id", sa.Text, nullable=False),
        sa.Column("period_start_us", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("posted_nanousd", sa.BigInteger, nullable=False),
        sa.Column("reserved_nanousd", sa.BigInteger, nullable=False),
        sa.Column("overrun_nanousd", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "posted_nanousd >= 0 AND reserved_nanousd >= 0 AND overrun_nanousd >= 0",
            name="ck_budget_periods_amounts",
        ),
        sa.PrimaryKeyConstraint("budget_id", "period_start_us", name="pk_budget_periods"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_budget_periods_current", "budget_periods", ["identity_id", "period_start_us"]
    )


def _create_reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("amount_nanousd", sa.BigInteger, nullable=False),
        sa.Column("posted_nanousd", sa.BigInteger, nullable=False),
        sa.Column("overrun_nanousd", sa.BigInteger, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("legs", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "amount_nanousd >= 0 AND posted_nanousd >= 0 AND overrun_nanousd >= 0",
            name="ck_reservations_amounts",
        ),
        sa.CheckConstraint("state = 'held' OR amount_nanousd = 0", name="ck_reservations_released"),
        sa.PrimaryKeyConstraint("identity_id", "request_id", name="pk_reservations"),
    )


def _create_slots() -> None:
    op.create_table(
        "provider_slots",
        sa.Column("ledger_number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("slot", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("free_at_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint("slot >= 0", name="ck_provider_slots_slot"),
        sa.PrimaryKeyConstraint("ledger_number", "provider", "slot", name="pk_provider_slots"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_provider_slots_oldest",
        "provider_slots",
        ["ledger_number", "provider", "free_at_us", "slot"],
    )


def _create_checkpoints() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("checkpoint_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("types", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("action_digest", sa.LargeBinary, nullable=False),
        sa.Column("question_en", sa.Text, nullable=False),
        sa.Column("question_fr", sa.Text, nullable=False),
        sa.Column("preview", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("max_cost_nanousd", sa.BigInteger, nullable=False),
        sa.Column("requested_by_type", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("acting_for", sa.Text, nullable=False),
        sa.Column("lifetime_us", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("use_before_us", sa.BigInteger, nullable=False),
        sa.Column("resolved_us", sa.BigInteger, nullable=False),
        sa.Column("resolved_by", sa.Text, nullable=False),
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("consumed_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint("max_cost_nanousd >= 0", name="ck_checkpoints_cost"),
        sa.CheckConstraint("expires_us >= created_us", name="ck_checkpoints_expiry"),
        sa.CheckConstraint("length(action_digest) = 32", name="ck_checkpoints_digest"),
        sa.PrimaryKeyConstraint("identity_id", "checkpoint_id", name="pk_checkpoints"),
    )
    op.create_index("ix_checkpoints_expiry", "checkpoints", ["state", "expires_us"])
    op.create_index("ix_checkpoints_listed", "checkpoints", ["identity_id", "state", "created_us"])
    op.create_index("ix_checkpoints_use", "checkpoints", ["state", "use_before_us"])


def _create_queries() -> None:
    op.create_table(
        "queries",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("principal_type", sa.Text, nullable=False),
        sa.Column("principal_id", sa.Text, nullable=False),
        sa.Column("acting_for", sa.Text, nullable=False),
        sa.Column("content_digest", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("deadline_ms", sa.BigInteger, nullable=False),
        sa.Column("resume_on_approval", sa.Boolean, nullable=False),
        sa.Column("sphere", sa.Text, nullable=False),
        sa.Column("intents", sa.Text, nullable=False),
        sa.Column("action_digest", sa.LargeBinary, nullable=False),
        sa.Column("context_hash", sa.LargeBinary, nullable=False),
        sa.Column("checkpoint_id", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("stop_reason", sa.Text, nullable=False),
        sa.Column("output_cap", sa.BigInteger, nullable=False),
        sa.Column("usage", sa.Text, nullable=False),
        sa.Column("cost_nanousd", sa.BigInteger, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lanes", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("event_count", sa.BigInteger, nullable=False),
        sa.Column("output_length", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint("length(content_digest) = 32", name="ck_queries_digest"),
        sa.CheckConstraint("cost_nanousd >= 0", name="ck_queries_cost"),
        sa.CheckConstraint("event_count >= 0 AND output_length >= 0", name="ck_queries_sizes"),
        sa.PrimaryKeyConstraint("identity_id", "request_id", name="pk_queries"),
    )
    op.create_index("ix_queries_created", "queries", ["created_us"])
    op.create_index("ix_queries_listed", "queries", ["identity_id", "created_us", "request_id"])
    unfinished = sa.text("status IN ('running', 'approved')")
    op.create_index(
        "ix_queries_unfinished",
        "queries",
        ["status", "owner_id"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )


def _create_runs() -> None:
    op.create_table(
        "query_contents",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("identity_id", "request_id", name="pk_query_contents"),
    )
    op.create_table(
        "attempts",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("bound_nanousd", sa.BigInteger, nullable=False),
        sa.Column("cost_nanousd", sa.BigInteger, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("rates_source", sa.Text, nullable=False),
        sa.Column("usage", sa.Text, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("admitted_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint("attempt >= 1", name="ck_attempts_attempt"),
        sa.CheckConstraint("bound_nanousd >= 0 AND cost_nanousd >= 0", name="ck_attempts_amounts"),
        sa.PrimaryKeyConstraint("identity_id", "request_id", "attempt", name="pk_attempts"),
    )


def _create_logs() -> None:
    op.create_table(
        "query_events",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("first_sequence", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.CheckConstraint("first_sequence >= 1", name="ck_query_events_sequence"),
        sa.PrimaryKeyConstraint(
            "identity_id", "request_id", "first_sequence", name="pk_query_events"
        ),
    )
    op.create_table(
        "output_chunks",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.CheckConstraint('"offset" >= 0', name="ck_output_chunks_offset"),
        sa.PrimaryKeyConstraint(
            "identity_id", "request_id", "attempt", "offset", name="pk_output_chunks"
        ),
    )


def _create_violations() -> None:
    op.create_table(
        "violations",
        sa.Column("violation_id", sa.Text, nullable=False),
        sa.Column("ledger_number", sa.Integer, nullable=False),
        sa.Column("source_identity", sa.Text, nullable=False),
        sa.Column("principal_type", sa.Text, nullable=False),
        sa.Column("principal_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("target_kind", sa.Text, nullable=False),
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("peer", sa.Text, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("violation_id", name="pk_violations"),
    )
    op.create_index(
        "ix_violations_of_identity", "violations", ["source_identity", "time_us", "violation_id"]
    )
    op.create_index("ix_violations_by_time", "violations", ["time_us", "violation_id"])
