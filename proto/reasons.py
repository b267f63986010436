"""The contract's reasons: the server's errors and their rows, the SDK's classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contract import Enum, Value
from vocabulary import GENERATED

_FORM: Final = re.compile(
    r"\w+: (?P<meaning>.+?) Status: (?P<status>[A-Z_]+)\. Metadata: (?P<keys>.+?)\."
    r" Retry: (?P<retry>no|yes|at)\. Do: .+? Message: (?P<message>.+?)\."
    r" SDK: (?P<sdk>\w+)\. CLI: (?P<exit>[a-z_]+); (?P<advice>.+)\."
)
_KEY: Final = re.compile(r"(?P<name>[a-z_]+)(?P<kind>\[\]|#|@)?(?P<may>\?)?(?:=(?P<value>.+))?")
_TYPES: Final = {None: "str", "[]": "tuple[str, ...]", "#": "int", "@": "int"}
_NOTHING: Final = {None: '""', "[]": "()", "#": "0", "@": "0"}
# What these carry beside their metadata is written by hand (`chenu_server.refusal`).
_BASES: Final = {
    "TOKEN_MISSING": "TokenRefused",
    "TOKEN_INVALID": "TokenRefused",
    "TOKEN_EXPIRED": "TokenRefused",
    "CHECKPOINT_PENDING": "Asking",
}


_OF: Final = '''

_OF: Final[dict[Reason, type[ChenuError]]] = {
    found.reason: found
    for found in tuple(globals().values())
    if isinstance(found, type) and issubclass(found, ChenuError) and hasattr(found, "reason")
}


def of(reason: Reason) -> type[ChenuError]:
    """The error of a reason."""
    return _OF[reason]
'''


@dataclass(frozen=True)
class Key:
    """A key of the metadata. `fixed` is its only value; empty: it has others."""

    name: str
    kind: str | None
    may_lack: bool
    fixed: str


@dataclass(frozen=True)
class Reason:
    """What a reason's comment says."""

    name: str
    number: int
    meaning: str
    status: str
    keys: tuple[Key, ...]
    retry: str
    message: str
    sdk: str
    exit: str
    advice: str

    @property
    def class_name(self) -> str:
        """The server's error of this reason."""
        return "".join(part.capitalize() for part in self.name.split("_"))


def reasons(enum: Enum) -> list[Reason]:
    """Every reason, by number."""
    return [_reason(value) for value in enum.values]


def _reason(value: Value) -> Reason:
    found = _FORM.fullmatch(value.comment)
    if found is None:
        raise SystemExit(f"the comment of the reason {value.name} has not the form of the others")
    keys = () if found["keys"] == "none" else tuple(map(_key, found["keys"].split(", ")))
    names = ("meaning", "status", "retry", "message", "sdk", "exit", "advice")
    reason = Reason(
        name=value.name, number=value.number, keys=keys, **{name: found[name] for name in names}
    )
    _check_message(reason)
    return reason


def _key(text: str) -> Key:
    found = _KEY.fullmatch(text)
    if found is None:
        raise SystemExit(f"{text!r} is no key of metadata")
    fixed = (found["value"] or "").replace("|", ",")
    return Key(found["name"], found["kind"], bool(found["may"]), fixed)


def _check_message(reason: Reason) -> None:
    known = {key.name for key in reason.keys if not key.fixed}
    known |= {"retry_after"} if reason.retry == "at" else set()
    known |= {"question"} if reason.name in _BASES else set()
    if unknown := set(re.findall(r"{(\w+)}", reason.message)) - known:
        raise SystemExit(f"the message of {reason.name} names {sorted(unknown)}, which it lacks")


def table(found: list[Reason]) -> str:
    """The server's module of reasons: one row each."""
    rows = "".join(f"    {reason.name} = (\n{''.join(_row(reason))}    )\n" for reason in found)
    return (
        f'"""Every reason for a refusal or failure, one row each.\n\n{GENERATED}\n"""\n\n'
        "from __future__ import annotations\n\n"
        "from typing import Final\n\nfrom chenu_server.reason import ReasonRow, Retry\n\n\n"
        f'class Reason(ReasonRow):\n    """What `ErrorInfo.reason` says."""\n\n{rows}'
        f"\n\nBY_NUMBER: Final = {{each.number: each for each in Reason}}\n"
        '"""Reasons by their numbers in the contract; none of a newer version."""\n'
    )


