"""Which folders of policies a server takes: one that says nothing must not pass for one that does.

A server whose operator's policies are not there would allow what they forbid.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chenu_server.governance.policy.load import load_policies

FORBID = '@id("closed") forbid (principal, action, resource);'


def test_the_operators_files_are_loaded(tmp_path: Path) -> None:
    """Every one of them, and nothing else that lies beside them."""
    (tmp_path / "a.cedar").write_text(FORBID)
    (tmp_path / "b.cedar").write_text(FORBID.replace("closed", "shut"))
    (tmp_path / "notes.txt").write_text("not a policy")

    assert load_policies(tmp_path) is not None


@pytest.mark.parametrize("name", ["absent", "a-file"])
def test_a_path_that_is_no_directory_is_refused(name: str, tmp_path: Path) -> None:
    """One letter wrong in the path, and none of the policies would hold."""
    (tmp_path / "a-file").write_text(FORBID)
    with pytest.raises(ValueError, match=f"operator_dir .*{name} is not a directory"):
        load_policies(tmp_path / name)


@pytest.mark.parametrize("name", ["", "policies.txt", "forbid.cedar.bak"])
def test_a_directory_without_policies_is_refused(name: str, tmp_path: Path) -> None:
    """A volume that was not mounted is an empty directory."""
    if name:
        (tmp_path / name).write_text(FORBID)
    with pytest.raises(ValueError, match=r"holds no \*\.cedar file"):
        load_policies(tmp_path)


def test_a_policy_that_is_not_text_is_refused_by_name(tmp_path: Path) -> None:
    """Among many files the message must say which."""
    (tmp_path / "latin.cedar").write_bytes(b"// r\xe9serv\xe9\n" + FORBID.encode())
    with pytest.raises(ValueError, match=r"latin\.cedar is not UTF-8"):
        load_policies(tmp_path)


def test_a_policy_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A link to nowhere is a policy that is missing."""
    (tmp_path / "gone.cedar").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match=r"gone\.cedar"):
        load_policies(tmp_path)


def test_policies_know_the_tools_that_they_are_loaded_with(tmp_path: Path) -> None:
    """A policy about a tool is a mistake where the tool is not configured."""
    about = '@id("closed") forbid (principal, action == Action::"call_tool.refund", resource);'
    (tmp_path / "a.cedar").write_text(about)
    tool = ("refund", '{"type": "object"}')

    assert load_policies(tmp_path, tools=[tool]) is not None
    with pytest.raises(ValueError, match=r"^a\.cedar: closed: "):
        load_policies(tmp_path)
