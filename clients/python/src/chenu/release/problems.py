"""Why a release is refused: act on the `problem`, never on the message."""

from __future__ import annotations

import enum


class ReleaseProblem(enum.StrEnum):
    """The first check that failed, in the order in which they are made."""

    MALFORMED = "malformed"
    """No JWS in compact form, too long, or with a header or JSON that no gateway writes."""
    WRONG_TYPE = "wrong_type"
    """A token for something else: `typ` is not `chenu-release+jwt`."""
    WRONG_ALGORITHM = "wrong_algorithm"
    """`alg` is not `EdDSA`."""
    UNKNOWN_KEY = "unknown_key"
    """`kid` names no Ed25519 key of the set: fetch the gateway's keys again, once."""
    BAD_SIGNATURE = "bad_signature"
    """It was changed, or is another key's."""
    MISSING_CLAIM = "missing_claim"
    """A claim is not there, or not of the form that a gateway writes."""
    WRONG_ISSUER = "wrong_issuer"
    """Another gateway's."""
    WRONG_AUDIENCE = "wrong_audience"
    """For another service."""
    WRONG_TOOL = "wrong_tool"
    """For another tool."""
    WRONG_ARGUMENTS = "wrong_arguments"
    """For other arguments, be it by one byte."""
    NOT_YET_VALID = "not_yet_valid"
    """Issued in the future: this machine's clock is behind, or the gateway's ahead."""
    EXPIRED = "expired"
    """Its time is over; the gateway does not make it anew."""
    REPLAYED = "replayed"
    """It was claimed before, in this process or another."""


class ReleaseError(Exception):
    """The call must not be executed. `problem` says which check failed; `str()` is for people."""

    def __init__(self, problem: ReleaseProblem, message: str) -> None:
        super().__init__(problem, message)
        self.problem = problem
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} [{self.problem}]"