def _row(reason: Reason) -> Iterator[str]:
    fixed = {key.name: key.fixed for key in reason.keys if key.fixed}
    yield f"        {_quoted(reason.name)},\n        {reason.number},\n"
    yield f"        {_quoted(reason.status)},\n        Retry.{reason.retry.upper()},\n"
    yield from (_text(reason.message), _text(reason.exit), _text(reason.advice))
    if fixed:
        yield f"        {fixed!r},\n"


def _text(text: str) -> str:
    """An argument, in as many literals as lines of 100 take."""
    pieces, rest = [], text
    while len(_quoted(rest)) > 85:
        cut = rest.rfind(" ", 0, 82) + 1
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return "        " + "\n        ".join(map(_quoted, [*pieces, rest])) + ",\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def errors(found: list[Reason]) -> str:
    """The server's module of errors: one class each."""
    bases = sorted({_base(reason) for reason in found})
    return "".join(
        [
            '"""Refusals and failures that a caller may see: one class per reason.\n\n'
            "A refusal that changes what is stored is a value inside its command; it becomes\n"
            f'one of these at the service\'s edge.\n\n{GENERATED}\n"""\n\n',
            "from __future__ import annotations\n\nfrom typing import Final\n\n",
            "from chenu_server.reasons import Reason\n",
            *(f"from chenu_server.refusal import {base} as {base}\n" for base in bases),
            "from chenu_server.values import dataclass\n",
            *map(_class, found),
            _OF,
        ]
    )


def _base(reason: Reason) -> str:
    return _BASES.get(reason.name, "Retryable" if reason.retry == "at" else "ChenuError")


def _class(reason: Reason) -> str:
    meaning = reason.meaning[0].upper() + reason.meaning[1:]
    # The details of a status are the wire's; what a class is takes one sentence.
    docstring = f'    """{meaning.partition(". ")[0].rstrip(".")}."""'
    asked = sorted((key for key in reason.keys if not key.fixed), key=lambda key: key.may_lack)
    fields = "".join(map(_field, asked))
    return (
        f"\n\n@dataclass(eq=False)\nclass {reason.class_name}({_base(reason)}):\n{docstring}\n\n"
        f"    reason = Reason.{reason.name}\n{fields}"
    )


def _field(key: Key) -> str:
    name = f"{key.name}_us" if key.kind == "@" else key.name
    default = f" = {_NOTHING[key.kind]}" if key.may_lack else ""
    return f"    {name}: {_TYPES[key.kind]}{default}\n"


def messages(found: list[Reason]) -> str:
    """Rust's messages, which it fills in as the server does."""
    by_number = {reason.number: reason.message for reason in found}
    texts = (by_number.get(number, "") for number in range(max(by_number) + 1))
    rows = "".join(f"    {_quoted(text)},\n" for text in texts)
    return (
        "\n// By number.\n"
        f"const MESSAGES: [&str; {max(by_number) + 1}] = [\n{rows}];\n"
        "\nimpl ErrorReason {\n"
        "    /// What is said of it: `{key}` is a value; what stands in `[` and `]` falls away\n"
        "    /// where a value in it is empty.\n    #[must_use]\n"
        "    pub fn message(self) -> &'static str {\n"
        "        MESSAGES.get(usize::from(self.number())).copied().unwrap_or_default()\n"
        "    }\n}\n"
    )


def families(found: list[Reason]) -> str:
    """The SDK's module of reasons: its class and its gRPC status."""
    rows = "".join(
        f"    {_quoted(reason.name)}: ({_quoted(reason.sdk)}, {_quoted(reason.status)}),\n"
        for reason in found
    )
    return (
        '"""The class of `chenu.errors` and the gRPC status of each reason.\n\n'
        f'{GENERATED}\n"""\n\n'
        "from __future__ import annotations\n\nfrom collections.abc import Mapping\n"
        "from types import MappingProxyType\nfrom typing import Final\n\n"
        "REASONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(\n    {\n"
        f"{rows}    }}\n)\n"
    )
