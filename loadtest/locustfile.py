"""Load with Locust, against any CHE·NU server.

    locust -f loadtest/locustfile.py --host 127.0.0.1:50051 --tokens tokens.json

`tokens.json` is a list of `{"member": TOKEN, "approver": TOKEN}`, one for each identity; the second
is a person's. `python -m loadtest.run` does it all: server, fake provider, load, checks.
"""

import gevent  # type: ignore[import-untyped]  # its stubs are a package of their own
import grpc.experimental.gevent as grpc_gevent

# Before any channel: without it one call would block every user of the process.
grpc_gevent.init_gevent()
# Every call under way keeps one thread of this pool, which has 10: the 11th user would wait for
# the other ten, and the figures would be Locust's own.
gevent.get_hub().threadpool.maxsize = 1_000

from typing import Any  # noqa: E402 - what follows may open channels

from locust import events  # noqa: E402 - likewise

from loadtest.users import ApproveUser, QueryUser, StreamUser  # noqa: E402 - likewise

__all__ = ["ApproveUser", "QueryUser", "StreamUser"]


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # no types
def add_options(parser: Any) -> None:
    """The one option that is ours."""
    parser.add_argument("--tokens", required=True, help="file with each identity's tokens")
