"""Calls that a model proposed: judged for the command that settles them, taken, redeemed."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Protocol

import structlog

from chenu_server import asking, engine
from chenu_server.asking import Plain
from chenu_server.caller import Caller, Principal
from chenu_server.command import Answer, Writer
from chenu_server.errors import (
    ChenuError,
    GovernanceUnavailable,
    ReleaseExpired,
    ReleaseInvalid,
    ReleaseUsed,
    RequestIdConflict,
)
from chenu_server.governance.checkpoints.decide import pending_error
from chenu_server.governance.policy.decide import Facts
from chenu_server.governance.tools.decide import standing_of
from chenu_server.governance.tools.model import RELEASE_TTL_US, Standing, ToolCall
from chenu_server.operations import answers, subject
from chenu_server.operations.rules import Rules
from chenu_server.operations.wait import Cancel
from chenu_server.pipeline.conversation import Part, Tool
from chenu_server.pipeline.decide import error_of, requester_of
from chenu_server.pipeline.model import QueryRequest
from chenu_server.pipeline.ports import Proposing
from chenu_server.pipeline.records import Operation, QueryContent
from chenu_server.pipeline.stored import Plan, plan_from, request_from
from chenu_server.values import dataclass
from chenu_server.vocabulary import CheckpointType, PartKind, ToolEffect

_log = structlog.get_logger(__name__)

SALT_BYTES: Final = 32
SCHEMA_TAG: Final = "chenu.tool_schema.v1"
REFUSED_MAX: Final = 4_096
"""As many refusals are remembered, the latest ones."""

UNLISTED: Final = "tools.unlisted"
"""What stands in the place of a policy's id where the configuration itself says no, or not yet."""

SCHEMA_CHANGED: Final = "tools.schema_changed"
"""Likewise, where the configuration is another than when the model was asked."""


def proposals(output: tuple[Part, ...], proposing: Proposing | None, rules: Rules) -> list[Plain]:
    """Every call of a completed answer, with what the policies say of it."""
    calls = [(at, part) for at, part in enumerate(output) if part.kind is PartKind.TOOL_CALL]
    if not calls:
        return []
    assert proposing is not None, "only who was told of tools calls them"
    facts = subject.facts(
        proposing.caller,
        proposing.request,
        proposing.analysis,
        proposing.snapshot,
        proposing.providers,
    )
    declared = {tool.name: tool for tool in proposing.request.conversation.tools}
    held_to = proposing.schemas
    return [
        _proposal(at, part, declared[part.name], held_to.get(part.name, ""), facts, rules)
        for at, part in calls
    ]


def _proposal(
    at: int, part: Part, declared: Tool, held_to: str, facts: Facts, rules: Rules
) -> Plain:
    configured = rules.tools.named.get(part.name)
    effect = rules.tools.effect_of(part.name, declared.effect)
    judged = verdict(rules, facts, part.name, effect, part.text)
    # A reload came while the model wrote: nobody has held its arguments to what is there now.
    if held_to != (configured.schema if configured else ""):
        judged = {"allowed": False, "denied_by": [SCHEMA_CHANGED], "checkpoints": []}
    return {
        "call_id": rules.make_id(),
        "part": at,
        "effect": effect,
        # A release is for somebody: where nobody is named, for whoever is called as the tool is.
        "audience": (configured.audience if configured else "") or part.name,
        # Of both, in this order: what the arguments were held to is bound by the approval.
        "schema_sha256": engine.digest(SCHEMA_TAG, (declared.parameters, held_to)),
        "salt": secrets.token_bytes(SALT_BYTES),
        "verdict": judged,
        "checkpoint_id": rules.make_id(),
    }


def verdict(rules: Rules, facts: Facts, tool: str, effect: ToolEffect, arguments: str) -> Plain:
    """What policies and configuration say of a call, as the kernel takes it."""
    said = rules.policies.evaluate_call(
        facts, name=tool, effect=effect, arguments=arguments.encode()
    )
    if said.errors:
        # The caller is told that it is denied; why a policy fails is its author's to know.
        _log.error("policy_failed", tool=tool, policies=said.denied_by, errors=said.errors)
    if said.unrepresentable:
        # It tells names of the schema, and nothing of the arguments.
        _log.warning("arguments_untold", tool=tool, at=said.unrepresentable)
    allowed, denied_by = said.allowed, list(said.denied_by)
    checkpoints = [tuple(each) for each in said.checkpoints]
    if tool not in rules.tools.named:
        match rules.tools.unlisted:
            case "deny":
                allowed, checkpoints = False, []
                denied_by.append(UNLISTED)
            case "checkpoint" if allowed:
                checkpoints.append((CheckpointType.EXECUTION_APPROVAL.value, UNLISTED))
    return {"allowed": allowed, "denied_by": denied_by, "checkpoints": checkpoints}


class Take:
    """Policies asked again, the approval used, the release's time and key: one commit."""

    def __init__(self, asked: Plain, rules: Rules) -> None:
        self._asked = asked
        self._rules = rules

    def asked(self) -> engine.Command:
        """For the kernel."""
        return engine.Command({"Take": self._asked}, self._rules.kernel)

    def outcome(self, answer: Answer) -> Answer:
        """Which makes sense only beside what was asked."""
        return answer


class Redeem:
    """Policies asked once more, and the release used up."""

    def __init__(self, asked: Plain, rules: Rules) -> None:
        self._asked = asked
        self._rules = rules

    def asked(self) -> engine.Command:
        """For the kernel."""
        return engine.Command({"Redeem": self._asked}, self._rules.kernel)

    def outcome(self, answer: Answer) -> Answer:
        """As of `Take`."""
        return answer


