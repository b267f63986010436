"""Units, rows and answers as the Rust command's JSON has them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from pydantic_core import to_json

from chenu_server.caller import Caller, Principal
from chenu_server.governance.budgets import tables as budget_tables
from chenu_server.governance.budgets.changes import (
    Absent,
    CreateBudget,
    DeleteBudget,
    Exists,
    InUse,
    Stale,
    UnfreezeBudget,
    UpdateBudget,
)
from chenu_server.governance.budgets.decide import Standing
from chenu_server.governance.budgets.model import Budget
from chenu_server.governance.checkpoints import tables as checkpoint_tables
from chenu_server.governance.checkpoints.model import (
    Lapsed,
    Lost,
    OtherAction,
    Repeated,
    Resolved,
)
from chenu_server.governance.identity import tables as identity_tables
from chenu_server.governance.identity.decide import RecordViolation, printable
from chenu_server.governance.identity.model import TARGET_ID_MAX, Violation
from chenu_server.governance.limits import tables as limit_tables
from chenu_server.governance.limits.decide import Dispatched, HeldBack, LetGo, NoSlot, Readmitted
from chenu_server.governance.limits.model import ProviderLimit, Slot
from chenu_server.pipeline import media_tables
from chenu_server.pipeline import tables as pipeline_tables
from chenu_server.pipeline.drafts import usage_body
from chenu_server.pipeline.events import Event, EventDraft
from chenu_server.pipeline.model import (
    OPERATION,
    Analysis,
    Candidate,
    Encoded,
    QueryRequest,
    TokenUsage,
)
from chenu_server.pipeline.ports import (
    Admitted,
    Attached,
    AttemptEnd,
    Blocked,
    Closed,
    Conflict,
    FilesGone,
    Full,
    Known,
    NotHeld,
    NotResumable,
    TooDear,
    Validation,
    Wait,
)
from chenu_server.pipeline.records import Query
from chenu_server.units import judge
from chenu_server.units.admit import OUTPUT_FORMAT, Admit
from chenu_server.units.consume import Consume
from chenu_server.units.judge import Subject
from chenu_server.units.media import HoldFiles, KeepChunk
from chenu_server.units.recover import Recover
from chenu_server.units.resolve import Cancel, Expire, Resolve
from chenu_server.units.retry import Retry
from chenu_server.units.rules import Rules
from chenu_server.units.settle import Settle
from chenu_server.units.validate import Validate

Json = Any

LIMIT: Final = ProviderLimit(requests=1, window_us=1, guard_us=0, dispatch_within_us=0)


def plain(value: object) -> Json:
    """A value as JSON has it: bytes as hex, words as their text, a body as text."""
    if isinstance(value, Event | EventDraft):
        told = {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        return {**told, "body": to_json(value.body).decode()}
    if isinstance(value, TokenUsage):
        return usage_body(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, enum.Enum):
        return value.value
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def row(value: object) -> Json:
    """A row beside the name of its kind."""
    return {type(value).__name__: plain(value)}


_TABLES: Final = {
    table.kind: table
    for maps in (pipeline_tables, media_tables, budget_tables, limit_tables, checkpoint_tables)
    for table in maps.MAPS
} | {table.kind: table for table in identity_tables.MAPS}


def stored(value: Any) -> Json:
    """A row as its table has it: the name, and a value for each column."""
    table = _TABLES[type(value)]
    values = table.encode(value)
    return [
        table.table.name,
        [{"hex": each.hex()} if isinstance(each, bytes) else each for each in values],
    ]


def rules(made: Rules | None, **limits: ProviderLimit) -> Json:
    """What a command decides by; without any, what never decides anything."""
    if made is None:
        return {
            "expiry_us": 0,
            "expiry_by_type_us": {},
            "default_limit": plain(LIMIT),
            "limits": plain(limits),
            "ledger_number": 0,
            "owner_id": "",
            "least_cap": 0,
            "budget_required": False,
            "pending_max": 0,
            "policies_revision": "",
        }
    return {
        "expiry_us": made.expiries.default_us,
        "expiry_by_type_us": plain(made.expiries.by_type_us),
        "default_limit": plain(made.default_limit),
        "limits": plain(made.limits),
        "ledger_number": made.ledger_number,
        "owner_id": made.owner_id,
        "least_cap": made.least_cap,
        "budget_required": made.budget_required,
        "pending_max": made.pending_max,
        "policies_revision": made.policies.revision,
    }


def _principal(principal: Principal) -> Json:
    return {"principal_type": principal.type.value, "principal_id": principal.id}


def _caller(caller: Caller) -> Json:
    return {
        **_principal(caller.principal),
        "identity_id": caller.identity_id,
        "acting_for": list(caller.acting_for),
    }


def _asked(request: QueryRequest, analysis: Analysis, context_hash: bytes) -> Json:
    target = request.target
    return {
        "request_id": request.request_id,
        "action": target.operation or OPERATION,
        "target": f"{target.kind}/{target.id}" if target.kind or target.id else "",
        "last_text": request.conversation.last_text,
        "sphere": request.sphere.value,
        "mode": request.mode.value,
        "intents": plain(analysis.intents),
        "detected_intents": plain(analysis.detected),
        "agent_role": request.agent_role,
        "resume_on_approval": request.resume_on_approval,
        "thread_id": request.thread_id,
        "run_id": request.run_id,
        "labels": plain(request.labels),
        "output_format": OUTPUT_FORMAT[request.conversation.response_format.kind],
        "context_hash": context_hash.hex(),
        "files": [file.sha256 for file in request.conversation.files],
    }


def _plan(encoded: Encoded) -> Json:
    route = encoded.route
    return {
        "chain": [_candidate(each) for each in route.chain],
        "exclusions": plain(route.exclusions),
        "price_unknown": route.price_unknown,
        "snapshot": route.snapshot.hex(),
        "output_cap": encoded.output_cap,
        "cap_is_default": encoded.cap_is_default,
        "max_cost_nanousd": encoded.max_cost_nanousd,
        "action_digest": encoded.action_digest.hex(),
    }


def _candidate(each: Candidate) -> Json:
    return {
        "provider": each.provider,
        "model": each.model,
        "bound_nanousd": each.bound_nanousd,
        "body_bytes": each.body_bytes,
        "extra_tokens": each.extra_tokens,
        "dearest_input": each.rates.dearest_input,
        "output_rate": each.rates.output,
        "rates_source": each.rates.source,
    }


def _verdict(subject: Subject, made: Rules) -> Json:
    verdict = made.policies.evaluate(judge.facts_of(subject))
    return {
        "allowed": verdict.allowed,
        "denied_by": list(verdict.denied_by),
        "checkpoints": plain(verdict.checkpoints),
    }


def _admission(unit: Admit | Validate, checkpoint_id: str) -> Json:
    asked = unit._asked
    return {
        "caller": _caller(asked.caller),
        "asked": _asked(asked.request, asked.analysis, asked.snapshot.content_hash),
        "content_digest": asked.content_digest.hex(),
        "content": plain(asked.content),
        "plan": _plan(asked.encoded),
        "verdict": _verdict(unit._subject, unit._rules),
        "deadline_ms": asked.deadline_ms,
        "drafts": plain(asked.drafts),
        "lanes": plain(asked.lanes),
        "lane_started_ns": asked.lane_started_ns,
        "checkpoint_id": checkpoint_id,
        "take_slot": isinstance(unit, Admit) and unit._take_slot,
    }


def _consume(unit: Consume) -> Json:
    asked = unit._asked
    subject = Subject(
        caller=asked.caller,
        request=asked.request,
        analysis=asked.analysis,
        snapshot=asked.snapshot,
        encoded=asked.encoded,
    )
    return {
        "identity_id": asked.query.identity_id,
        "request_id": asked.query.request_id,
        "checkpoint_id": asked.query.checkpoint_id,
        "caller": _caller(asked.caller),
        "asked": _asked(asked.request, asked.analysis, asked.snapshot.content_hash),
        "plan": _plan(asked.encoded),
        "verdict": _verdict(subject, unit._rules),
        "deadline_ms": asked.deadline_ms,
        "take_slot": unit._take_slot,
    }


def _ended(ended: AttemptEnd | None) -> Json:
    return None if ended is None else plain(ended)


def _retry(unit: Retry) -> Json:
    asked = unit._asked
    return {
        "operation": plain(asked.query),
        "ended": _ended(asked.ended),
        "chain": [_candidate(each) for each in asked.chain],
    }


def _settle(unit: Settle) -> Json:
    asked = unit._asked
    names = ("kind", "text", "name", "call_id", "signature", "redacted")
    return {
        "identity_id": asked.query.identity_id,
        "request_id": asked.query.request_id,
        "status": asked.status.value,
        "outcome": plain(asked.outcome),
        "ended": _ended(asked.ended),
        "output": [{name: plain(getattr(part, name)) for name in names} for part in asked.output],
        "execution_us": asked.execution_us,
        "lane_started_ns": asked.lane_started_ns,
    }


def _place(unit: Resolve | Expire | Cancel) -> Json:
    (identity_id, request_id), (_, checkpoint_id) = unit._key, unit._checkpoint_key
    return {
        "identity_id": identity_id,
        "request_id": request_id,
        "checkpoint_id": checkpoint_id,
    }


def _resolve(unit: Resolve) -> Json:
    asked = unit._asked
    return {
        **_place(unit),
        "decision_id": asked.decision_id,
        "decision": asked.decision.value,
        "reason": asked.reason,
        "expected_digest": asked.expected_digest.hex(),
        "by": _principal(asked.by),
    }


def _recover(unit: Recover) -> Json:
    identity_id, request_id = unit.key
    return {
        "identity_id": identity_id,
        "request_id": request_id,
        "dead_owner_id": unit._dead_owner_id,
    }


def _held_back(unit: HeldBack) -> Json:
    return {"provider": unit.provider, "told_ns": unit.told_ns, "wait_us": unit.wait_us}


def _dispatched(unit: Dispatched) -> Json:
    return {"slot": plain(unit.slot), "dispatched_ns": unit.dispatched_ns}


def _budget(unit: Any, *names: str) -> Json:
    told = {name: plain(getattr(unit, name)) for name in names}
    return {"caller": _caller(unit.caller), "budget_id": unit.budget_id, **told}


def _violation(unit: RecordViolation) -> Json:
    return {
        "violation_id": unit.violation_id,
        "caller": _caller(unit.caller),
        "method": unit.caller.method,
        "peer": unit.caller.peer,
        "type": unit.type.value,
        "target_kind": unit.target_kind,
        "target_id": printable(unit.target_id)[:TARGET_ID_MAX],
    }


def _hold_files(unit: HoldFiles) -> Json:
    return {
        "identity_id": unit._identity_id,
        "hold_id": unit._hold_id,
        "owner_id": unit._owner_id,
        "digests": plain(unit._digests),
    }


def _keep_chunk(unit: KeepChunk) -> Json:
    return {"hold_id": unit._hold[0], "chunk": plain(unit._chunk), "whole": plain(unit._whole)}


_COMMANDS: Final[Mapping[type[Any], tuple[str, Callable[[Any], Json]]]] = {
    Consume: ("Consume", _consume),
    Retry: ("Retry", _retry),
    Settle: ("Settle", _settle),
    Resolve: ("Resolve", _resolve),
    Expire: ("Expire", _place),
    Cancel: (
        "Cancel",
        lambda unit: {**_place(unit), "by": _principal(unit._by), "reason": unit._reason},
    ),
    Recover: ("Recover", _recover),
    Dispatched: ("Dispatched", _dispatched),
    HeldBack: ("HoldBack", _held_back),
    LetGo: ("LetGo", lambda unit: {"provider": unit.provider}),
    Readmitted: ("Readmit", lambda unit: {"slot": plain(unit.slot)}),
    CreateBudget: ("CreateBudget", lambda unit: _budget(unit, "scope", "period", "limit_nanousd")),
    UpdateBudget: ("UpdateBudget", lambda unit: _budget(unit, "limit_nanousd", "version")),
    UnfreezeBudget: ("UnfreezeBudget", lambda unit: _budget(unit, "reason")),
    DeleteBudget: ("DeleteBudget", lambda unit: _budget(unit, "version")),
    RecordViolation: ("RecordViolation", lambda unit: _violation(unit)),
    HoldFiles: ("HoldFiles", lambda unit: _hold_files(unit)),
    KeepChunk: ("KeepChunk", lambda unit: _keep_chunk(unit)),
}


def command(unit: object, outcome: object) -> tuple[Json, Json] | None:
    """The command and the rules of a unit that has a twin; `outcome` tells an id that it made."""
    made_id = outcome.query.checkpoint_id if isinstance(outcome, Blocked) else "checkpoint"
    if isinstance(unit, Admit):
        return {"Admit": _admission(unit, made_id)}, rules(unit._rules)
    if isinstance(unit, Validate):
        return {"Validate": _admission(unit, made_id)}, rules(unit._rules)
    if type(unit) not in _COMMANDS:
        return None
    name, shape = _COMMANDS[type(unit)]
    if isinstance(unit, Dispatched | Readmitted):
        limits = rules(None, **{unit.slot.provider: unit.limit})
        return {name: shape(unit)}, {**limits, "ledger_number": unit.slot.ledger_number}
    if isinstance(unit, HeldBack | LetGo | RecordViolation):
        return {name: shape(unit)}, {**rules(None), "ledger_number": unit.ledger_number}
    return {name: shape(unit)}, rules(getattr(unit, "_rules", None))


_OF_QUERY: Final = {
    Closed: "Closed",
    Known: "Known",
    Attached: "Attached",
    NotResumable: "NotResumable",
}
_OF_CHECKPOINT: Final = {
    Resolved: "Resolved",
    Repeated: "Repeated",
    Lapsed: "Lapsed",
    Lost: "Lost",
    OtherAction: "OtherAction",
}
_BARE: Final = {
    FilesGone: "FilesGone",
    Conflict: "Conflict",
    TooDear: "TooDear",
    NotHeld: "NotHeld",
    Absent: "Absent",
    InUse: "InUse",
}


def answer(unit: Any, outcome: Any) -> Json:
    """What a unit answered, as its command does. None: the unit says less than the command."""
    kind = type(outcome)
    if kind in _OF_QUERY:
        return {_OF_QUERY[kind]: plain(outcome.query)}
    if kind in _OF_CHECKPOINT:
        return {_OF_CHECKPOINT[kind]: plain(outcome.checkpoint)}
    if kind in _BARE:
        return _BARE[kind]
    if kind in (Standing, Exists, Stale, Budget):
        return _of_budget(outcome)
    match outcome:
        case Admitted():
            return {
                "Admitted": {
                    "operation": plain(outcome.query),
                    "attempt": plain(outcome.attempt),
                    "chain": [_candidate(each) for each in outcome.chain],
                    "output_cap": outcome.output_cap,
                    "slot_free_at_us": outcome.slot_free_at_us,
                }
            }
        case Blocked():  # the unit tells the refusal that is made of the checkpoint
            return "Blocked"
        case Wait() | NoSlot():
            return {"Wait": {"free_times_us": list(outcome.free_times_us)}}
        case Full():
            return {"Full": {"limit": outcome.limit}}
        case Violation():
            return {"Violation": plain(outcome)}
        case frozenset():
            return {"Missing": [each.hex() for each in unit._digests if each in outcome]}
        case Slot():
            return {"Slot": plain(outcome)}
        case Query():
            return {("Settled" if isinstance(unit, Settle) else "Cancelled"): plain(outcome)}
        case Validation():
            return {
                "Validation": {
                    "types": list(outcome.checkpoint_types),
                    "denial": plain(outcome.denial),
                    "lanes": plain(outcome.lanes),
                }
            }
        case bool():
            return {"Done": outcome}
    return None


def _of_budget(outcome: Standing | Exists | Stale | Budget) -> Json:
    match outcome:
        case Standing():
            return {"Standing": [plain(outcome.budget), plain(outcome.period)]}
        case Exists():
            return {"Exists": {"budget_id": outcome.budget_id}}
        case Stale():
            return {"Stale": {"version": outcome.version}}
    return {"Deleted": plain(outcome)}
