"""The contract's closed lists of words, for Python, Rust and the policies' schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contract import Enum, Value

_WORD: Final = re.compile(r"[A-Z_]+, wire name `([a-z_.]+)`(?:: |\. ?)?(.*)")
GENERATED: Final = "Generated from `proto/` by `make proto`: change it there."

# Each list by its name in the contract, and by its name here where that is another: a period's
# row, a query's state on its way through the lanes, have those names.
PYTHON: Final = {
    "PrincipalType": "",
    "Role": "",
    "ViolationType": "",
    "Intent": "",
    "Sphere": "",
    "OperationKind": "",
    "CheckpointType": "",
    "CheckpointState": "",
    "CheckpointDecision": "Decision",
    "ContentKind": "",
    "BudgetScope": "Scope",
    "BudgetPeriod": "Period",
    "ReservationState": "",
    "QueryMode": "Mode",
    "QueryState": "QueryStatus",
    "MessageRole": "",
    "PartKind": "",
    "ToolEffect": "",
    "ToolCallState": "",
    "ReleaseBasis": "",
    "Lane": "",
    "LaneStatus": "",
    "EventType": "EventKind",
}
RUST: Final = (
    "PrincipalType",
    "Role",
    "ViolationType",
    "Intent",
    "Sphere",
    "OperationKind",
    "QueryMode",
    "CheckpointType",
    "CheckpointState",
    "CheckpointDecision",
    "BudgetScope",
    "BudgetPeriod",
    "LedgerDecision",
    "LedgerAction",
    "QueryState",
    "Lane",
    "LaneStatus",
    "EventType",
    "PartKind",
    "ToolEffect",
    "ToolCallState",
    "ReleaseBasis",
)
# What stands between these lines of the policies' schema is replaced.
_BEGINS: Final = f"// The contract's lists. {GENERATED}"
_ENDS: Final = "// The end of the contract's lists."
CEDAR: Final = {
    "Role": "Role",
    "Sphere": "Sphere",
    "Intent": "Intent",
    "QueryMode": "Mode",
    "ToolEffect": "ToolEffect",
}


@dataclass(frozen=True)
class Word:
    """A value as it stands in rows, tokens and policies, and what it means."""

    name: str
    number: int
    text: str
    meaning: str


def words(enum: Enum) -> tuple[Word, ...]:
    """The words of a list, in the contract's order."""
    return tuple(_word(enum, value) for value in enum.values)


def _word(enum: Enum, value: Value) -> Word:
    found = _WORD.fullmatch(value.comment)
    if found is None:
        raise SystemExit(f"{enum.full_name}: the comment of {value.name} tells no wire name")
    meaning = found[2] or f"`{found[1]}`."
    return Word(value.name, value.number, found[1], meaning[0].upper() + meaning[1:])


def meaning_of(enum: Enum) -> str:
    """What a list is, as a sentence without its name."""
    said = re.sub(rf"^{enum.name} (is|says|are) ", "", enum.comment)
    return said[0].upper() + said[1:]


def python(enums: dict[str, Enum]) -> str:
    """The module of the lists, one class each."""
    return "".join(
        [
            f'"""The contract\'s closed lists of words.\n\n{GENERATED}\n"""\n\n',
            "from __future__ import annotations\n\nfrom chenu_server.word import Word\n",
            *(_class(enums[name], known or name) for name, known in PYTHON.items()),
        ]
    )


def _class(enum: Enum, name: str) -> str:
    members = "".join(
        f"    {word.name} = {word.text!r}, {word.number}\n".replace("'", '"')
        for word in words(enum)
    )
    summary = meaning_of(enum).partition(". ")[0].rstrip(".")
    return f'\n\nclass {name}(Word):\n    """{summary}."""\n\n{members}{_finals(enum, name)}'


def _finals(enum: Enum, name: str) -> str:
    """Which of its values the contract calls final, where it says so of some."""
    found = [f"{name}.{word.name}" for word in words(enum) if word.meaning.endswith(" Final.")]
    if not found:
        return ""
    docstring = '"""Whether nothing comes after it."""'
    return (
        f"\n    @property\n    def is_final(self) -> bool:\n        {docstring}\n"
        f"        return self in ({', '.join(found)})\n"
    )


def rust(enums: dict[str, Enum]) -> str:
    """The module of the lists, one enum each."""
    lines = ["//! The contract's closed lists of words.", "//!", f"//! {GENERATED}", ""]
    lines += ["use crate::word::words;"]
    for name in RUST:
        lines += _rust(enums[name], meaning_of(enums[name]), words(enums[name]))
    return "\n".join(lines) + "\n"


def rust_reasons(reasons: Enum) -> str:
    """The module of the reasons, as one list more."""
    lines = ["//! Why calls are refused, or fail.", "//!", f"//! {GENERATED}", ""]
    named = (Word(each.name, each.number, each.name, _is(each)) for each in reasons.values)
    lines += ["use crate::word::words;"]
    lines += _rust(reasons, "Why a call was refused, or failed.", tuple(named))
    return "\n".join(lines) + "\n"


def _is(reason: Value) -> str:
    said = reason.comment.partition(": ")[2].partition(". ")[0]
    return f"{said[0].upper()}{said[1:]}."


def _rust(enum: Enum, meaning: str, found: tuple[Word, ...]) -> Iterator[str]:
    yield from ("", "words! {", *_doc(f"{meaning} `{enum.full_name}`.", 4))
    yield f"    {enum.name} {{"
    for word in found:
        yield from _doc(word.meaning, 8)
        yield f'        {_camel(word.name)} = {word.number}, "{word.text}";'
    finals = [_camel(word.name) for word in found if word.meaning.endswith(" Final.")]
    yield "    }"
    if finals:
        yield f"    final {' '.join(finals)};"
    yield "}"


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _doc(text: str, indent: int) -> Iterator[str]:
    start = " " * indent + "/// "
    # Rustdoc wants names in backticks, where a comment of the contract may write them plainly.
    pieces = text.split("`")
    pieces[::2] = [re.sub(r"\b[A-Za-z]+_\w+", r"`\g<0>`", piece) for piece in pieces[::2]]
    yield from wrapped(start + "`".join(pieces), indent, start).splitlines()


def cedar(enums: dict[str, Enum], schema: str) -> str:
    """The policies' schema with the lists of the contract between its two marks."""
    before, _, rest = schema.partition(_BEGINS)
    _, _, after = rest.partition(_ENDS)
    if not after:
        raise SystemExit(f"the policies' schema has no lines {_BEGINS!r} and {_ENDS!r}")
    lines = [_BEGINS]
    for name, entity in CEDAR.items():
        listed = ", ".join(f'"{word.text}"' for word in words(enums[name]))
        lines += ["", f"// {meaning_of(enums[name])}", f"entity {entity} enum ["]
        lines += [*wrapped(f"  {listed}", 2).splitlines(), "];"]
    return before + "\n".join([*lines, "", _ENDS]) + after


def wrapped(text: str, indent: int, start: str = "", width: int = 100) -> str:
    """A text in lines of at most `width`, the first as it begins, the others begun by `start`."""
    start = start or " " * indent
    lines, rest = [], text
    while len(rest.rstrip("\n")) > width:
        cut = rest.rfind(" ", len(start), width + 1)
        lines.append(rest[:cut] + "\n")
        rest = start + rest[cut + 1 :]
    return "".join([*lines, rest])
