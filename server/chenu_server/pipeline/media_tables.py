"""Images and documents in SQL."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.tablemap import TableMap
from chenu_server.pipeline.media_records import FileChunk, HeldFile, StoredFile, UsedFile

STORED_FILES: Final = sa.Table(
    "stored_files",
    METADATA,
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.CheckConstraint("length(sha256) = 32", "ck_stored_files_sha256"),
    sa.CheckConstraint("size > 0", "ck_stored_files_size"),
)

FILE_CHUNKS: Final = sa.Table(
    "file_chunks",
    METADATA,
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.CheckConstraint('"offset" >= 0', "ck_file_chunks_offset"),
)

HELD_FILES: Final = sa.Table(
    "held_files",
    METADATA,
    sa.Column("hold_id", sa.Text, primary_key=True),
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("identity_id", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Text, nullable=False),
    # The sweep asks for each file that it lets go of.
    sa.Index("ix_held_files_file", "identity_id", "sha256"),
)

USED_FILES: Final = sa.Table(
    "used_files",
    METADATA,
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("request_id", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)

MAPS: Final = (
    TableMap(StoredFile, STORED_FILES),
    TableMap(FileChunk, FILE_CHUNKS),
    TableMap(HeldFile, HELD_FILES),
    TableMap(UsedFile, USED_FILES),
)
