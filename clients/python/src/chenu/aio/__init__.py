"""The asynchronous client: `Client`, and `Log`, a query's events as an asynchronous iterator."""

from chenu.aio.client import Client
from chenu.aio.stream import Log

__all__ = ["Client", "Log"]
