"""Words that are taken in the languages that generate code from the contract."""

from __future__ import annotations

from typing import Final


def _of(text: str) -> frozenset[str]:
    return frozenset(text.split())


GO: Final = _of(
    "break case chan const continue default defer else fallthrough for func go goto if import"
    " interface map package range return select struct switch type var"
)
JAVA: Final = _of(
    "abstract assert boolean break byte case catch char class const continue default do double"
    " else enum extends final finally float for goto if implements import instanceof int interface"
    " long native new package private protected public return short static strictfp super switch"
    " synchronized this throw throws transient try void volatile while true false null"
)
C_SHARP: Final = JAVA | _of(
    "as base bool checked decimal delegate event explicit extern fixed foreach implicit in internal"
    " is lock namespace object operator out override params readonly ref sbyte sealed sizeof"
    " stackalloc string struct typeof uint ulong unchecked unsafe ushort using virtual"
)
RUST: Final = _of(
    "abstract as async await become box break const continue crate do dyn else enum extern false"
    " final fn for if impl in let loop macro match mod move mut override priv pub ref return self"
    " static struct super trait true try type typeof unsafe unsized use virtual where while"
    " yield"
)
KOTLIN: Final = _of(
    "as break class continue do else false for fun if in interface is null object package return"
    " super this throw true try typealias typeof val var when while"
)
TYPESCRIPT: Final = _of(
    "arguments await break case catch class const continue debugger default delete do else enum"
    " eval export extends false finally for function if implements import in instanceof interface"
    " let new null package private protected public return static super switch this throw true try"
    " typeof var void while with yield constructor prototype"
)
SWIFT: Final = _of(
    "as associatedtype break case catch class continue default defer deinit do else enum extension"
    " fallthrough false fileprivate for func guard if import in init inout internal is let nil"
    " open operator precedencegroup private protocol public repeat rethrows return self static"
    " struct subscript super switch throw throws true try typealias var where while"
)
