"""What must follow from the truth of a fault: the specification as a function of it.

Nothing here looks at the server. Money is nano-USD, as a ceiling of tokens by rates.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.script import Blame, End, Kind, Tokens, Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Nano-USD per million tokens, and the bound of the attempt and of its chain."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_hour: int
    bound: int
    chain_bound: int

    def cost(self, tokens: Tokens) -> int:
        """Rounded up once."""
        exact = (
            tokens.input * self.input
            + tokens.output * self.output
            + tokens.cache_read * self.cache_read
            + tokens.cache_write * self.cache_write
            + tokens.cache_write_hour * self.cache_write_hour
        )
        return -(-exact // 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What caller, log, books and ledger must say."""

    status: str
    reason: str
    problem: str
    attempts: tuple[tuple[str, str], ...]  # each attempt's end in the log, and what follows it
    text: str | None  # of the output; None: it is the next candidate's
    cost: int  # of the first attempt
    is_exact: bool
    overrun: int
    retry_after_ms: int | None
    entries: tuple[str, ...]


STATUSES = {
    "": "OK",
    "STREAM_TRUNCATED": "DATA_LOSS",
    "PROVIDER_REJECTED": "FAILED_PRECONDITION",
    "PROVIDER_UNAVAILABLE": "UNAVAILABLE",
    "OUTPUT_INVALID": "FAILED_PRECONDITION",
    "TOOL_CALL_INVALID": "FAILED_PRECONDITION",
}


def expected(kind: Kind, prices: Prices, *, has_next: bool) -> Expected:
    """What must follow; `has_next`: another candidate stands behind it, and works."""
    truth = kind.truth
    reason = _reason(truth)
    goes_on = reason == "PROVIDER_UNAVAILABLE" and has_next
    charge, is_exact = charged(truth, prices)
    first = ("complete", "") if truth.end is End.ANSWER else (truth.failure, "END")
    attempts = ((truth.failure, "FAILOVER"), ("complete", "")) if goes_on else (first,)
    throttled = reason == "PROVIDER_UNAVAILABLE" and not has_next and _is_throttled(truth)
    final = "" if goes_on else reason
    return Expected(
        status=STATUSES[final],
        reason=final,
        problem="" if goes_on else truth.problem,
        attempts=attempts,
        text=None if goes_on else truth.text,
        cost=charge,
        is_exact=is_exact,
        overrun=max(charge - prices.chain_bound, 0),
        retry_after_ms=truth.retry_after_ms if throttled else None,
        entries=("ALLOW", *("EXECUTE" for _ in attempts), "SETTLE"),
    )


def charged(truth: Truth, prices: Prices) -> tuple[int, bool]:
    """What the attempt costs, and whether that is exact."""
    if not truth.may_be_billed:
        return 0, True
    told = prices.cost(truth.tokens)
    is_whole = truth.end in (End.ANSWER, End.BAD_OUTPUT, End.BAD_CALL)
    if is_whole and truth.is_told:
        return told, True
    return max(told, prices.bound), False


def _reason(truth: Truth) -> str:
    """Why the query would end, were there nobody else."""
    if truth.end is End.ANSWER:
        return ""
    if truth.end is End.BAD_OUTPUT:
        return "OUTPUT_INVALID"
    if truth.end is End.BAD_CALL:
        return "TOOL_CALL_INVALID"
    if truth.text or truth.reasoning:
        return "STREAM_TRUNCATED"
    return "PROVIDER_REJECTED" if truth.blame is Blame.CALLER else "PROVIDER_UNAVAILABLE"


def _is_throttled(truth: Truth) -> bool:
    """A wait helps against a rate; against a wrong key it does not, whatever was told."""
    return truth.blame in (Blame.RATE, Blame.PROVIDER)
