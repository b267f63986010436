"""Policies as files: the shipped ones and an operator's, checked before anything starts."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from chenu_server.engine import PolicySet
from chenu_server.governance.policy.decide import Policies

_SHIPPED = ("base.cedar", "sensitive.cedar")


def load_policies(operator_dir: Path | None) -> Policies:
    """
    The policies of this server.

    Raises:
        ValueError: A file does not parse, breaks the schema, or an operator's one is no forbid;
            names the file, the policy and why.
        OSError: The operator's directory cannot be read.
    """
    folder = resources.files("chenu_server.governance.policy").joinpath("cedar")
    schema = folder.joinpath("schema.cedarschema").read_text(encoding="utf-8")
    shipped = [(name, folder.joinpath(name).read_text(encoding="utf-8")) for name in _SHIPPED]
    operator = _operator_files(operator_dir)
    return Policies(PolicySet(schema=schema, shipped=shipped, operator=operator))


def _operator_files(folder: Path | None) -> list[tuple[str, str]]:
    if folder is None:
        return []
    files = sorted(folder.glob("*.cedar"))
    return [(file.name, file.read_text(encoding="utf-8")) for file in files]
