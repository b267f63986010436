"""Size, names and honesty: what every hand-written file of the tree keeps to."""

from __future__ import annotations

import re

import pytest

from tests.architecture import honesty_rules, name_rules, size_rules
from tests.architecture.source import ROOT, Source, sources

ENGINE = "core_rs/engine/src/"
# What would make a decision depend on more than its arguments.
IMPURE = re.compile(
    r"\b(?:SystemTime|Instant::now|std::(?:env|fs|io|net|process|thread|time)|pyo3|rand|tokio)\b"
)
RULES = "tests/architecture/"


def test_lines_functions_and_files_are_short() -> None:
    """What fits on a screen gets read."""
    files = sources(ROOT, ".py", ".rs", ".proto", ".sh")

    assert [] == [found for file in files for found in size_rules.findings(file)]


def test_names_say_something() -> None:
    """A file named after no subject collects everything."""
    files = sources(ROOT, ".py", ".rs", ".proto", ".sh")

    assert [] == [found for file in files for found in name_rules.findings(file)]


def test_nothing_swallows_every_error() -> None:
    """An error that nobody sees is a decision that nobody made."""
    assert [] == [found for file in sources(ROOT, ".py") for found in honesty_rules.swallowed(file)]


def test_every_lint_exception_has_a_reason() -> None:
    """An exception that nobody can explain cannot be removed either."""
    files = (file for file in sources(ROOT, ".py", ".rs") if not file.path.startswith(RULES))

    assert [] == [found for file in files for found in honesty_rules.silenced(file)]


def test_no_test_waits_for_a_set_time() -> None:
    """What takes a tenth of a second here takes ten where the machine is busy."""
    tests = (file for file in sources(ROOT, ".py") if file.path.startswith("tests/"))

    assert [] == [found for file in tests for found in honesty_rules.fixed_sleeps(file)]


def test_the_engine_takes_the_world_as_arguments() -> None:
    """A decision with a clock or a file inside cannot be replayed."""
    assert [] == [
        f"{file.path}: {match[0]}"
        for file in sources(ROOT, ".rs")
        if file.path.startswith(ENGINE)
        for match in IMPURE.finditer(file.text)
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("server/a.py", "x = 1\n" * 501),
        ("server/a.py", "x = " + "1" * 97),
        ("proto/a.proto", "// " + "a" * 98),
        ("server/a.py", "def f() -> None:\n" + "    g()\n" * 50),
        ("server/a.py", "class A:\n    async def f(self) -> None:\n" + "        g()\n" * 50),
        ("core_rs/engine/src/a.rs", 'fn f() {\n    g("}");\n' + "    g();\n" * 48 + "}\n"),
        ("core_rs/engine/src/a.rs", "fn f() {\n    // }\n" + "    g('}');\n" * 48 + "}\n"),
        ("core_rs/src/a.rs", "fn f(\n    a: u8,\n) {\n" + "    g();\n" * 13 + "}\n"),
    ],
)
def test_what_is_too_long_is_found(path: str, text: str) -> None:
    """The caps hold for methods, and braces in strings and comments hide nothing."""
    assert 1 == len(list(size_rules.findings(Source(path, text))))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("server/a.py", "x = 1\n" * 500),
        ("server/a.py", "def f() -> None:\n" + "    g()\n" * 49),
        ("core_rs/engine/src/a.rs", "fn f<'a>() {\n" + "    g();\n" * 48 + "}\nfn h() {}\n"),
        ("core_rs/src/a.rs", "fn f(\n    a: u8,\n) {\n" + "    g();\n" * 12 + "}\n"),
    ],
)
def test_what_just_fits_is_allowed(path: str, text: str) -> None:
    """The caps are the numbers that STYLE names, not one less."""
    assert [] == list(size_rules.findings(Source(path, text)))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("server/utils.py", ""),
        ("server/common/a.py", ""),
        ("server/a.py", "class BudgetManager: ..."),
        ("server/a.py", "def f(helper: int) -> None: ..."),
        ("server/a.py", "class A:\n    def f(self) -> None:\n        self.misc = 1"),
        ("core_rs/engine/src/a.rs", "    pub(crate) fn hash_util() {}"),
        ("proto/a.proto", "message CommonFields {\n  string id = 1;\n}"),
        ("proto/a.proto", "message A {\n  repeated string common_ids = 1;\n}"),
    ],
)
def test_a_name_that_says_nothing_is_found(path: str, text: str) -> None:
    """In file names, types, arguments, attributes and the contract alike."""
    assert 1 == len(list(name_rules.findings(Source(path, text))))


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    f()\nexcept:\n    pass",
        "try:\n    f()\nexcept Exception:\n    return None",
        "while f():\n    try:\n        g()\n    except (OSError, BaseException):\n        continue",
        "with contextlib.suppress(Exception):\n    f()",
    ],
)
def test_a_swallowed_error_is_found(text: str) -> None:
    """However it is spelt."""
    assert 1 == len(list(honesty_rules.swallowed(Source("server/a.py", text))))


def test_an_error_that_is_handled_is_no_swallowed_one() -> None:
    """Catching everything to answer it is what the outermost interceptor is for."""
    text = "try:\n    f()\nexcept Exception as error:\n    answer(error)\nexcept OSError:\n    pass"

    assert [] == list(honesty_rules.swallowed(Source("server/a.py", text)))


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("server/a.py", "import x  # noqa: F401", 1),
        ("server/a.py", "import x  # noqa", 1),
        ("server/a.py", "x = f()  # type: ignore[misc]", 1),
        ("server/a.py", "if x:  # pragma: no cover", 1),
        ("server/a.py", "import x  # noqa: F401 - re-exported", 0),
        ("server/a.py", "x = f()  # type: ignore[misc]  # the stub is wrong", 0),
        ("core_rs/src/a.rs", "#[allow(dead_code)]", 1),
        ("core_rs/src/a.rs", "#[expect(dead_code)]", 1),
        ("core_rs/src/a.rs", '#[expect(\n    dead_code,\n    reason = "x"\n)]', 0),
    ],
)
def test_an_exception_without_a_reason_is_found(path: str, text: str, found: int) -> None:
    """In Python and Rust alike."""
    assert found == len(list(honesty_rules.silenced(Source(path, text))))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("await asyncio.sleep(0.2)", 1),
        ("time.sleep(1)", 1),
        ("await asyncio.sleep(0)", 0),
        ("await asyncio.sleep(told_s(refusal))", 0),
        ("while not done():\n    time.sleep(0.01)", 0),
        ("for event in events:\n    time.sleep(2.5)", 1),
    ],
)
def test_a_fixed_sleep_is_found(text: str, found: int) -> None:
    """A poll between two looks is none, and neither is a wait that the server named."""
    assert found == len(list(honesty_rules.fixed_sleeps(Source("tests/a.py", text))))


def test_the_purity_pattern_sees_a_clock() -> None:
    """The pattern above is not one that matches nothing."""
    assert IMPURE.search("use std::time::Instant;")
