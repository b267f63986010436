"""Lane A: what the query asks for."""

from __future__ import annotations

from chenu_server.engine import analyze
from chenu_server.pipeline import drafts
from chenu_server.pipeline.lanes.steps import Proceed
from chenu_server.pipeline.model import Analysis, Intent, Lane, LaneStatus
from chenu_server.pipeline.state import QueryState, Run

_ORDER = tuple(Intent)


class IntentLane:
    """Adds the intents that the text shows to the declared ones; never removes one."""

    async def run(self, query: QueryState, run: Run) -> Proceed:
        """Fill `query.analysis`."""
        query.lanes.start(Lane.INTENT)
        query.analysis = analysis_of(query.request.text, query.request.intents)
        summary = ",".join(query.analysis.intents)
        query.lanes.finish(Lane.INTENT, LaneStatus.COMPLETED, summary)
        request = query.request
        start = drafts.pipeline_start(
            request.sphere.value, query.analysis.intents, request.agent_role
        )
        query.lanes.drafts.insert(0, start)  # it tells the intents, which only now are known
        return Proceed()


def analysis_of(text: str, declared: tuple[Intent, ...]) -> Analysis:
    """Declared and detected intents together; `query` alone when neither says anything."""
    found = analyze(text)
    detected = {Intent(name) for name in found.intents}
    nothing_found = detected == {Intent.QUERY} and declared
    together = set(declared) if nothing_found else detected | set(declared)
    return Analysis(
        intents=tuple(intent for intent in _ORDER if intent in together),
        confidence=found.confidence,
        entities=tuple((kind, value) for kind, value in found.entities),
        keywords=tuple(found.keywords),
        sensitivity=found.sensitivity,
    )
