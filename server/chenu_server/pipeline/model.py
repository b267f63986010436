"""What the pipeline passes along. No library but the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chenu_server.action import Target
from chenu_server.engine import Prompt
from chenu_server.pipeline.conversation import Conversation
from chenu_server.providers.model import Rates
from chenu_server.providers.ports import Provider
from chenu_server.reasons import Reason
from chenu_server.values import dataclass, field
from chenu_server.vocabulary import Intent, Lane, LaneStatus, Mode, QueryStatus, Sphere

REQUEST_BYTES_MAX: Final = 262_144
CONTEXT_ITEMS_MAX: Final = 64
OPERATION: Final = "nova.query"
NOVA_ROLE: Final = "nova"


LANES: Final = tuple(Lane)


_FINAL: Final = frozenset(
    {
        QueryStatus.REJECTED,
        QueryStatus.EXPIRED,
        QueryStatus.COMPLETED,
        QueryStatus.FAILED,
        QueryStatus.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextItem:
    """A piece of data that the caller gives along."""

    kind: str
    id: str
    sphere: Sphere | None
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Which models may answer, and which of them first."""

    task_type: str = "chat"
    priority: str = "normal"
    strategy: str = "balanced"
    preferred_provider: str = ""
    preferred_model: str = ""
    required_capabilities: tuple[str, ...] = ()
    allowed_providers: tuple[str, ...] = ()
    forbidden_providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRequest:
    """One request to the Nova pipeline. Zero caps mean: none given.

    Identity, principal and acting-for are not here: they come from the token.
    """

    request_id: str
    conversation: Conversation
    mode: Mode = Mode.COMMAND
    intents: tuple[Intent, ...] = ()
    sphere: Sphere = Sphere.PERSONAL
    target: Target = Target()
    context_items: tuple[ContextItem, ...] = ()
    agent_role: str = ""
    routing: Routing = Routing()
    max_output_tokens: int = 0
    max_cost_nanousd: int = 0
    detached: bool = False
    resume_on_approval: bool = False
    validate_only: bool = False
    thread_id: str = ""
    run_id: str = ""
    labels: tuple[tuple[str, str], ...] = ()  # sorted by key
    agent_id: str = ""
    department: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Lane A: what the texts ask for.

    `intents` are those that decide: the declared ones and, of a command, the `detected` ones.
    """

    intents: tuple[Intent, ...]
    detected: tuple[Intent, ...]
    confidence: float
    entities: tuple[tuple[str, str], ...]
    keywords: tuple[str, ...]
    sensitivity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Lane B: what the query stands on, immutable, and its SHA-256."""

    snapshot_id: str
    content_hash: bytes
    spheres: tuple[Sphere, ...]
    crosses_spheres: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model of the chain and the most that an attempt with it can cost."""

    provider: str
    model: str
    bound_nanousd: int
    body_bytes: int
    extra_tokens: int
    dearest_input_rate: int  # of a prompt so long, as the bound has it
    output_rate: int
    rates: Rates
    instance_of: str = ""  # the provider of the catalogue that `provider` is an instance of


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A model that a hard constraint took out, and which; `missing` are capabilities."""

    provider: str
    model: str
    reason: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A candidate's factors and their weighted mean, each 0 to 1000.

    `preference` is why it stands before better ones, `score` where nothing makes it.
    """

    provider: str
    model: str
    score: int
    quality: int
    speed: int
    cost: int
    bound_nanousd: int
    preference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOverride:
    """An operator's order of models for a request: provider and model of each."""

    level: str  # `task`, `agent`, `department` or `global`
    name: str
    models: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a route rests on besides the models. Weights are of quality, speed and cost."""

    strategy: str
    weights: tuple[int, int, int]
    role_provider: str
    task_provider: str
    override: ModelOverride | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Lane C's last step: the chain, best first, and why it is so.

    `candidates`, `exclusions` and `basis` are filled for who asked for the reasons, and without a
    chain. `snapshot` names the catalogue, prices and signals that it was decided on, 8 bytes each.
    `providers` are those of that catalogue: what their names mean may change while a query runs.
    """

    chain: tuple[Candidate, ...]
    candidates: tuple[Scored, ...]
    exclusions: tuple[Exclusion, ...]
    dearest_bound_nanousd: int
    price_unknown: bool
    basis: Basis | None = None
    snapshot: bytes = b""
    providers: Mapping[str, Provider] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Lane C: the provider-neutral request, its route, and the digest an approval binds to."""

    prompt: Prompt
    output_cap: int
    cap_is_default: bool
    max_cost_nanousd: int
    action_digest: bytes
    route: Route


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneReport:
    """How one lane went. Durations are monotonic measures."""

    lane: Lane
    status: LaneStatus
    duration_us: int
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """Tokens as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0  # for the provider's usual time
    cache_write_hour_tokens: int = 0

    @property
    def total(self) -> int:
        """All tokens."""
        return (
            self.input_tokens
            + self.output_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.cache_write_hour_tokens
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a query ended: without a reason when it completed. `error` is what made its metadata."""

    reason: Reason | None = None
    message: str = ""
    error: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in a query's log: the last committed event seen, and the output seen."""

    sequence: int = 0
    attempt: int = 0
    part: int = 0
    offset: int = 0


START: Final = Cursor()
