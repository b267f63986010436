"""Generate all that is made from the contract: `python proto/generate.py`. Needs no network.

That is the Python stubs, and the closed lists of words and reasons as Python, Rust and the
policies' schema have them. All of it is committed, so that SDK, engine and server build without a
compiler for the contract. The stubs' bytes depend on the generators' versions; those are pinned
here, and any other version is refused.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import reasons
import vocabulary
from contract import PROTO, enums, run_protoc, sources

ROOT: Final = PROTO.parent
STUBS: Final = "clients/python/src"
SCHEMA: Final = "server/chenu_server/governance/policy/cedar/schema.cedarschema"
PINNED: Final = {"grpcio-tools": "1.85.1", "mypy-protobuf": "5.1.0"}


def check_versions() -> None:
    """Refuse to generate with other generators than the pinned ones."""
    for distribution, pinned in PINNED.items():
        found = metadata.version(distribution)
        if found != pinned:
            raise SystemExit(
                f"{distribution} {found} is installed, but stubs are made with {pinned}; "
                f"install {distribution}=={pinned}, or change the pin in {__file__} and regenerate"
            )


def generate(root: Path) -> None:
    """Write every generated file below `root`, each where it stands in the project."""
    stubs = root / STUBS
    stubs.mkdir(parents=True, exist_ok=True)
    services = [source for source in sources() if source.endswith("_service.proto")]
    _compile([f"--python_out={stubs}", f"--mypy_out=quiet:{stubs}", *sources()])
    _compile([f"--grpc_python_out={stubs}", f"--mypy_grpc_out=quiet:{stubs}", *services])
    _mark_packages(stubs)
    for name, text in texts().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def _compile(arguments: list[str]) -> None:
    generators = Path(sys.executable).parent
    run_protoc(
        [
            f"--plugin=protoc-gen-mypy={generators / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={generators / 'protoc-gen-mypy_grpc'}",
            *arguments,
        ]
    )


def _mark_packages(out: Path) -> None:
    """Give every generated folder below `chenu/api` an `__init__.py`."""
    folders = {parent for source in sources() for parent in Path(source).parents}
    for folder in sorted(folders, key=str):
        if folder.parts[:2] == ("chenu", "api"):
            (out / folder / "__init__.py").write_text(
                f'"""Generated stubs of `{".".join(folder.parts)}`."""\n', encoding="utf-8"
            )


def texts() -> dict[str, str]:
    """What the contract's lists of words and reasons become, by the file's path."""
    lists = enums()
    found = reasons.reasons(lists["ErrorReason"])
    python = {
        "server/chenu_server/vocabulary.py": vocabulary.python(lists),
        "server/chenu_server/reasons.py": reasons.table(found),
        "server/chenu_server/errors.py": reasons.errors(found),
        "clients/python/src/chenu/reasons.py": reasons.families(found),
    }
    return {name: _formatted(name, text) for name, text in python.items()} | {
        "core_rs/engine/src/vocabulary.rs": vocabulary.rust(lists),
        "core_rs/engine/src/reasons.rs": vocabulary.rust_reasons(lists["ErrorReason"])
        + reasons.messages(found),
        SCHEMA: vocabulary.cedar(lists, (ROOT / SCHEMA).read_text(encoding="utf-8")),
    }


def _formatted(name: str, text: str) -> str:
    ruff = [str(Path(sys.executable).parent / "ruff"), "format", "--stdin-filename", name, "-"]
    done = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def stubs(root: Path) -> Iterator[Path]:
    """Every stub below `root`."""
    for path in sorted((root / STUBS / "chenu" / "api").rglob("*")):
        if path.is_file() and path.suffix in {".py", ".pyi"}:
            yield path


def contents(root: Path) -> dict[str, bytes]:
    """Every generated file below `root`, by path."""
    made = [*stubs(root), *(path for name in texts() if (path := root / name).exists())]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in made}


def stale() -> list[str]:
    """The committed files that differ from what the contract gives, by path."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, committed = contents(Path(folder)), contents(ROOT)
    return sorted(
        name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name)
    )


def rewrite() -> None:
    """Replace the committed files; what the contract no longer has goes."""
    for path in stubs(ROOT):
        path.unlink()
    generate(ROOT)


def main() -> None:
    """Rewrite what is generated, or with `--check` say which of it is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    check_versions()
    if not parser.parse_args().check:
        rewrite()
    elif found := stale():
        raise SystemExit("stale, run `make proto`: " + ", ".join(found))


if __name__ == "__main__":
    main()
