"""Generate the Python stubs from the contract: `python proto/generate.py`. Needs no network.

The stubs are committed, so that the SDK and the server install without a compiler. Their bytes
depend on the generators' versions; those are pinned here, and any other version is refused.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import metadata, resources
from pathlib import Path
from typing import Final

from grpc_tools import protoc  # type: ignore[import-untyped]  # it ships no types

PROTO: Final = Path(__file__).resolve().parent
STUBS: Final = PROTO.parent / "clients" / "python" / "src"
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


def generate(out: Path) -> None:
    """Write the stubs of every .proto file below `out`."""
    sources = sorted(path.relative_to(PROTO).as_posix() for path in PROTO.rglob("*.proto"))
    services = [source for source in sources if source.endswith("_service.proto")]
    _compile([f"--python_out={out}", f"--mypy_out=quiet:{out}", *sources])
    _compile([f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}", *services])
    _mark_packages(out, sources)


def _compile(arguments: list[str]) -> None:
    generators = Path(sys.executable).parent
    paths = [
        f"--proto_path={PROTO}",
        f"--proto_path={resources.files('grpc_tools') / '_proto'}",
        f"--plugin=protoc-gen-mypy={generators / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={generators / 'protoc-gen-mypy_grpc'}",
    ]
    if protoc.main(["protoc", *paths, *arguments]) != 0:
        raise SystemExit("protoc refused the contract; its messages stand above")


def _mark_packages(out: Path, sources: list[str]) -> None:
    """Give every generated folder below `chenu/api` an `__init__.py`."""
    folders = {parent for source in sources for parent in Path(source).parents}
    for folder in sorted(folders, key=str):
        if folder.parts[:2] == ("chenu", "api"):
            (out / folder / "__init__.py").write_text(
                f'"""Generated stubs of `{".".join(folder.parts)}`."""\n', encoding="utf-8"
            )


def stubs(root: Path) -> dict[str, bytes]:
    """Every generated file below `root`, by path."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted((root / "chenu" / "api").rglob("*"))
        if path.is_file() and path.suffix in {".py", ".pyi"}
    }


def stale() -> list[str]:
    """The committed stubs that differ from what the contract gives, by path."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, committed = stubs(Path(folder)), stubs(STUBS)
    return sorted(
        name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name)
    )


def rewrite() -> None:
    """Replace the committed stubs; what the contract no longer has goes."""
    for name in stubs(STUBS):
        (STUBS / name).unlink()
    generate(STUBS)


def main() -> None:
    """Rewrite the stubs, or with `--check` say which are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    check_versions()
    if not parser.parse_args().check:
        rewrite()
    elif found := stale():
        raise SystemExit("stale stubs, run `python proto/generate.py`: " + ", ".join(found))


if __name__ == "__main__":
    main()
