"""Imports point one way, and each foreign library has one place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.import_rules import PURE, findings
from tests.architecture.source import ROOT, server_modules, sources

SDK = "clients/python/src/chenu/"
COMMAND = ROOT / "server/chenu_server/__main__.py"
ENVIRONMENT = ("os.environ", "os.getenv", "from os import environ", "from os import getenv")


NEIGHBOURS = (
    "governance/budgets/decide",
    "governance/budgets/model",
    "infra/db/schema",
    "infra/db/writer",
    "governance/budgets/periods",
    "pipeline/lanes/__init__",
    "pipeline/ports",
    "pipeline/service",
    "pipeline/store",
    "upstream/server",
)


def found_in(root: Path, importer: str, statement: str) -> list[str]:
    """What the rules say of a server of empty modules, one of which imports something."""
    for name, text in {**dict.fromkeys(NEIGHBOURS, ""), importer: statement}.items():
        path = root / "server/chenu_server" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return findings(server_modules(root))


def test_imports_point_one_way() -> None:
    """A feature can be read, tested and replaced alone only while nothing reaches into it."""
    assert [] == findings(server_modules(ROOT))


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("pipeline/model", "from chenu_server.pipeline import ports"),
        ("pipeline/ports", "from chenu_server.pipeline import service"),
        ("pipeline/service", "from chenu_server.pipeline.servicer import X"),
        ("pipeline/lanes/intent", "from chenu_server.pipeline.service import X"),
        ("pipeline/drafts", "from chenu_server.pipeline.lanes import X"),
        ("pipeline/drafts", "from chenu_server.pipeline.service import X"),
        ("pipeline/encode", "import sqlalchemy as sa"),
        ("pipeline/service", "from chenu_server.pipeline import store"),
        ("pipeline/store", "import grpc"),
        ("pipeline/router_servicer", "import sqlalchemy as sa"),
        ("infra/db/reader", "import grpc"),
        ("infra/rpc/context", "import sqlalchemy as sa"),
        ("pipeline/service", "from chenu_server.governance.budgets.model import X"),
        ("governance/limits/decide", "import chenu_server.governance.budgets.model"),
        ("governance/budgets/decide", "from chenu_server.governance.budgets.tables import X"),
        ("governance/budgets/tables", "from chenu_server.governance.budgets.servicer import X"),
        ("governance/budgets/service", "from chenu_server.infra.db import writer"),
        ("operations/ask", "from chenu_server.governance.budgets.service import X"),
        ("pipeline/service", "from chenu_server.operations.admit import X"),
        ("infra/rpc/server", "from chenu_server.operations.admit import X"),
        ("infra/db/writer", "from chenu_server.governance.budgets.service import X"),
        ("infra/rpc/server", "from chenu_server.bootstrap import X"),
        ("errors", "from chenu_server.pipeline.model import X"),
        ("providers/catalog", "from chenu_server.pipeline.model import X"),
        ("governance/policy/decide", "from chenu_server._core import X"),
        ("pipeline/model", "import grpc"),
        ("pipeline/service", "from chenu.api.pipeline.v1 import event_pb2"),
        ("governance/budgets/decide", "import sqlalchemy as sa"),
        ("governance/budgets/tables", "import grpc"),
        ("pipeline/servicer", "import sqlalchemy as sa"),
        ("operations/ask", "from google.protobuf import timestamp_pb2"),
        ("command", "import sqlalchemy as sa"),
        ("providers/openai_wire", "import grpc"),
        ("cli/query", "def f() -> None:\n    from chenu_server.pipeline.service import X"),
        ("config/sections", "from chenu_server.bootstrap import X"),
        ("__main__", "from chenu_server.bootstrap import X"),
        ("bootstrap", "from chenu_server.upstream import X"),
        ("cli/dev", "from chenu_server.upstream import X"),
        ("providers/registry", "from chenu_server.upstream import X"),
        ("upstream/server", "from chenu_server.providers.registry import X"),
        ("pipeline/model", "from dataclasses import dataclass"),
        ("operations/ask", "from dataclasses import replace"),
    ],
)
def test_an_import_that_points_the_wrong_way_is_found(
    tmp_path: Path, importer: str, statement: str
) -> None:
    """The table of layers refuses what it was written to refuse."""
    assert 1 == len(found_in(tmp_path, importer, statement))


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("bootstrap", "from chenu_server.operations.admit import X"),
        ("pipeline/servicer", "import grpc"),
        ("pipeline/router_servicer", "from chenu_server.pipeline.service import X"),
        ("pipeline/encode", "from google.protobuf import timestamp_pb2"),
        ("governance/budgets/tables", "from chenu_server.infra.db import schema"),
        ("operations/ask", "from chenu_server.governance.budgets import decide"),
        ("governance/budgets/decide", "from chenu_server.governance.budgets.periods import X"),
        ("config/load", "from chenu_server.config.sections import X"),
        ("engine", "from chenu_server import _core"),
        ("pipeline/service", "from chenu_server.errors import ChenuError"),
        ("pipeline/ports", "from chenu_server.providers.ports import Provider"),
        ("pipeline/store", "import sqlalchemy as sa"),
        ("cli/query", "def f() -> None:\n    from chenu_server.bootstrap import X"),
        ("upstream/server", "from chenu_server.providers.catalog import X"),
        ("pipeline/model", "from chenu_server.values import dataclass, replace"),
        ("pipeline/store", "from dataclasses import fields"),
    ],
)
def test_an_import_that_points_the_right_way_is_allowed(
    tmp_path: Path, importer: str, statement: str
) -> None:
    """A gate that refuses the design's own arrows would be switched off."""
    assert [] == found_in(tmp_path, importer, statement)


@pytest.mark.skipif(not COMMAND.exists(), reason="there is no command line yet")
def test_the_command_line_loads_no_library_that_it_may_not_need() -> None:
    """`chenu --help` answers at once; gRPC and SQLAlchemy alone take longer to load."""
    program = "import sys, chenu_server.__main__; print(*sys.modules)"
    # A measured child loads the coverage tool's own libraries, SQLite among them.
    unmeasured = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=unmeasured, stdout=subprocess.PIPE, check=True
    )

    assert set() == set(PURE) & set(ran.stdout.decode().split())


def test_only_config_reads_the_environment() -> None:
    """A setting that a module reads by itself is one that `config show` cannot show."""
    readers = [
        file.path
        for file in sources(ROOT, ".py")
        if file.path.startswith("server/") and any(word in file.text for word in ENVIRONMENT)
    ]

    assert set(readers) <= {"server/chenu_server/config/load.py"}


def test_the_sdk_does_not_know_the_server() -> None:
    """The client is installed without the server."""
    assert [] == [
        file.path
        for file in sources(ROOT, ".py")
        if file.path.startswith(SDK) and "chenu_server" in file.text
    ]
