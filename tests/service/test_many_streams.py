"""Two hundred streams at once: nothing is lost or doubled, and nothing of them stays behind."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.run import QueryRun
from chenu_server.providers.call import Call
from tests.harness import Client, only, staged

STREAMS = 200
MODEL = ("groq", "openai/gpt-oss-120b")
PROMPT = "Tell stream {number} from all others, é🎈. " * 4


async def told(client: Client, number: int) -> str:
    """What one stream said; each delta begins where the last one ended."""
    query = pb.QueryRequest(text=PROMPT.format(number=number), routing=only(*MODEL))
    events, failure = await client.events(client.pipeline.Run, pb.RunRequest(query=query))
    assert failure is None
    deltas = [event.llm_call_delta for event in events if event.HasField("llm_call_delta")]
    said = b""
    for delta in deltas:
        assert len(said) == delta.offset
        said += delta.text.encode()
    return said.decode()


def left_behind() -> int:
    """How much of any query is still held."""
    gc.collect()
    return sum(isinstance(each, QueryLog | QueryRun | Call) for each in gc.get_objects())


async def test_two_hundred_streams_say_each_its_own(sqlite_url: str, tmp_path: Path) -> None:
    """By content: a delta that reached another stream, or twice, would be somebody else's words."""
    async with staged(sqlite_url, tmp_path, {"limits.provider_limit": 10_000}) as stage:
        await stage.budget()
        stage.upstream.behave(deltas=50)
        client = stage.client()
        before = left_behind()

        streams = await asyncio.gather(*(told(client, number) for number in range(STREAMS)))

        expected = [f"{MODEL[1]} heard: {PROMPT.format(number=each)}" for each in range(STREAMS)]
        assert expected == streams
        assert STREAMS == stage.upstream.arrivals_total
        assert before == left_behind()
