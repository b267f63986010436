"""What a random walk asks: who, with which words and files, of whom, at which price."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any, Final

from chenu_server.caller import Caller, Principal
from chenu_server.engine import Prompt
from chenu_server.pipeline import drafts
from chenu_server.pipeline.conversation import (
    ChatMessage,
    Conversation,
    Medium,
    Part,
    ResponseFormat,
    asked,
    text_part,
)
from chenu_server.pipeline.model import (
    Analysis,
    Candidate,
    Encoded,
    Exclusion,
    LaneReport,
    QueryRequest,
    Route,
    Snapshot,
    Target,
)
from chenu_server.pipeline.ports import Admission
from chenu_server.pipeline.records import QueryContent
from chenu_server.providers.model import Rates
from chenu_server.units.judge import bound_at
from chenu_server.vocabulary import (
    Intent,
    Lane,
    LaneStatus,
    MessageRole,
    Mode,
    PartKind,
    PrincipalType,
    Role,
    Sphere,
)

_PROMPT: Final = Prompt(asked("Do it").messages)
IDENTITIES: Final = ("acme", "beta")
PROVIDERS: Final = ("first", "second", "third")
ROLES: Final = ("", "nova", "writer")
SPHERES: Final = (Sphere.PERSONAL, Sphere.BUSINESS, Sphere.SCHOLAR)

USER, SERVICE, AGENT = PrincipalType.USER, PrincipalType.SERVICE, PrincipalType.AGENT
PRINCIPALS: Final = (
    Principal(type=USER, id="ann"),
    Principal(type=USER, id='bob: "é"\\'),
    Principal(type=SERVICE, id="backend"),
    Principal(type=AGENT, id="nova"),
)
ACTING_FOR: Final = ((), (), ("user:ann",), ("agent:writer", "user:zoé"))

TEXTS: Final = (
    "Do it",
    "Fais-le, s'il te plaît",
    'say "no" \\ and \b\f\t\r\n',
    "nul \x00 bell \x07 delete \x7f",
    "👩‍👩‍👧 and 𝄞 and e\u0301",
    "a line\u2028a paragraph\u2029a bom \ufeff",
    "<!-- </script> & ' -->",
    "%41=%2C,{x}[y]",
)
# Around what a preview and the ledger keep of a text: 500 and 100 characters.
LONGER: Final = ("x" * 600, "é" * 501, "𝄞" * 499 + "ab", "ü" * 500, "日" * 99 + "\x00!")

INTENTS: Final = (
    (Intent.QUERY,),
    (Intent.QUERY,),
    (Intent.QUERY, Intent.UPDATE),
    (Intent.CREATE, Intent.ANALYZE),
    (Intent.DELETE,),
    (Intent.SEND, Intent.PAYMENT),
    (Intent.DELETE, Intent.TRANSFER),
    (Intent.UPDATE, Intent.PAYMENT, Intent.DELETE),
    (),
)
PRICES: Final = (1_000_000, 1_000_000, 2_000_000, 3_000_000, 0)
FREE: Final = (0,)
FILES: Final = tuple(sha256(bytes([number])).hexdigest() for number in range(3))
MODELS: Final = ("model", "m,1", "m=2%", "m{3}[4]", "größe-5")
REASONS: Final = ("price_unknown", "regions", "capabilities", "body_bytes")
MISSING: Final = ((), ("vision",), ("tools", "", "a,b"), ("vision", "x=%"))


def words(dice: Random) -> str:
    """A text that somebody wrote: awkward, and now and then long."""
    return dice.choice(LONGER if dice.random() < 0.15 else TEXTS)


def caller(dice: Random, identity_id: str = "") -> Caller:
    """Who calls, mostly a member of an identity."""
    owner = identity_id or dice.choice((*IDENTITIES * 4, "system"))
    roles = dice.choice(((Role.MEMBER,),) * 20 + ((), (Role.APPROVER, Role.MEMBER)))
    return Caller(
        principal=dice.choice(PRINCIPALS),
        identity_id=owner,
        roles=frozenset(roles),
        acting_for=dice.choice(ACTING_FOR),
        method="/chenu.api/Ask",
        peer=dice.choice(("ipv4:127.0.0.1:9", "unix:\u2028")),
    )


def candidate(dice: Random, provider: str, cap: int, price: int) -> Candidate:
    """A model that costs so many nano-USD for a million tokens that it reads."""
    rates = Rates(
        input=price,
        output=dice.choice((price, 2 * price, price * 4 // 3)),
        cache_read=price // 10,
        cache_write=dice.choice((0, price * 5 // 4)),
        cache_write_hour=2 * price,
        source=dice.choice(("test", "catalogue 7")),
    )
    made = Candidate(
        provider=provider,
        model=dice.choice(MODELS),
        bound_nanousd=0,
        body_bytes=dice.randint(1, 300),
        extra_tokens=dice.choice((0, 0, 17)),
        rates=rates,
        instance_of=dice.choice(("", "", "vendor")),
    )
    return replace(made, bound_nanousd=bound_at(made, cap))


def route(dice: Random, cap: int) -> Route:
    """One to three who may be called, seldom nobody."""
    count = dice.choice((0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3))
    prices = FREE if dice.random() < 0.12 else PRICES
    names = PROVIDERS if dice.random() < 0.5 else dice.sample(PROVIDERS, 3)
    chain = tuple(candidate(dice, name, cap, dice.choice(prices)) for name in names[:count])
    told = tuple(
        Exclusion(
            provider=dice.choice(PROVIDERS),
            model=dice.choice(MODELS),
            reason=dice.choice(REASONS),
            missing=dice.choice(MISSING),
        )
        for _ in range(0 if chain else dice.choice((0, 1, 3, 11)))
    )
    return Route(
        chain=chain,
        candidates=(),
        exclusions=told,
        dearest_bound_nanousd=max((each.bound_nanousd for each in chain), default=0),
        price_unknown=not chain and dice.random() < 0.5,
        snapshot=dice.choice((b"", bytes(range(24)))),
    )


def encoded(dice: Random) -> Encoded:
    """What lane C makes: with the caller's own cap, or one that may be lowered."""
    cap = dice.choice((1, 200, 1_000, 1_000))
    routed = route(dice, cap)
    dearest = routed.dearest_bound_nanousd
    return Encoded(
        prompt=_PROMPT,
        output_cap=cap,
        cap_is_default=dice.random() < 0.5,
        max_cost_nanousd=dice.choice((dearest, dearest, dearest // 2 + 1)),
        action_digest=sha256(bytes([dice.randrange(8)])).digest(),
        route=routed,
    )


def conversation(dice: Random) -> Conversation:
    """Texts, and seldom files, of which one may stand in it twice."""
    parts = [text_part(words(dice)) for _ in range(dice.choice((1, 1, 2)))]
    if dice.random() < 0.1:
        parts += [_image(dice.choice(FILES)) for _ in range(dice.choice((1, 2)))]
    kind = dice.choice(("text", "text", "json", "json_schema"))
    return Conversation(
        messages=(ChatMessage(MessageRole.USER, tuple(parts)),),
        response_format=ResponseFormat(kind=kind),
    )


def _image(digest: str) -> Part:
    media = Medium(media_type="image/png", sha256=digest, size=3, width=1, height=1)
    return Part(kind=PartKind.IMAGE, text="", media=media)


def request(dice: Random, request_id: str, intents: tuple[Intent, ...]) -> QueryRequest:
    """What somebody asks under an id."""
    labels = {word: words(dice) for word in dice.sample(("a", "é", "z\u2028"), dice.randrange(3))}
    return QueryRequest(
        request_id=request_id,
        conversation=conversation(dice),
        mode=dice.choice((Mode.COMMAND, Mode.GENERATION)),
        intents=intents,
        sphere=dice.choice(SPHERES),
        target=Target(
            operation=dice.choice(("", "file.delete")),
            kind=dice.choice(("", "file")),
            id=dice.choice(("", 'a "b"/c')),
            sphere=dice.choice((None, *SPHERES)),
        ),
        agent_role=dice.choice(ROLES),
        resume_on_approval=dice.random() < 0.5,
        thread_id=dice.choice(("", "thread-1")),
        run_id=dice.choice(("", "run-ü")),
        labels=tuple(sorted(labels.items())),
    )


def admission(dice: Random, request_id: str, now_ns: int, who: Caller | None = None) -> Admission:
    """A query after lanes A to C."""
    who = who or caller(dice)
    intents = dice.choice(INTENTS)
    wanted = request(dice, request_id, intents)
    found = analysis(dice, intents)
    return Admission(
        caller=who,
        request=wanted,
        content_digest=sha256(bytes([dice.randrange(4)])).digest(),
        content=QueryContent(
            identity_id=who.identity_id,
            request_id=request_id,
            request='{"é":"\\u2028"}',
            plan=dice.choice(("{}", '{"cap":1}')),
        ),
        analysis=found,
        snapshot=Snapshot(
            snapshot_id="snapshot",
            content_hash=sha256(request_id.encode()).digest(),
            spheres=(wanted.sphere,),
            crosses_spheres=dice.random() < 0.15,
        ),
        encoded=encoded(dice),
        deadline_ms=dice.choice((1, 60_000, 300_000)),
        drafts=(drafts.pipeline_start(wanted, found), drafts.lane_start(Lane.D_GOVERNANCE)),
        lanes=reports(dice),
        lane_started_ns=now_ns - dice.choice((-5_000_000, 0, 999, 7_654_321)),
    )


def analysis(dice: Random, intents: tuple[Intent, ...]) -> Analysis:
    """What lane A makes of it."""
    return Analysis(
        intents=intents,
        detected=intents[: dice.randrange(3)],
        confidence=0.9,
        entities=(),
        keywords=(),
        sensitivity=dice.choice(("internal", "restricted")),
    )


def reports(dice: Random) -> tuple[LaneReport, ...]:
    """How lanes A to C went."""
    lanes = (Lane.A_INTENT, Lane.B_CONTEXT, Lane.C_ENCODING)
    return tuple(
        LaneReport(
            lane=lane,
            status=LaneStatus.COMPLETED,
            duration_us=dice.randrange(3),
            summary=dice.choice(("", "", words(dice))),
        )
        for lane in lanes
    )


def under(admission: Admission, request_id: str, **fields: Any) -> Admission:
    """The same under another id, and with other `fields`."""
    changed = replace(admission, **fields)
    owner = changed.caller.identity_id
    content = replace(changed.content, identity_id=owner, request_id=request_id)
    return replace(
        changed, request=replace(changed.request, request_id=request_id), content=content
    )