class Asked(Protocol):
    """What queries have stored."""

    async def get(self, identity_id: str, request_id: str) -> Operation | None:
        """One query, or None."""
        ...

    async def content(self, identity_id: str, request_id: str) -> QueryContent | None:
        """What it was asked, or None."""
        ...


class WriterGate:
    """The tool calls' `Gate`: each decision is one command to the one writer."""

    def __init__(self, writer: Writer, queries: Asked, rules: Callable[[], Rules]) -> None:
        self._writer = writer
        self._queries = queries
        self._rules = rules
        self._refused: OrderedDict[Hashable, tuple[Rules, Answer]] = OrderedDict()

    async def take(self, caller: Caller, found: Standing, arguments: str, key_id: str) -> Standing:
        """See `governance.tools.ports.Gate`."""
        more = {"key_id": key_id, "ttl_us": RELEASE_TTL_US}
        query = await self._query_of(found)
        answer = await self._judged(Take, caller, found, arguments, query.facts(caller), more)
        if answer.kind != "Taken":
            raise _why_not(answer, found.call)
        return _standing(answer)

    async def redeem(self, caller: Caller, found: Standing, arguments: str) -> Standing:
        """See `governance.tools.ports.Gate`."""
        query = await self._query_of(found)
        # As who took it, with the rights of then: who executes it has others.
        facts = query.facts(query.asked_by)
        answer = await self._judged(Redeem, caller, found, arguments, facts, {})
        if answer.kind != "Redeemed":
            raise _why_not_redeemed(answer, found.call)
        return _standing(answer)

    async def _judged(
        self,
        command: type[Take | Redeem],
        caller: Caller,
        found: Standing,
        arguments: str,
        facts: Facts,
        more: Plain,
    ) -> Answer:
        call, rules = found.call, self._rules()
        # Asked again by the same rules it would be refused again, and entered again: who polls must
        # not fill the ledger.
        who = (caller.principal, caller.acting_for, caller.roles)
        key = (command, call.key, *who)
        before = self._refused.get(key)
        if before is not None and before[0] is rules:
            return before[1]
        # By what the operator says now that it does, where that is stricter.
        effect = rules.tools.effect_of(call.tool, call.effect)
        asked = {
            "caller": asking.caller(caller),
            "call_id": call.call_id,
            "verdict": verdict(rules, facts, call.tool, effect, arguments),
            "policies_revision": rules.policies.revision,
            **more,
        }
        answer: Answer = await self._writer.submit(command(asked, rules))
        if answer.kind == "Refused":
            self._refused[key] = (rules, answer)
            while len(self._refused) > REFUSED_MAX:
                self._refused.popitem(last=False)
        return answer

    async def _query_of(self, found: Standing) -> _Query:
        identity_id, query_id = found.call.identity_id, found.call.query_id
        query = await self._queries.get(identity_id, query_id)
        content = await self._queries.content(identity_id, query_id)
        if query is None or content is None:
            raise GovernanceUnavailable
        return _Query(query, request_from(content.request), plan_from(content.plan))


@dataclass(frozen=True, slots=True)
class _Query:
    """The query that proposed a call, of the rows that never change."""

    row: Operation
    request: QueryRequest
    plan: Plan

    @property
    def asked_by(self) -> Caller:
        """Who asked it, with the roles held then."""
        return requester_of(self.row, self.plan.roles)

    def facts(self, caller: Caller) -> Facts:
        """What policies are told of it, and of who acts by its answer now."""
        plan = self.plan
        names = plan.names_of(self.row.provider)
        return subject.facts(caller, self.request, plan.analysis, plan.snapshot, names)


class WithdrawnCalls:
    """The pipeline's `HeldCalls`, on the writer."""

    def __init__(self, writer: Writer, reader: OpenCalls) -> None:
        self._writer = writer
        self._reader = reader

    async def cancel(self, query: Operation, by: Principal, reason: str) -> None:
        """See `pipeline.ports.HeldCalls`."""
        # One that is taken meanwhile is left as it is: its command finds that it waits no more.
        held = await self._reader.open_of_query(query.identity_id, query.request_id)
        for call_id, checkpoint_id in held:
            await self._writer.submit(Cancel(query.identity_id, call_id, checkpoint_id, by, reason))


class OpenCalls(Protocol):
    """The part of a `ToolCallReader` that finds what a query has proposed."""

    async def open_of_query(self, identity_id: str, query_id: str) -> list[tuple[str, str]]:
        """Id and checkpoint of each call of it that nobody has ended."""
        ...


def _why_not(answer: Answer, call: ToolCall) -> ChenuError:
    match answer.kind:
        case "Blocked":
            return pending_error(answer.rows[1])
        case "Closed":
            return error_of(answer.rows[0].outcome)
        case "Late":
            return ReleaseExpired(call.call_id)
        case "Refused":
            return error_of(answers.outcome(answer.more["outcome"]))
    # Its own id is no secret to who is in its identity: somebody else's is a conflict.
    return RequestIdConflict(call.call_id)


def _why_not_redeemed(answer: Answer, call: ToolCall) -> ChenuError:
    match answer.kind:
        case "Used":
            return ReleaseUsed(call.call_id)
        case "Late":
            return ReleaseExpired(call.call_id)
        case "Refused":
            return error_of(answers.outcome(answer.more["outcome"]))
    # Nobody has taken it here: what was signed is not of these rows.
    return ReleaseInvalid("bad_signature")


def _standing(answer: Answer) -> Standing:
    operation, call = answer.rows
    return standing_of(operation, call)
