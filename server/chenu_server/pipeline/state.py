"""What one run carries from lane to lane. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from chenu_server.caller import Caller
from chenu_server.engine import CanonicalRequest
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.model import Analysis, Encoded, LaneReport, QueryRequest, Snapshot
from chenu_server.pipeline.output import Output
from chenu_server.pipeline.ports import Admitted, AttemptEnd, Blocked
from chenu_server.pipeline.records import Operation
from chenu_server.pipeline.stop import Stop
from chenu_server.values import dataclass, field
from chenu_server.vocabulary import Lane, LaneStatus


@dataclass(slots=True)
class Lanes:
    """The reports of the lanes so far, timed on the monotonic clock."""

    reports: list[LaneReport] = field(default_factory=list)
    started_ns: int = 0

    def start(self, lane: Lane) -> None:
        """A lane begins."""
        self.started_ns = time.monotonic_ns()

    def finish(self, lane: Lane, status: LaneStatus, summary: str = "") -> None:
        """The lane that began last has ended."""
        duration_us = (time.monotonic_ns() - self.started_ns) // 1_000
        report = LaneReport(lane=lane, status=status, duration_us=duration_us, summary=summary)
        self.reports.append(report)


@dataclass(slots=True)
class QueryState:
    """A query on its way through lanes A to D. Each lane fills what it is named for."""

    caller: Caller
    request: QueryRequest
    read: CanonicalRequest
    content_digest: bytes
    deadline_ms: int
    arrival: int = 0
    record: Operation | None = None
    lanes: Lanes = field(default_factory=Lanes)
    analysis: Analysis | None = None
    snapshot: Snapshot | None = None
    encoded: Encoded | None = None
    admitted: Admitted | None = None
    blocked: Blocked | None = None
    ended: AttemptEnd | None = None
    output: Output = field(default_factory=Output)
    execution_started_ns: int = 0
    schemas: Mapping[str, str] = field(default_factory=dict)
    """The operator's, by tool, that the last attempt's calls were held to."""


class Run(Protocol):
    """What a lane sees of the run that walks it."""

    @property
    def deadline(self) -> float:
        """When the query must have ended, on `time.monotonic`."""
        ...

    @property
    def stop(self) -> Stop:
        """What ends the run before its time."""
        ...

    @property
    def log(self) -> QueryLog:
        """Where output goes as it comes."""
        ...

    def told_to_wait(self, provider: str) -> Callable[[int, int], None]:
        """Shows that the query waits for a slot: its place, and for how many microseconds."""
        ...
