"""Who may call: every rpc by every wrong caller, refused before it does anything."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio

from chenu.api.governance.v1 import audit_service_pb2 as audit
from chenu.api.governance.v1 import identity_service_pb2 as identity
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.vocabulary import PrincipalType, Role
from tests.harness import IDENTITY_ROLES, SYSTEM_ROLES, Client, Failure, Stage
from tests.service.cases import (
    BOUNDARY_CASES,
    BUDGETS,
    ENDLESS,
    EVERY_RPC,
    RESOURCE_RPCS,
    ROLE_CASES,
    UNSERVED,
    valid_request,
)
from tests.service.tools import proposing

pytestmark = pytest.mark.asyncio(loop_scope="module")

USER = PrincipalType.USER
HEADER = "x-chenu-identity"
SYSTEM_ONLY = sorted(name for name, case in ROLE_CASES.items() if case.system_only)
ELSEWHERE = sorted(name for name, case in ROLE_CASES.items() if case.in_system)
FOR_PEOPLE = sorted(name for name, case in ROLE_CASES.items() if case.person)


async def refusal(client: Client, name: str) -> Failure:
    """How a request that is right in itself is refused."""
    return await client.fail(client.rpc(name), valid_request(name))


def outside(name: str) -> str:
    """The identity in which an rpc is served at all."""
    return "system" if ROLE_CASES[name].system_only else "acme"


@pytest.mark.parametrize("name", EVERY_RPC)
async def test_no_rpc_is_served_without_a_token(shared: Stage, name: str) -> None:
    """Nothing is open but health and reflection."""
    failure = await refusal(shared.anonymous(), name)

    assert (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING") == (failure.code, failure.reason)


@pytest.mark.parametrize("name", EVERY_RPC)
async def test_no_rpc_is_served_with_an_expired_token(shared: Stage, name: str) -> None:
    """A token's end is its end, everywhere."""
    roles = (*IDENTITY_ROLES, *SYSTEM_ROLES)
    old = shared.token({outside(name): roles}, type=USER, lifetime_s=60, age_s=61)

    failure = await refusal(shared.with_token(old), name)

    assert (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED") == (failure.code, failure.reason)


@pytest.mark.parametrize("name", EVERY_RPC)
async def test_no_rpc_is_served_with_a_forged_token(shared: Stage, name: str) -> None:
    """A changed signature is no signature."""
    roles = (*IDENTITY_ROLES, *SYSTEM_ROLES)
    head, body, signature = shared.token({outside(name): roles}, type=USER).split(".")
    forged = f"{head}.{body}.{signature[::-1]}"

    failure = await refusal(shared.with_token(forged), name)

    assert (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID") == (failure.code, failure.reason)


@pytest.mark.parametrize("name", EVERY_RPC)
async def test_every_role_but_the_needed_one_is_not_enough(shared: Stage, name: str) -> None:
    """Roles do not contain each other."""
    case, where = ROLE_CASES[name], outside(name)
    others = [role for role in (*IDENTITY_ROLES, *SYSTEM_ROLES) if role is not case.role]

    failure = await refusal(shared.client(where, roles=others, type=USER), name)

    assert (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED") == (failure.code, failure.reason)
    assert case.role.value == failure.metadata["role"]


@pytest.mark.parametrize("name", EVERY_RPC)
async def test_the_needed_role_alone_is_enough(shared: Stage, name: str) -> None:
    """A token need not say more than what it is for; the id that is asked for is another matter."""
    caller = shared.client(outside(name), roles=[ROLE_CASES[name].role], type=USER)

    if name == ENDLESS:
        cut = await caller.fail(caller.rpc(name), valid_request(name), timeout_s=1)
        assert grpc.StatusCode.DEADLINE_EXCEEDED == cut.code
        return
    failure = await caller.outcome(caller.rpc(name), valid_request(name))

    expected = "IDENTITY_BOUNDARY_VIOLATION" if name in RESOURCE_RPCS else UNSERVED.get(name)
    assert expected == (failure.reason if failure else None)


@pytest.mark.parametrize("name", SYSTEM_ONLY)
async def test_what_belongs_to_system_is_not_served_elsewhere(shared: Stage, name: str) -> None:
    """System roles held in another identity are left out of the token's reading."""
    everything = (*IDENTITY_ROLES, *SYSTEM_ROLES)

    failure = await refusal(shared.client("acme", roles=everything, type=USER), name)

    assert "ROLE_REQUIRED" == failure.reason
    assert ROLE_CASES[name].role.value == failure.metadata["role"]


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_in_system_the_system_role_takes_the_place(shared: Stage, name: str) -> None:
    """An identity's role held on `system` does not open what is the system's."""
    case = ROLE_CASES[name]
    assert case.in_system is not None
    others = [role for role in (*IDENTITY_ROLES, *SYSTEM_ROLES) if role is not case.in_system]

    failure = await refusal(shared.client("system", roles=others, type=USER), name)

    assert "ROLE_REQUIRED" == failure.reason
    assert case.in_system.value == failure.metadata["role"]


@pytest.mark.parametrize("kind", [PrincipalType.SERVICE, PrincipalType.AGENT])
@pytest.mark.parametrize("name", FOR_PEOPLE)
async def test_what_is_for_people_is_refused_to_machines(
    shared: Stage, name: str, kind: PrincipalType
) -> None:
    """With every role, an agent still is no person."""
    machine = shared.client(roles=IDENTITY_ROLES, type=kind)

    failure = await refusal(machine, name)

    expected = {"role": ROLE_CASES[name].role.value, "principal_type": "user"}
    assert ("ROLE_REQUIRED", expected) == (failure.reason, dict(failure.metadata))


# --- the boundary -----------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs(shared: Stage) -> Mapping[str, str]:
    """By kind: the id of a thing that `theirs` has and `acme` has not."""
    budget = await shared.budget("theirs")
    member, auditor = shared.client("theirs"), shared.person("theirs")
    request = pb.QueryRequest(text="Delete all of it", request_id=str(uuid4()))
    blocked = await member.fail(member.pipeline.Query, request)
    reserving = valid_request(f"{BUDGETS}Reserve")
    held = await member.call(member.budgets.Reserve, reserving)
    proposed = await member.call(member.pipeline.Query, proposing(shared, ("look", "{}")))
    entries = await auditor.call(auditor.audit.ListEntries, audit.ListEntriesRequest())
    return {
        "query": request.request_id,
        "checkpoint": blocked.metadata["checkpoint_id"],
        "budget": budget.budget_id,
        "reservation": held.reservation.request_id,
        "tool_call": proposed.answer.tool_calls[0].call_id,
        "ledger_entry": entries.entries[0].entry_id,
    }


async def violations(client: Client) -> dict[str, identity.Violation]:
    """The newest violations that a client's identity is shown, by id."""
    request = identity.ListViolationsRequest(page_size=200)
    answer = await client.call(client.identity.ListViolations, request)
    return {each.violation_id: each for each in answer.violations}


@pytest.mark.parametrize("name", RESOURCE_RPCS)
async def test_what_another_identity_has_is_refused_like_what_nobody_has(
    shared: Stage, theirs: Mapping[str, str], name: str
) -> None:
    """Whether an id exists elsewhere is nobody's business, and asking is recorded."""
    case, person = BOUNDARY_CASES[name], shared.person("acme")

    there = await person.fail(person.rpc(name), case.request(theirs[case.kind]))
    nowhere = await person.fail(person.rpc(name), case.request(str(uuid4())))

    code = grpc.StatusCode.PERMISSION_DENIED
    assert (code, "IDENTITY_BOUNDARY_VIOLATION") == (there.code, there.reason)
    assert _without_id(there) == _without_id(nowhere)


@pytest.mark.parametrize("name", RESOURCE_RPCS)
async def test_a_violation_is_listed_to_the_source_and_to_system_alone(
    shared: Stage, theirs: Mapping[str, str], name: str
) -> None:
    """Who reached for what, by which rpc; the other identity learns nothing."""
    case, person = BOUNDARY_CASES[name], shared.person("acme", name=f"p{uuid4()}")
    refused = await person.fail(person.rpc(name), case.request(theirs[case.kind]))

    found = (await violations(person))[refused.metadata["violation_id"]]
    elsewhere = await violations(shared.person("theirs"))
    everywhere = await violations(shared.operator())

    assert identity.VIOLATION_TYPE_CROSS_IDENTITY_ACCESS == found.type
    assert ("acme", name) == (found.identity_id, found.method)
    assert (case.kind, theirs[case.kind]) == (found.target_kind, found.target_id)
    assert found.violation_id not in elsewhere
    assert found == everywhere[found.violation_id]


@pytest.mark.parametrize("name", EVERY_RPC)
async def test_a_header_for_an_identity_that_the_token_lacks_is_spoofed(
    shared: Stage, name: str
) -> None:
    """Naming someone else's identity gives nothing and is recorded."""
    token = shared.token({"acme": IDENTITY_ROLES}, type=USER)
    caller = shared.with_token(token, (HEADER, "theirs"))

    failure = await refusal(caller, name)

    found = (await violations(shared.person("acme")))[failure.metadata["violation_id"]]
    assert "IDENTITY_BOUNDARY_VIOLATION" == failure.reason
    assert identity.VIOLATION_TYPE_SPOOFED_IDENTITY == found.type
    assert (name, "identity", "theirs") == (found.method, found.target_kind, found.target_id)


@pytest.mark.parametrize("name", EVERY_RPC)
async def test_a_token_with_several_identities_must_say_which(shared: Stage, name: str) -> None:
    """The server does not guess, and says so as a violation that the system's auditor sees."""
    token = shared.token({"acme": IDENTITY_ROLES, "ours": IDENTITY_ROLES}, type=USER)

    failure = await refusal(shared.with_token(token), name)

    found = (await violations(shared.operator()))[failure.metadata["violation_id"]]
    assert "IDENTITY_BOUNDARY_VIOLATION" == failure.reason
    assert identity.VIOLATION_TYPE_MISSING_IDENTITY == found.type


@pytest.mark.parametrize("named", ["", "Acme", "a b", "../acme", "a" * 65])
async def test_a_header_that_is_no_identity_is_invalid(shared: Stage, named: str) -> None:
    """An id has one form."""
    token = shared.token({"acme": IDENTITY_ROLES}, type=USER)
    caller = shared.with_token(token, (HEADER, named))

    failure = await caller.fail(caller.identity.WhoAmI, identity.WhoAmIRequest())

    found = (await violations(shared.operator()))[failure.metadata["violation_id"]]
    assert identity.VIOLATION_TYPE_INVALID_IDENTITY == found.type


async def test_a_repeated_header_names_nothing(shared: Stage) -> None:
    """Two identities are none, and two tokens are none: nobody chooses between them."""
    token = shared.token({"acme": [Role.MEMBER], "ours": [Role.MEMBER]})
    both = shared.with_token(token, (HEADER, "acme"), (HEADER, "ours"))
    two = shared.with_token(token, ("authorization", f"Bearer {token}"), (HEADER, "acme"))

    identities = await both.fail(both.identity.WhoAmI, identity.WhoAmIRequest())
    tokens = await two.fail(two.identity.WhoAmI, identity.WhoAmIRequest())

    assert "IDENTITY_BOUNDARY_VIOLATION" == identities.reason
    assert "TOKEN_INVALID" == tokens.reason


async def test_who_am_i_says_what_the_token_says(shared: Stage) -> None:
    """A caller can see what the server made of its token."""
    token = shared.token(
        {"acme": [Role.MEMBER], "ours": [Role.AUDITOR, Role.MEMBER]},
        type=PrincipalType.AGENT,
        name="scout",
        acting_for=("user:ann",),
    )
    caller = shared.with_token(token, (HEADER, "ours"))

    shown = await caller.call(caller.identity.WhoAmI, identity.WhoAmIRequest())

    assert ("scout", ["user:ann"], "ours") == (
        shown.principal.id,
        list(shown.acting_for),
        shown.identity_id,
    )
    assert ["acme", "ours"] == [held.identity_id for held in shown.identities]


def _without_id(failure: Failure) -> tuple[object, ...]:
    """All that a caller sees, but for the violation's own id."""
    own = failure.metadata["violation_id"]
    return failure.code, failure.message.replace(own, ""), sorted(failure.metadata)
