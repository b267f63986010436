"""A streamed answer: its seven lanes, and when its words came."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from chenu.api.pipeline.v1 import message_pb2, pipeline_service_pb2
from chenu.names import name_of
from loadtest.demo.proof import ms, prove, same, usd
from loadtest.demo.stage import Stage

PIECES = 12
PACE_MS = 40


@dataclass
class _Heard:
    """What a stream brought, and when, in seconds since it was asked."""

    pieces_s: list[float] = field(default_factory=list)
    total_s: float = 0.0
    text: str = ""
    query: message_pb2.Query = field(default_factory=message_pb2.Query)


async def streamed(stage: Stage) -> list[str]:
    """Nova answers word by word, and every lane says how it went."""
    stage.upstream.behave("anthropic", deltas=PIECES, pace_ms=PACE_MS)
    heard = await _listen(stage)
    names = (name_of(message_pb2.Lane, report.lane) for report in heard.query.lanes)
    lanes = [name.removeprefix("lane_") for name in names]
    statuses = [name_of(message_pb2.LaneStatus, each.status) for each in heard.query.lanes]
    same("abcdefg", "".join(name[0] for name in lanes), "the lanes, in order")
    same(["completed"] * 4 + ["skipped"] + ["completed"] * 2, statuses, "how the lanes went")
    same("anthropic", heard.query.route.provider, "who speaks for Nova")
    same(heard.query.output_length, len(heard.text.encode()), "bytes of the stored answer")
    prove(len(heard.pieces_s) > 2, "the answer came in pieces")
    prove(heard.pieces_s[0] < heard.total_s / 2, "the first words came long before the last")
    times = (report.duration.ToTimedelta() for report in heard.query.lanes)
    return [
        " · ".join(
            f"{name[:1].upper()} {name.partition('_')[2]} {ms(took)}"
            for name, took in zip(lanes, times, strict=True)
        ),
        f"first words after {ms(heard.pieces_s[0])}, {len(heard.pieces_s)} pieces in"
        f" {ms(heard.total_s)}; {heard.query.route.model}, {usd(heard.query.cost_nanousd)}",
    ]


async def _listen(stage: Stage) -> _Heard:
    heard, started = _Heard(), time.monotonic()
    request = pipeline_service_pb2.QueryRequest(
        text="What changed in the open orders since Monday?", agent_role="nova"
    )
    async with stage["orders"].pipeline.run(request, timeout_s=20) as log:
        async for event in log:
            if event.WhichOneof("body") == "llm_call_delta":
                heard.pieces_s.append(time.monotonic() - started)
            elif event.WhichOneof("body") == "pipeline_complete":
                heard.query.CopyFrom(event.pipeline_complete.query)
        heard.text = log.text
    heard.total_s = time.monotonic() - started
    return heard
