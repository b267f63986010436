"""Processes that are started for a test end as they are told, and say why they failed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from loadtest.processes import Process, ProcessFailed, ServerProcess, UpstreamProcess

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


def up(process: Process) -> None:
    """Wait until it runs its own code."""
    process.until(lambda: "up" in process.output() or None, "come up", 20)


def test_what_ends_too_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    """Else a failed start looks like a slow one, and its reason stays in a file."""
    script = "import sys; print('no such table'); sys.exit(3)"
    with (
        Process("child", ("-c", script), directory=tmp_path) as process,
        pytest.raises(ProcessFailed, match=r"(?s)ended with 3 before.*no such table"),
    ):
        process.until(lambda: None, "served", 20)


def test_what_is_late_is_given_up(tmp_path: Path) -> None:
    """A test that hangs tells nothing."""
    with (
        Process("child", ("-c", SLEEP), directory=tmp_path) as process,
        pytest.raises(ProcessFailed, match=r"has not served within 0\.1 s"),
    ):
        process.until(lambda: None, "served", 0.1)


def test_a_killed_process_finishes_nothing(tmp_path: Path) -> None:
    """Crash tests need the real thing: no handler runs."""
    script = f"import atexit; atexit.register(print, 'tidied'); {SLEEP}"
    with Process("child", ("-c", script), directory=tmp_path) as process:
        up(process)
        process.kill()

        assert -signal.SIGKILL == process.wait()
        assert "tidied" not in process.output()


def test_what_does_not_stop_is_killed(tmp_path: Path) -> None:
    """Nothing that was started here may outlive its test."""
    with Process("child", ("-c", DEAF), directory=tmp_path) as process:
        up(process)
        with pytest.raises(ProcessFailed, match="did not end"):
            process.terminate(0.1)

        assert not process.running


def test_leaving_the_block_ends_the_process(tmp_path: Path) -> None:
    """Also when the test inside has failed."""
    with Process("child", ("-c", SLEEP), directory=tmp_path) as process:
        up(process)

    assert -signal.SIGTERM == process.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_restart_keeps_the_first_log_and_reads_its_own(tmp_path: Path) -> None:
    """The port of the first run must not be taken for that of the second."""
    for word in ("first", "second"):
        process = Process("child", ("-c", f"print({word!r})"), directory=tmp_path)
        process.wait()

    assert "second\n" == process.output()
    assert "first\nsecond\n" == process.log.read_text()


def test_a_server_is_configured_by_its_settings_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a developer has in the environment must not change what a test tests."""
    monkeypatch.setenv("CHENU_DATABASE__URL", "sqlite:///precious.db")
    script = "import os; print(*sorted(i for i in os.environ.items() if 'CHENU' in i[0]))"
    settings = {"server": {"listen": "127.0.0.1:0"}, "failpoints": "a=kill"}
    process = ServerProcess(tmp_path, settings, command=("-c", script))
    process.wait()

    expected = "('CHENU_FAILPOINTS', 'a=kill') ('CHENU_SERVER', '{\"listen\": \"127.0.0.1:0\"}')\n"
    assert expected == process.output()


def test_the_upstream_is_controlled_from_here(tmp_path: Path) -> None:
    """Steps hold it and read its books over its own port."""
    with UpstreamProcess(tmp_path) as upstream:
        upstream.wait_listening()
        upstream.hold()

        assert upstream.state()["held"]
        assert (0, []) == (upstream.billed_nanousd(), upstream.arrivals())


def test_sigterm_stops_what_was_started(tmp_path: Path) -> None:
    """Else a demo that a script gives up leaves its server behind."""
    script = (
        "import pathlib, time\n"
        "from loadtest.processes import Process, end_like_ctrl_c\n"
        "end_like_ctrl_c()\n"
        "with Process('inner', ('-c', 'import time; time.sleep(60)'), directory=pathlib.Path())"
        " as inner:\n"
        "    print('up', inner.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with Process("outer", ("-c", script), directory=tmp_path) as outer:
        up(outer)
        outer.terminate(20)

    with pytest.raises(ProcessLookupError):
        os.kill(int(outer.output().split()[1]), 0)
