"""A fake LLM upstream: one real HTTP server that plays every provider on both wires."""

from loadtest.upstream.behaviour import Behaviour
from loadtest.upstream.record import Arrival, Bill, BillLine
from loadtest.upstream.server import FakeUpstream

__all__ = ["Arrival", "Behaviour", "Bill", "BillLine", "FakeUpstream"]
