"""The stores of used releases, over each database as its own driver opens it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import partial

import psycopg
import sqlalchemy as sa

from chenu.release import SqlReleaseStore
from chenu.release.sql_store import Connection


def sql_store(url: str, clock: Callable[[], float] = time.time) -> SqlReleaseStore:
    """A store in the database of an SQLAlchemy URL."""
    module = sqlite3 if url.startswith("sqlite") else psycopg
    return SqlReleaseStore(connecting(url), paramstyle=module.paramstyle, clock=clock)


def connecting(url: str) -> Callable[[], Connection]:
    """What opens a connection to the database of an SQLAlchemy URL."""
    made = sa.make_url(url)
    if made.drivername == "sqlite":
        return partial(sqlite3.connect, str(made.database), timeout=30)
    plain = made.set(drivername="postgresql").render_as_string(hide_password=False)
    return partial(psycopg.connect, plain)


def call_id(number: int) -> str:
    """A call's UUID."""
    return f"0199c4a2-7a51-7000-8000-{number:012x}"
