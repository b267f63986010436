"""Lane C: the provider-neutral request, its route, and the digest an approval binds to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from chenu_server.caller import Caller
from chenu_server.engine import CanonicalRequest, Prompt
from chenu_server.errors import InvalidField, NotFound
from chenu_server.pipeline.conversation import ChatMessage, Conversation
from chenu_server.pipeline.lanes.steps import Proceed
from chenu_server.pipeline.model import Analysis, Encoded, QueryRequest, Route, Snapshot
from chenu_server.pipeline.ports import Router
from chenu_server.pipeline.prompt import said_of
from chenu_server.pipeline.routing import MEDIA_TOO_LARGE
from chenu_server.pipeline.state import QueryState, Run
from chenu_server.vocabulary import Lane, LaneStatus


class EncodingLane:
    """Builds what is sent, decides where it could go and what that costs at most."""

    def __init__(self, router: Router, *, default_cap: int, least_cap: int) -> None:
        self._router = router
        self._default_cap = default_cap
        self._least_cap = least_cap

    async def run(self, query: QueryState, run: Run) -> Proceed:
        """
        Fill `query.encoded`.

        Raises:
            NotFound: The preferred provider or model is not in the catalogue.
            InvalidField: No model takes files as large, or as many.
        """
        query.lanes.start(Lane.C_ENCODING)
        assert query.analysis is not None and query.snapshot is not None  # lanes A and B ran
        query.encoded = self.encode(
            query.caller,
            query.request,
            query.read,
            analysis=query.analysis,
            snapshot=query.snapshot,
        )
        chain = ">".join(f"{each.provider}/{each.model}" for each in query.encoded.route.chain[:3])
        query.lanes.finish(Lane.C_ENCODING, LaneStatus.COMPLETED, chain or "no route")
        return Proceed()

    def encode(
        self,
        caller: Caller,
        request: QueryRequest,
        read: CanonicalRequest,
        *,
        analysis: Analysis,
        snapshot: Snapshot,
        approved_max_nanousd: int = 0,
    ) -> Encoded:
        """
        Lane C for a request; `approved_max_nanousd` holds a resumed one to its approval.

        Raises:
            NotFound: The preferred provider or model is not in the catalogue. A resumed request,
                which was asked with it, has no route.
            InvalidField: No model takes files as large, or as many.
        """
        said = said_of(request)
        prompt = engine_prompt(request.conversation, said.all_messages)
        ceiling = request.max_cost_nanousd
        wanted = request.max_output_tokens or self._default_cap
        route = self._route_within(request, prompt, wanted, approved_max_nanousd)
        # Part of the digest: who approves does so for at most this much, and a dearer route that is
        # found later is not covered.
        max_cost = approved_max_nanousd or ceiling or route.dearest_bound_nanousd
        digest = read.action_digest(
            identity_id=caller.identity_id,
            principal=(caller.principal.type, caller.principal.id),
            acting_for=caller.acting_for,
            intents=analysis.intents,
            system=said.system,
            # It has read the conversation already, which nearly every query says as it is.
            messages=None if said.messages is request.conversation.messages else said.messages,
            output_cap=wanted,
            context=snapshot.content_hash,
            max_cost_nanousd=max_cost,
        )
        return Encoded(
            prompt=prompt,
            output_cap=wanted,
            cap_is_default=request.max_output_tokens == 0,
            max_cost_nanousd=max_cost,
            action_digest=digest,
            route=route,
        )

    def _route_within(
        self, request: QueryRequest, prompt: Prompt, wanted: int, approved_max_nanousd: int
    ) -> Route:
        """The route within the ceiling; of a resumed request, within what was approved."""
        ceiling = approved_max_nanousd or request.max_cost_nanousd
        try:
            route = self._route(request, prompt, wanted, ceiling, explained=request.validate_only)
        except NotFound:
            if not approved_max_nanousd:
                raise
            return _NOWHERE  # what it names has gone since; it ends, and holds its money no longer
        # A resumed one has to end by its command: refused here, its money would stay held until the
        # approval lapses.
        if not approved_max_nanousd:
            _refuse_too_large_files(route)
        return route

    def explain(self, request: QueryRequest) -> Route:
        """The route that a request would take; nothing is called or written."""
        wanted = request.max_output_tokens or self._default_cap
        ceiling = request.max_cost_nanousd
        prompt = engine_prompt(request.conversation, said_of(request).all_messages)
        return self._route(request, prompt, wanted, ceiling, explained=True)

    def _route(
        self,
        request: QueryRequest,
        prompt: Prompt,
        wanted: int,
        ceiling: int,
        *,
        explained: bool,
    ) -> Route:
        route_at = partial(
            self._router.route, request, prompt, ceiling=ceiling, explained=explained
        )
        route = route_at(output_cap=wanted)
        # Only a cap that nobody chose may be lowered: who asked for so much is told that it does
        # not fit, and not given half an answer.
        if route.chain or request.max_output_tokens or not ceiling:
            return route
        return route_at(output_cap=self._least_cap)


_NOWHERE: Final = Route(
    chain=(), candidates=(), exclusions=(), dearest_bound_nanousd=0, price_unknown=False
)


def _refuse_too_large_files(route: Route) -> None:
    """The caller can mend that, as it can any field, where nothing else would do."""
    if not route.chain and any(each.reason == MEDIA_TOO_LARGE for each in route.exclusions):
        text = "no model that could answer takes files so large, or so many"
        raise InvalidField("messages.parts", text)


def engine_prompt(conversation: Conversation, messages: Sequence[ChatMessage]) -> Prompt:
    """What the engine measures and encodes, for any model: made once a query."""
    use, wanted = conversation.tool_use, conversation.response_format
    return Prompt(
        messages,
        tools=conversation.tools,
        tool_choice=use.choice,
        tool_choice_name=use.tool,
        parallel_calls=use.parallel,
        format=wanted.kind,
        schema_name=wanted.name,
        schema=wanted.schema,
        sampling=conversation.sampling,
        effort=conversation.thinking.effort,
        budget_tokens=conversation.thinking.budget_tokens,
    )
