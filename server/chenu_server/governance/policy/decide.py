"""What the policies say about what is asked. Pure: the same facts get the same verdict."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from chenu_server.engine import CallVerdict, PolicyQuery, PolicySet, PolicyVerdict

REMEMBERED_MAX: Final = 4_096


class Facts(NamedTuple):
    """What policies decide on; the fields of `engine.PolicyQuery`.

    Without an amount a query is submitted; with one that much money is to be reserved.
    """

    principal_type: str
    principal_id: str
    identity_id: str
    roles: tuple[str, ...]
    acting_for: tuple[str, ...]
    operation: str
    mode: str
    intents: tuple[str, ...]
    detected_intents: tuple[str, ...]
    sphere: str
    target_kind: str
    target_id: str
    target_sphere: str
    spheres: tuple[str, ...]
    cross_sphere: bool
    sensitivity: str
    agent_role: str
    providers: tuple[str, ...]
    amount_nanousd: int | None = None


class Policies:
    """A checked set of policies. It remembers its last verdicts: services repeat themselves."""

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self.revision: Final = policies.revision
        # Of this set alone: what other policies said of the same facts must not be found behind a
        # reload.
        self.evaluate = lru_cache(maxsize=REMEMBERED_MAX)(self._evaluate)

    def evaluate_call(
        self, facts: Facts, *, name: str, effect: str, arguments: bytes
    ) -> CallVerdict:
        """What they say about a call of a tool that a model proposes to the query of these facts.

        Never remembered: no two calls have the same arguments often enough.
        """
        query = PolicyQuery(**facts._asdict())
        return self._policies.evaluate_call(query, name=name, effect=effect, arguments=arguments)

    def _evaluate(self, facts: Facts) -> PolicyVerdict:
        return self._policies.evaluate(PolicyQuery(**facts._asdict()))
