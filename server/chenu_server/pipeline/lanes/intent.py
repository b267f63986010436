"""Lane A: what the query asks for."""

from __future__ import annotations

from functools import lru_cache

from chenu_server.engine import analyze, sensitivity_of
from chenu_server.pipeline.lanes.steps import Proceed
from chenu_server.pipeline.model import Analysis, QueryRequest
from chenu_server.pipeline.state import QueryState, Run
from chenu_server.vocabulary import Intent, Lane, LaneStatus, Mode

Judged = tuple[tuple[Intent, ...], tuple[Intent, ...], str]


class IntentLane:
    """Finds what the texts ask for; of a command that decides, beside what was declared."""

    async def run(self, query: QueryState, run: Run) -> Proceed:
        """Fill `query.analysis`."""
        query.lanes.start(Lane.A_INTENT)
        query.analysis = analysis_of(query.request)
        summary = ",".join(query.analysis.intents)
        query.lanes.finish(Lane.A_INTENT, LaneStatus.COMPLETED, summary)
        return Proceed()


def analysis_of(request: QueryRequest) -> Analysis:
    """Declared and detected intents; `query` alone when neither says anything."""
    found = analyze(request.conversation.readings)
    intents, detected, sensitivity = _judged(request.mode, request.intents, tuple(found.intents))
    return Analysis(
        intents=intents,
        detected=detected,
        confidence=found.confidence,
        entities=tuple(found.entities),
        keywords=tuple(found.keywords),
        sensitivity=sensitivity,
    )


# Callers repeat themselves: of all that they can declare and say, a few hundred are ever seen.
@lru_cache(maxsize=1_024)
def _judged(mode: Mode, declared: tuple[Intent, ...], found: tuple[str, ...]) -> Judged:
    """The intents that decide, those that the texts show, and how sensitive the first are."""
    detected = frozenset(map(Intent, found))
    intents = _deciding(mode, frozenset(declared), detected)
    return intents, _in_order(detected), sensitivity_of(intents)


def _deciding(
    mode: Mode, declared: frozenset[Intent], detected: frozenset[Intent]
) -> tuple[Intent, ...]:
    """Those that a policy sees as what is asked for."""
    if not declared:
        # Text that is only worked on asks for nothing to be done: a translator must not wait for a
        # person because the text says to delete something.
        return _in_order(detected) if mode is Mode.COMMAND else (Intent.QUERY,)
    # A command that says what it wants, and whose text shows nothing, wants just that.
    if mode is Mode.GENERATION or detected == {Intent.QUERY}:
        return _in_order(declared)
    return _in_order(declared | detected)


def _in_order(intents: frozenset[Intent]) -> tuple[Intent, ...]:
    return tuple(intent for intent in Intent if intent in intents)
