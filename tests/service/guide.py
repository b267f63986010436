"""The README's guide to tool calls, as its reader takes it: its examples, word for word."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

README: Final = Path(__file__).parents[2] / "README.md"
_SECTION: Final = re.compile(r"^## Tool calls\n(.*?)^## ", re.DOTALL | re.MULTILINE)
_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples(language: str) -> list[str]:
    """The section's examples in a language, in their order."""
    section = _SECTION.search(README.read_text(encoding="utf-8"))
    assert section is not None
    return [text for kind, text in _FENCE.findall(section[1]) if kind == language]


(CONFIGURATION,) = examples("toml")
POLICIES, STOP = examples("cedar")
BACKEND, EXECUTOR = examples("python")


def configured(folder: Path) -> dict[str, Any]:
    """The guide's configuration with its policies in a folder, and a key that is the test's own."""
    policies = folder / "policies"
    policies.mkdir()
    (policies / "tools.cedar").write_text(POLICIES, encoding="utf-8")
    said = tomllib.loads(CONFIGURATION)
    return {
        "policies.operator_dir": str(policies),
        "tools.unlisted": said["tools"]["unlisted"],
        "tools.named": said["tools"]["named"],
    }
