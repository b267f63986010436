"""Policies as files: the shipped ones and an operator's, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from chenu_server.engine import PolicySet
from chenu_server.governance.policy.decide import Policies

_SHIPPED = ("base.cedar", "sensitive.cedar", "tools.cedar")


def load_policies(operator_dir: Path | None, *, tools: Sequence[tuple[str, str]] = ()) -> Policies:
    """
    The policies of this server, and of its tools, each a name and its JSON schema.

    Raises:
        ValueError: A file does not parse, breaks the schema, or an operator's one is no forbid;
            names the file, the policy and why. Or the operator's directory holds no policy, or a
            tool's schema is not one of an object.
        OSError: The operator's directory, or a file in it, cannot be read.
    """
    folder = resources.files("chenu_server.governance.policy").joinpath("cedar")
    schema = folder.joinpath("schema.cedarschema").read_text(encoding="utf-8")
    shipped = [(name, folder.joinpath(name).read_text(encoding="utf-8")) for name in _SHIPPED]
    # Given apart from the shipped ones, which an operator's can only narrow.
    operator = _operator_files(operator_dir)
    policies = PolicySet(schema=schema, shipped=shipped, operator=operator, tools=tools)
    return Policies(policies)


def _operator_files(folder: Path | None) -> list[tuple[str, str]]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise ValueError(
            f"policies.operator_dir {folder} is not a directory; correct the path, or leave the"
            " setting out to serve with the shipped policies alone"
        )
    # Not `glob`, which finds nothing in a directory that it may not read.
    files = sorted(file for file in folder.iterdir() if file.name.endswith(".cedar"))
    if not files:
        raise ValueError(
            f"policies.operator_dir {folder} holds no *.cedar file, so none of the operator's"
            " policies would hold; put them there, or leave the setting out"
        )
    return [(file.name, _text(file)) for file in files]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"policy file {file} is not UTF-8: {error.reason}; save it so") from None
