"""One proof per reason for a refusal; importing this package collects them in `PROOFS`."""

from tests.service.proofs import callers, decisions, money, providers, rates, rest, tools
from tests.service.proofs.registry import PROOFS, Proof

__all__ = [
    "PROOFS",
    "Proof",
    "callers",
    "decisions",
    "money",
    "providers",
    "rates",
    "rest",
    "tools",
]
