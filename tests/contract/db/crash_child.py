"""A process that changes a budget again and again until a failpoint kills it.

Arguments: the database's URL, and the failpoints. Prints each total that it was answered.
"""

from __future__ import annotations

import asyncio
import sys

import structlog

from chenu_server import failpoints
from chenu_server.infra.db.stores import store_at
from chenu_server.infra.db.writer import SqlWriter
from tests.contract.db.sample import TABLES, Change


async def main(url: str, spec: str) -> None:
    """Change it until killed."""
    # What is printed is read as totals.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    failpoints.arm(spec)
    writer = SqlWriter(store_at(url), TABLES)
    await writer.start()
    for _ in range(100):
        outcome = await writer.submit(Change())
        print(outcome, flush=True)  # noqa: T201 - read by the test


asyncio.run(main(*sys.argv[1:]))
