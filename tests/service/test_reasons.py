"""Every reason of the contract is reached over the wire, with what the contract says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture import contract
from tests.harness import Failure, staged
from tests.service.proofs import PROOFS

PROMISES = contract.promises()
DETAILS_BYTES_MAX = 4_096
PUSHBACK = "grpc-retry-pushback-ms"


def pushback_of(retry: str, failure: Failure) -> set[str]:
    """What a client's retry policy may be told; the proofs' calls have a deadline of 20 s."""
    if retry == "no":
        return {"-1"}
    wait_us = failure.retry_after_us
    return set() if wait_us is None else {"-1", str(-(-wait_us // 1_000))}


def test_every_reason_has_a_proof() -> None:
    """A reason that nothing reaches is a promise that nobody keeps."""
    assert sorted(PROMISES) == sorted(PROOFS)


def test_the_comments_say_what_may_be_repeated() -> None:
    """A pattern that matched nothing would prove nothing."""
    assert {"no", "yes", "at"} == {promise.retry for promise in PROMISES.values()}
    assert "at" == PROMISES["RATE_LIMITED"].retry


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
    assert (promise.retry == "at") == ("RetryInfo" in failure.details)
    told = {failure.trailers[PUSHBACK]} if PUSHBACK in failure.trailers else set()
    assert told <= pushback_of(promise.retry, failure)
    assert (promise.retry == "yes") == (told == set())
    assert failure.details_bytes <= DETAILS_BYTES_MAX
