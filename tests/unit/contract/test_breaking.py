"""What may break until 1.0 is listed with a line of the changelog; nothing else may."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from scripts import allowed_breaks
from tests.unit.contract.test_proto import BUF, ROOT

PROTO: Final = "proto/thing.proto"
BEFORE: Final = """\
syntax = "proto3";
package thing.v1;
message Thing {
  string name = 1;
  string color = 2;
}
"""
RENAMED: Final = BEFORE.replace("color", "colour")
SAYS: Final = (
    'FIELD_SAME_JSON_NAME: Field "2" with name "colour" on message "Thing" changed option'
    ' "json_name" from "color" to "colour".',
    'FIELD_SAME_NAME: Field "2" on message "Thing" changed name from "color" to "colour".',
)
LINE: Final = "`Thing.color` is now `Thing.colour`"
CHANGELOG: Final = f"## [Unreleased]\n\n- {LINE.replace(' now ', ' now' + chr(10) + '  ')}.\n"


@dataclass(frozen=True)
class Repository:
    """A small project with a contract and the scripts of ours; `main` has the contract BEFORE."""

    root: Path

    def write(self, **files: str) -> None:
        """Change files; `__` stands for `/` and the last `_` for the dot."""
        for name, text in files.items():
            folder, _, last = name.rpartition("__")
            path = self.root / folder.replace("__", "/") / ".".join(last.rsplit("_", 1))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def allow(self, *says: str, line: str = LINE) -> None:
        """List breaks of the one file under a line of the changelog."""
        listed = "\n".join(f"  '{each}'," for each in says)
        table = f'[[allowed]]\nchangelog = "{line}"\npath = "{PROTO}"\nbreaks = [\n{listed}\n]\n'
        (self.root / "proto/allowed_breaks.toml").write_text(table, encoding="utf-8")

    def git(self, *arguments: str) -> None:
        """A command on this repository, by nobody."""
        nobody = {
            f"GIT_{who}_{what}": "n@localhost"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        config = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env=os.environ | nobody | config,
            check=True,
            capture_output=True,
        )

    def check(self) -> tuple[int, str]:
        """What the script of ours says of the files as they are, against `main`."""
        command = [self.root / "scripts/check_breaking.sh", BUF]
        bare = {name: value for name, value in os.environ.items() if name != "BASE"}
        done = subprocess.run(
            command, cwd=self.root, env=bare, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """On a branch that has changed nothing yet."""
    made = Repository(tmp_path)
    for name in ("__init__.py", "check_breaking.sh", "allowed_breaks.py"):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts" / name)
    made.write(
        proto__buf_yaml="version: v2\nbreaking:\n  use: [WIRE_JSON]\n",
        proto__thing_proto=BEFORE,
        CHANGELOG_md="## [Unreleased]\n",
        pyproject_toml='[project]\nversion = "0.1.0"\n',
    )
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message=before")
    made.git("checkout", "--quiet", "-b", "change")
    made.write(README_md="")
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message=change")
    return made


def test_a_contract_that_only_grows_passes(repository: Repository) -> None:
    """The usual case needs no list."""
    repository.write(proto__thing_proto=BEFORE.replace("}", "  string shape = 3;\n}"))

    assert 0 == repository.check()[0]


def test_a_break_that_is_not_listed_fails(repository: Repository) -> None:
    """It is shown as it would stand in the list, for whoever means it."""
    repository.write(proto__thing_proto=RENAMED)

    status, said = repository.check()

    assert 0 != status
    assert set(SAYS) == {each for each in SAYS if f"'{each}'," in said}


def test_a_listed_break_with_its_line_passes(repository: Repository) -> None:
    """The changelog may break its lines where it likes."""
    repository.write(proto__thing_proto=RENAMED, CHANGELOG_md=CHANGELOG)
    repository.allow(*SAYS)

    assert 0 == repository.check()[0]


@pytest.mark.parametrize("line", [LINE, "", " "])
def test_a_listed_break_without_its_line_fails(repository: Repository, line: str) -> None:
    """Whoever is broken must be able to read it."""
    repository.write(proto__thing_proto=RENAMED)
    repository.allow(*SAYS, line=line)

    status, said = repository.check()

    assert 0 != status
    assert "CHANGELOG.md has no line" in said


def test_a_list_allows_what_it_names_and_no_more(repository: Repository) -> None:
    """One break of a change is no leave for another, in the same field or a file beside it."""
    repository.write(proto__thing_proto=RENAMED, CHANGELOG_md=CHANGELOG)
    repository.allow(SAYS[0])

    status, said = repository.check()

    assert 0 != status
    assert (False, True) == (f"'{SAYS[0]}'," in said, f"'{SAYS[1]}'," in said)


def test_an_entry_that_the_base_has_left_behind_does_no_harm(repository: Repository) -> None:
    """It is said, and goes with the release; merging a break must not turn the gate red."""
    repository.write(proto__thing_proto=RENAMED, CHANGELOG_md=CHANGELOG)
    repository.allow(*SAYS)
    repository.git("commit", "--quiet", "--all", "--message=rename")
    repository.git("branch", "--force", "main")
    repository.write(CHANGELOG_md=CHANGELOG + "\n")
    repository.git("commit", "--quiet", "--all", "--message=next")

    status, said = repository.check()

    assert 0 == status
    assert "the base has it already" in said


def test_nothing_may_break_since_1_0(repository: Repository) -> None:
    """The promise of a stable version is not a matter of lists."""
    repository.write(
        proto__thing_proto=RENAMED,
        CHANGELOG_md=CHANGELOG,
        pyproject_toml='[project]\nversion = "1.0.0"\n',
    )
    repository.allow(*SAYS)

    status, said = repository.check()

    assert 0 != status
    assert "since 1.0 nothing may break" in said


@pytest.mark.parametrize(
    "text", ["[[allowed]", '[[allowed]]\nchangelog = "a"\n', "[[allowed]]\nrule = 'x'\n"]
)
def test_a_list_that_cannot_be_read_fails(repository: Repository, text: str) -> None:
    """A mistake in it must not read as an empty list."""
    (repository.root / "proto/allowed_breaks.toml").write_text(text, encoding="utf-8")

    status, said = repository.check()

    assert 0 != status
    assert "proto/allowed_breaks.toml cannot be read" in said


def test_a_contract_that_does_not_compile_fails(repository: Repository) -> None:
    """No finding is not the same as nothing found."""
    repository.write(proto__thing_proto="syntax = ;")

    assert 0 != repository.check()[0]


def test_our_own_list_can_be_read_and_every_line_of_it_is_there() -> None:
    """Against any base, also one that has all of it."""
    allowed = allowed_breaks.allowed_in(ROOT)

    assert [] == list(allowed_breaks.problems(ROOT, [], allowed))
