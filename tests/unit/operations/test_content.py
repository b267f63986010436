"""What a checkpoint's digest binds, from rows of any age."""

from __future__ import annotations

import json

from pydantic_core import from_json, to_json

from chenu_server.engine import CanonicalRequest
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.governance.tools.model import Standing
from chenu_server.operations.content import BoundContents
from chenu_server.pipeline.records import QueryContent
from chenu_server.pipeline.stored import plan_json
from chenu_server.vocabulary import ContentKind, Intent, Role
from tests.unit.operations.samples import FIRST, World, admission, route

ASKED = admission(intents=(Intent.DELETE,), chain=route(FIRST))


class Stored:
    """One stored content, or none."""

    def __init__(self, content: QueryContent | None) -> None:
        self._content = content

    async def content(self, identity_id: str, request_id: str) -> QueryContent | None:
        """It."""
        return self._content


def checkpoint() -> Checkpoint:
    """The checkpoint of what is asked."""
    world = World()
    world.blocked(ASKED)
    return world.checkpoint


def stored(**plan: object) -> QueryContent:
    """What is asked, as it is stored; `plan` replaces what its plan says, None leaves it out."""
    whole = plan_json(frozenset({Role.MEMBER}), ASKED.analysis, ASKED.snapshot, ASKED.encoded)
    values = {**from_json(whole), **plan}
    kept = {key: value for key, value in values.items() if value is not None}
    return QueryContent(
        identity_id="acme",
        request_id="q",
        request=CanonicalRequest(ASKED.request).to_json(),
        plan=to_json(kept).decode(),
    )


class NoCalls:
    """Tool calls that nobody reads here."""

    async def get(self, identity_id: str, call_id: str) -> Standing | None:
        """Never asked."""
        raise AssertionError(call_id)

    async def arguments(self, identity_id: str, call_id: str) -> str | None:
        """Never asked."""
        raise AssertionError(call_id)


class NoFiles:
    """Files that nobody reads here."""

    async def read(self, identity_id: str, sha256: str, offset: int, size: int) -> bytes:
        """Never asked."""
        raise AssertionError(sha256)


def contents(content: QueryContent | None) -> BoundContents:
    """What is bound, of this stored content."""
    return BoundContents(Stored(content), NoCalls(), NoFiles(), default_cap=77)


async def cap_of(content: QueryContent) -> int:
    """The output cap that the facts tell."""
    facts, *_ = await contents(content).of(checkpoint())
    cap: int = json.loads(facts.data)["output_cap"]
    return cap


async def test_the_facts_tell_the_cap_that_was_bound_and_not_todays() -> None:
    """The default is configuration, and configuration changes."""
    assert ASKED.encoded.output_cap == await cap_of(stored())


async def test_a_plan_from_before_caps_were_kept_is_read() -> None:
    """With the default cap, under which it would be resumed too."""
    assert 77 == await cap_of(stored(output_cap=None))


async def test_content_that_is_gone_is_nothing() -> None:
    """An empty thing would look like an empty request."""
    assert () == await contents(None).of(checkpoint())


async def test_the_things_come_in_the_order_that_the_digest_binds_them() -> None:
    """Facts, system prompt, context items, text."""
    kinds = [it.kind for it in await contents(stored()).of(checkpoint())]

    assert [ContentKind.FACTS, ContentKind.SYSTEM, ContentKind.TEXT] == kinds
