"""Wire to model, for requests to the pipeline."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from typing import Any, Final

from chenu.api.pipeline.v1 import event_pb2, router_service_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.action import Target
from chenu_server.caller import Principal
from chenu_server.errors import InvalidField
from chenu_server.ids import new_id
from chenu_server.infra.rpc.fields import (
    ID_MAX,
    by_number,
    intents_from,
    labels_from,
    name,
    request_id_from,
    sphere_from,
    target_from,
)
from chenu_server.pipeline.conversation_convert import conversation_from, unknown_word, word_from
from chenu_server.pipeline.model import (
    CONTEXT_ITEMS_MAX,
    NOVA_ROLE,
    ContextItem,
    Cursor,
    QueryRequest,
    Routing,
)
from chenu_server.vocabulary import Mode, PrincipalType, QueryStatus, Sphere

MODEL_MAX: Final = 128
PROVIDERS_MAX: Final = 32
WISHES_MAX: Final = 16
# A billion dollars, as a budget's limit: sums of it stay far inside int64.
COST_MAX: Final = 10**18
OUTPUT_TOKENS_MAX: Final = 1_000_000

_NO_WISHES: Final = Routing()
_NO_TARGET: Final = Target()

STATES: Final = by_number(QueryStatus)
MODES: Final = by_number(Mode)


def request_from(request: pb.QueryRequest, principal: Principal) -> QueryRequest:
    """
    The request of a principal, checked field by field.

    Raises:
        InvalidField: A field's value is not one that this rpc takes; names the field.
    """
    mode, role = _mode(request.mode), role_from(request.agent_role)
    if mode is Mode.GENERATION and (role == NOVA_ROLE or request.target.operation):
        raise InvalidField("mode", "`generation` carries nothing out: no `nova`, no operation")
    return QueryRequest(
        request_id=request_id_from(request.request_id, "request_id") or new_id(),
        conversation=conversation_from(request),
        mode=mode,
        intents=intents_from(request.intents),
        sphere=sphere_from(request.sphere, "sphere") or Sphere.PERSONAL,
        target=target_from(request.target) if request.HasField("target") else _NO_TARGET,
        context_items=_items(request),
        agent_role=role,
        routing=routing_from(request.routing) if request.HasField("routing") else _NO_WISHES,
        max_output_tokens=output_tokens_from(request.max_output_tokens),
        max_cost_nanousd=cost_from(request.max_cost_nanousd),
        detached=request.detached,
        resume_on_approval=request.resume_on_approval,
        validate_only=request.validate_only,
        thread_id=name(request.thread_id, "thread_id", ID_MAX),
        run_id=name(request.run_id, "run_id", ID_MAX),
        labels=labels_from(request.labels),
        agent_id=_agent(request.agent_id, principal),
        department=name(request.department, "department"),
    )


def question_from(request: router_service_pb2.RouteRequest, principal: Principal) -> QueryRequest:
    """
    What a query of these fields would ask, checked as it would be.

    Raises:
        InvalidField: A field's value is not one that a query takes; names the field.
    """
    # Only what was said: an empty message that is given counts as said.
    given: dict[str, Any] = {field.name: value for field, value in request.ListFields()}
    return request_from(pb.QueryRequest(**given), principal)


def output_tokens_from(value: int) -> int:
    """The caller's cap on output; 0 means the default."""
    if not 0 <= value <= OUTPUT_TOKENS_MAX:
        raise InvalidField("max_output_tokens", f"0 to {OUTPUT_TOKENS_MAX:,}")
    return value


def cost_from(value: int) -> int:
    """The caller's cap on cost in nano-USD; 0 means none."""
    if not 0 <= value <= COST_MAX:
        raise InvalidField("max_cost_nanousd", "0 to 10^18")
    return value


def role_from(text: str) -> str:
    """An agent's role, in one spelling: `Nova ` asks for Nova, and is locked as she is."""
    if not text:
        return text
    if text.isascii():
        role = name(text, "agent_role").strip().lower()
    else:  # wide and other forms of a letter are that letter
        role = unicodedata.normalize("NFKC", name(text, "agent_role")).strip().casefold()
    if not role.isprintable():  # nor is a role what looks like another and holds more
        raise InvalidField("agent_role", "holds a character that cannot be seen")
    return role


def routing_from(routing: routing_pb2.RoutingRequest) -> Routing:
    """The routing wishes; unspecified enums are the defaults."""
    return Routing(
        task_type=_wish(routing_pb2.TaskType, routing.task_type, "TASK_TYPE", "chat"),
        priority=_wish(routing_pb2.Priority, routing.priority, "PRIORITY", "normal"),
        strategy=_wish(routing_pb2.Strategy, routing.strategy, "STRATEGY", "balanced"),
        preferred_provider=name(routing.preferred_provider, "routing.preferred_provider"),
        preferred_model=name(routing.preferred_model, "routing.preferred_model", MODEL_MAX),
        required_capabilities=_names(
            routing.required_capabilities, "required_capabilities", WISHES_MAX
        ),
        allowed_providers=_names(routing.allowed_providers, "allowed_providers", PROVIDERS_MAX),
        forbidden_providers=_names(
            routing.forbidden_providers, "forbidden_providers", PROVIDERS_MAX
        ),
        regions=_names(routing.regions, "regions", WISHES_MAX),
    )


def cursor_from(cursor: event_pb2.Cursor) -> Cursor:
    """Where a reader is in the log."""
    place = (cursor.sequence, cursor.attempt, cursor.part, cursor.offset)
    if min(place) < 0:
        raise InvalidField("after", "a cursor's numbers are not negative")
    return Cursor(*place)


def state_from(number: int, field: str) -> QueryStatus:
    """A query's state by its number."""
    if number not in STATES:
        raise InvalidField(field, f"unknown value {number}")
    return STATES[number]


def _agent(text: str, principal: Principal) -> str:
    """Who speaks: an agent for itself alone, another for the one that it names."""
    if principal.type is not PrincipalType.AGENT:
        return name(text, "agent_id", ID_MAX)
    if text not in ("", principal.id):
        raise InvalidField("agent_id", "an agent speaks for itself: leave it out")
    return principal.id


def _mode(number: int) -> Mode:
    mode = MODES.get(number) if number else Mode.COMMAND
    if mode is None:
        raise unknown_word(number, "mode")
    return mode


def _wish(wire: object, number: int, prefix: str, default: str) -> str:
    return word_from(wire, number, prefix, f"routing.{prefix.lower()}", default)


def _names(values: Collection[str], field: str, most: int) -> tuple[str, ...]:
    if not values:
        return ()
    names = tuple(values)
    if len(names) > most:
        raise InvalidField(f"routing.{field}", f"at most {most} values")
    return tuple(name(each, f"routing.{field}") for each in names)


def _kind(text: str, field: str) -> str:
    if not text:
        raise InvalidField(field, "is empty; say what kind of thing it is")
    return name(text, field)


def _items(request: pb.QueryRequest) -> tuple[ContextItem, ...]:
    if len(request.context_items) > CONTEXT_ITEMS_MAX:
        raise InvalidField("context_items", f"at most {CONTEXT_ITEMS_MAX} items")
    return tuple(
        ContextItem(
            kind=_kind(item.kind, "context_items.kind"),
            id=name(item.id, "context_items.id", ID_MAX),
            sphere=sphere_from(item.sphere, "context_items.sphere"),
            content=item.content,
        )
        for item in request.context_items
    )
