"""Every reason of the contract is reached over the wire, with what the contract says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture import contract
from tests.harness import staged
from tests.service.proofs import PROOFS

PROMISES = contract.promises()
DETAILS_BYTES_MAX = 4_096
_RETRY_AT = re.compile(r"ERROR_REASON_(\w+): (?:(?!ERROR_REASON_).)*?Retry: at\.")


def retried_at() -> set[str]:
    """The reasons whose comment promises the time of a retry."""
    comments = re.sub(r"\s*\n\s*//\s*", " ", contract.REASONS.read_text(encoding="utf-8"))
    return set(_RETRY_AT.findall(comments))


def test_every_reason_has_a_proof() -> None:
    """A reason that nothing reaches is a promise that nobody keeps."""
    assert sorted(PROMISES) == sorted(PROOFS)


def test_the_comments_say_which_reasons_have_a_time() -> None:
    """A pattern that matched nothing would prove nothing."""
    assert {"RATE_LIMITED", "IDENTITY_BLOCKED", "QUEUE_FULL"} < retried_at()
    assert "TOKEN_MISSING" not in retried_at()


@pytest.mark.parametrize("reason", sorted(PROOFS))
async def test_a_reason_arrives_as_its_comment_says(
    reason: str, sqlite_url: str, tmp_path: Path
) -> None:
    """Status, metadata keys and retry time are what clients are written against."""
    proof, promise = PROOFS[reason], PROMISES[reason]
    async with staged(sqlite_url, tmp_path, proof.configure(tmp_path)) as stage:
        if proof.budget:
            await stage.budget()
        failure = await proof.reach(stage)

    assert (reason, "chenu") == (failure.reason, failure.domain)
    assert promise.status == failure.code.name
    assert promise.keys - proof.without == set(failure.metadata)
    assert (reason in retried_at()) == ("RetryInfo" in failure.details)
    assert failure.details_bytes <= DETAILS_BYTES_MAX
