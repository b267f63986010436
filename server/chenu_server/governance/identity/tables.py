"""Violations in SQL."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from chenu_server.governance.identity.model import Violation
from chenu_server.infra.db.columns import EnumText
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.tablemap import TableMap
from chenu_server.vocabulary import PrincipalType, ViolationType

VIOLATIONS: Final = sa.Table(
    "violations",
    METADATA,
    sa.Column("violation_id", sa.Text, primary_key=True),
    sa.Column("ledger_number", sa.Integer, nullable=False),
    sa.Column("source_identity", sa.Text, nullable=False),
    sa.Column("principal_type", EnumText(PrincipalType), nullable=False),
    sa.Column("principal_id", sa.Text, nullable=False),
    sa.Column("type", EnumText(ViolationType), nullable=False),
    sa.Column("target_kind", sa.Text, nullable=False),
    sa.Column("target_id", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("peer", sa.Text, nullable=False),
    sa.Column("time_us", sa.BigInteger, nullable=False),
    sa.Index("ix_violations_of_identity", "source_identity", "time_us", "violation_id"),
    sa.Index("ix_violations_by_time", "time_us", "violation_id"),
)

VIOLATIONS_MAP: Final = TableMap(Violation, VIOLATIONS, append_only=True)

MAPS: Final = (VIOLATIONS_MAP,)
