"""A fake LLM upstream: one real HTTP server that plays every provider on both wires."""

from chenu_server.upstream.behaviour import Behaviour
from chenu_server.upstream.record import Arrival, Bill, BillLine
from chenu_server.upstream.server import FakeUpstream

__all__ = ["Arrival", "Behaviour", "Bill", "BillLine", "FakeUpstream"]
