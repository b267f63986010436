"""Who acts for whom, from a token's `act` to an operator's policy, the digest and the ledger."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import jwt
import pytest

from chenu.api.governance.v1 import audit_service_pb2 as audit
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.governance.v1 import identity_service_pb2 as identity
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.governance.identity.tokens import create_key, read_key
from chenu_server.vocabulary import PrincipalType
from tests.harness import Client, Stage, staged
from tests.service.asking import blocked

SCHEMA = resources.files("chenu_server.governance.policy").joinpath("cedar/schema.cedarschema")
POLICY = '@id("{id}") forbid (principal, action == Action::"submit", resource) when {{ {when} }};\n'
# The newest actor first: planner calls, for assistant, for alice.
NESTED = {"sub": "planner", "act": {"sub": "assistant"}}


def example() -> str:
    """The condition on `acting_for` that the schema's own comment gives to authors."""
    (found,) = re.findall(r"principal\.acting_for\.contains\(\"[^\"]+\"\)", SCHEMA.read_text())
    return str(found)


def conditions() -> dict[str, str]:
    """By policy id: what an operator's policies forbid."""
    return {
        "not_for_alice": example(),
        "not_through_the_scraper": 'principal.acting_for.contains("service:scraper")',
        "no_intern": 'principal == Agent::"intern"',
        "no_people_in_secret": 'principal is User && principal == User::"mallory"',
    }


@pytest.fixture
async def governed(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server with the operator's policies, and a budget for `acme`."""
    policies = tmp_path / "policies"
    policies.mkdir()
    texts = [POLICY.format(id=name, when=when) for name, when in conditions().items()]
    (policies / "operator.cedar").write_text("".join(texts))
    overrides = {"policies.operator_dir": str(policies)}
    async with staged(sqlite_url, tmp_path, overrides) as running:
        await running.budget()
        yield running


def delegated(stage: Stage, **claims: Any) -> Client:
    """A client whose token an issuer made with these claims."""
    now_s = int(time.time())
    whole = {
        "iss": stage.issuer.name,
        "aud": stage.issuer.audience,
        "exp": now_s + 600,
        "chenu_type": "agent",
        "chenu_identities": {"acme": ["member", "auditor"]},
        **claims,
    }
    return stage.with_token(jwt.encode(whole, stage.issuer.key, algorithm="HS256"))


@pytest.mark.parametrize(
    ("claims", "policy"),
    [
        ({"sub": "alice", "act": {"sub": "bot"}}, "not_for_alice"),
        ({"sub": "alice", "act": NESTED}, "not_for_alice"),
        (
            {"sub": "alice", "chenu_type": "user", "act": {"sub": "bot", "chenu_type": "agent"}},
            "not_for_alice",
        ),
        (
            {"sub": "bob", "act": {"sub": "bot", "act": {"sub": "alice", "chenu_type": "user"}}},
            "not_for_alice",
        ),
        (
            {"sub": "bob", "act": {"sub": "bot", "act": {"sub": "scraper"}}},
            "not_through_the_scraper",
        ),
        ({"sub": "bob", "act": {"sub": "intern"}}, "no_intern"),
        ({"sub": "mallory", "chenu_type": "user"}, "no_people_in_secret"),
    ],
)
async def test_an_operators_policy_stops_whom_it_names(
    governed: Stage, claims: dict[str, Any], policy: str
) -> None:
    """As an author writes it, from the schema's own comments; no provider is called."""
    client = delegated(governed, **claims)

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Which day is it?"))

    assert ("POLICY_DENIED", policy) == (failure.reason, failure.metadata["policies"])
    assert 0 == governed.upstream.arrivals_total


async def test_an_issuers_own_names_of_claims_are_read(sqlite_url: str, tmp_path: Path) -> None:
    """As an operator writes them, at every depth; its own `sub` and `act` then say nothing."""
    key_file = tmp_path / "issuer.key"
    create_key(key_file)
    names = {"subject": "uid", "actor": "by", "identities": "tenants", "principal_type": "kind"}
    overrides = {
        "identity.issuers": [
            {
                "name": "theirs",
                "key_file": str(key_file),
                "principal_types": ["user", "service", "agent"],
                "claims": names,
            }
        ]
    }
    claims = {
        "iss": "theirs",
        "aud": "chenu",
        "exp": int(time.time()) + 600,
        "sub": "nobody",
        "act": {"sub": "nobody"},
        "uid": "alice",
        "by": {"uid": "bot", "by": {"uid": "helper"}},
        "tenants": {"acme": ["member"]},
        "kind": "agent",
    }
    token = jwt.encode(claims, read_key(key_file), algorithm="HS256")
    async with staged(sqlite_url, tmp_path, overrides) as stage:
        client = stage.with_token(token)
        who = await client.call(client.identity.WhoAmI, identity.WhoAmIRequest())

    assert ("bot", ["service:helper", "user:alice"]) == (who.principal.id, list(who.acting_for))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "alice2", "act": NESTED},
        {"sub": "alice", "chenu_type": "service"},
        {"sub": "alice", "chenu_type": "service", "act": {"sub": "bot", "chenu_type": "agent"}},
        {"sub": "user:alice", "act": {"sub": "bot"}},
        {"sub": "intern", "chenu_type": "service"},
    ],
)
async def test_it_stops_nobody_else(governed: Stage, claims: dict[str, Any]) -> None:
    """Another id, another type, or an id that only looks like the spelling."""
    answered = await delegated(governed, **claims).query("Which day is it?")

    assert answered.answer.text


async def test_every_record_spells_the_parties_alike(stage: Stage) -> None:
    """What a policy author reads in the ledger is what the policy has to say."""
    client = delegated(stage, sub="carol", act=NESTED)
    failure = await blocked(client)

    who = await client.call(client.identity.WhoAmI, identity.WhoAmIRequest())
    entries = await client.call(
        client.audit.ListEntries,
        audit.ListEntriesRequest(resource_id=failure.metadata["request_id"]),
    )

    expected = ["service:assistant", "user:carol"]
    assert expected == list(who.acting_for)
    assert [expected] == [list(entry.acting_for) for entry in entries.entries]
    assert failure.trailers  # refused, not run


async def test_the_same_ask_for_another_person_is_another_action(stage: Stage) -> None:
    """An approval for one does not hold for the other, nor for a service of the same name."""
    person = stage.person()
    tokens = [
        stage.client(type=PrincipalType.AGENT, name="bot", acting_for=[party])
        for party in ("user:carol", "user:dave", "service:carol")
    ]

    failures = [await blocked(client) for client in tokens]

    digests = {failure.metadata["action_digest"] for failure in failures}
    request = cb.GetCheckpointRequest(checkpoint_id=failures[0].metadata["checkpoint_id"])
    found = await person.call(person.checkpoints.GetCheckpoint, request)
    assert 3 == len(digests)
    assert "bot" == found.checkpoint.requested_by.id
