"""Which settings are accepted, which wins, and what is said of those that are not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from chenu_server import failpoints
from chenu_server.bootstrap.decisions import log_limits
from chenu_server.config import (
    CheckpointTypeName,
    ConfigError,
    LimitSettings,
    PrincipalTypeName,
    Problem,
    Settings,
    explain,
    load_settings,
    show,
)
from chenu_server.engine import CallBuckets, IdentityWindows
from chenu_server.vocabulary import CheckpointType, PrincipalType

KERNEL_NAMES = Path(__file__).parents[3] / "core_rs/operation/src/decide/mod.rs"
FILE = """
[server]
listen = "127.0.0.1:1"
drain_grace_s = 1
[limits]
calls_per_s = 1
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file and no variable but the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("CHENU_CONFIG", "CHENU_SERVER__LISTEN"):
        monkeypatch.delenv(name, raising=False)


OPENAI = "[providers]\nenabled = ['openai']\n[providers.settings.openai]\n"


def problems(text: str = "", overrides: dict[str, Any] | None = None) -> tuple[Problem, ...]:
    """What is said of a file."""
    path = Path("given.toml")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path, overrides)
    return caught.value.problems


def sections() -> dict[str, Any]:
    """Every section by name."""
    kinds = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if hasattr(kind, "model_fields")}


def test_every_limit_is_said_by_number_at_start() -> None:
    """Whoever runs a server sees what is on, and at how much."""
    limits = load_settings(None, {"limits.pending_max": 7}).limits
    with capture_logs() as logs:
        log_limits(load_settings(None, {"limits.pending_max": 7}))

    (line,) = logs
    assert limits.model_dump().items() <= line.items()
    assert 7 == line["pending_max"]


def test_nothing_needs_to_be_set() -> None:
    """The numbers that the specification names are the defaults."""
    settings = load_settings()

    assert ("127.0.0.1:50051", "sqlite:///var/chenu.db") == (
        settings.server.listen,
        settings.database.url,
    )
    limits = settings.limits
    assert (100, 60, 20, 1_000, 120) == (
        limits.identity_limit,
        limits.identity_window_s,
        limits.identity_burst,
        limits.identity_burst_window_ms,
        limits.identity_block_s,
    )
    assert (50, 100, 100, 60, 250) == (
        limits.calls_per_s,
        limits.calls_burst,
        limits.provider_limit,
        limits.provider_window_s,
        limits.guard_ms,
    )
    assert (100, 1_000) == (limits.pending_max, limits.waiting_max)
    assert (300, 2_000, 1_024, 256) == (
        settings.pipeline.deadline_s,
        settings.pipeline.abandon_after_ms,
        settings.pipeline.default_output_cap,
        settings.pipeline.least_output_cap,
    )
    assert (1_800, 15, 5, 128, True) == (
        settings.checkpoints.default_expiry_s,
        settings.owners.lease_s,
        settings.owners.renew_s,
        settings.writer.batch_max,
        settings.budgets.required,
    )


def test_later_sources_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults, file, environment, flags; each only for what it names."""
    Path("chenu.toml").write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("CHENU_SERVER__LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("CHENU_LIMITS__CALLS_PER_S", "2")

    settings = load_settings(overrides={"limits.calls_per_s": 3})

    assert ("127.0.0.1:2", 1, 3, 100) == (
        settings.server.listen,
        settings.server.drain_grace_s,
        settings.limits.calls_per_s,
        settings.limits.calls_burst,
    )


def test_the_file_can_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command file sets one variable."""
    Path("other.toml").write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("CHENU_CONFIG", "other.toml")

    assert "127.0.0.1:1" == load_settings().server.listen


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in a file ends in a backup or a repository."""
    monkeypatch.setenv("CHENU_PROVIDERS__ENABLED", '["anthropic"]')
    monkeypatch.setenv("CHENU_PROVIDERS__SETTINGS__ANTHROPIC__API_KEY", "key-of-anthropic")

    settings = load_settings()

    assert ("key-of-anthropic",) == settings.secrets()


def test_settings_do_not_change() -> None:
    """What was checked at start is what holds."""
    settings = load_settings()

    with pytest.raises(ValidationError):
        settings.server.listen = "0.0.0.0:1"


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("[server]\nlistn = 'x'", "server.listn", "'listen'"),
        ("[servr]\nlisten = 'x'", "servr", "'server'"),
        (
            "[providers]\nenabled = ['xai']\n[providers.settings.xai]\napi_ky = 'k'",
            "providers.settings.xai.api_ky",
            "'api_key'",
        ),
        (
            "[[identity.issuers]]\nname = 'i'\nkey_file = 'k'\naudiense = 'a'",
            "identity.issuers.0.audiense",
            "'audience'",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion(text: str, key: str, hint: str) -> None:
    """A misspelt limit that is silently ignored is no limit."""
    found = {problem.key: problem for problem in problems(text)}

    assert hint in found[key].do
    assert ("there is no such key", "given.toml") == (found[key].why, found[key].source)


def test_an_unknown_section_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a file; other programs' variables are none of ours."""
    monkeypatch.setenv("CHENU_LIMIT__CALLS_PER_S", "1")
    monkeypatch.setenv("CHENU_TOKEN", "x")

    (problem,) = problems()

    assert ("limit", "environment") == (problem.key, problem.source)
    assert "'limits'" in problem.do


def test_every_problem_is_told_at_once() -> None:
    """Nobody corrects a file one start at a time."""
    text = (
        "[server]\nlisten = 'x'\n[limits]\ncalls_per_s = -1\n[checkpoints]\ndefault_expiry_s = 59"
    )

    told = problems(text, {"pipeline.deadline_s": "soon"})

    assert {
        "server.listen": "given.toml",
        "limits.calls_per_s": "given.toml",
        "checkpoints.default_expiry_s": "given.toml",
        "pipeline.deadline_s": "command line",
    } == {problem.key: problem.source for problem in told}


def test_a_problem_is_told_with_what_where_why_and_what_to_do() -> None:
    """The person who reads it is at a terminal, not in this source."""
    problem = Problem(key="server.listen", source="chenu.toml", why="it is not", do="write it")

    assert (
        "server.listen is not accepted\n  where: chenu.toml\n  why:   it is not\n  do:    write it"
        == explain([problem])
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[server]\nlisten = '127.0.0.1'", "server.listen"),
        ("[server]\nlisten = '127.0.0.1:65536'", "server.listen"),
        ("[server]\nlisten = 'a b:1'", "server.listen"),
        ("[writer]\nbatch_max = 129", "writer.batch_max"),
        ("[identity]\nissuers = []", "identity.issuers"),
        (
            "[[identity.issuers]]\nname = 'i'\nkey_file = 'k'\nleeway_s = 61",
            "identity.issuers.0.leeway_s",
        ),
        (
            "[[identity.issuers]]\nname = 'i'\nkey_file = 'k'\nprincipal_types = ['root']",
            "identity.issuers.0.principal_types.0",
        ),
        ("[[identity.issuers]]\nname = 'i'\nkey_file = 'k'\n" * 2, "identity"),
        ("[checkpoints.expiry_s]\ncross_sphere = 59", "checkpoints.expiry_s.cross_sphere"),
        ("[checkpoints.expiry_s]\ncross_sphere = 86401", "checkpoints.expiry_s.cross_sphere"),
        ("[checkpoints.expiry_s]\nother = 60", "checkpoints.expiry_s.other.[key]"),
        ("[pipeline]\nleast_output_cap = 2000", "pipeline"),
        ("[pipeline]\ndelta_coalesce_ms = 21", "pipeline.delta_coalesce_ms"),
        ("[providers.settings.openai]\napi_key = 'k'", "providers"),
        (OPENAI + "connect_timeout_ms = 0", "providers.settings.openai.connect_timeout_ms"),
        (
            OPENAI + "first_event_timeout_ms = -1",
            "providers.settings.openai.first_event_timeout_ms",
        ),
        (
            OPENAI + "between_events_timeout_ms = 600001",
            "providers.settings.openai.between_events_timeout_ms",
        ),
        (OPENAI + "connect_timeout_ms = 1.5", "providers.settings.openai.connect_timeout_ms"),
        (OPENAI + "conect_timeout_ms = 1", "providers.settings.openai.conect_timeout_ms"),
        ("[owners]\nrenew_s = 8", "owners"),
        ("[log]\nlevel = 'loud'", "log.level"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(text: str, key: str) -> None:
    """At start, by name, not in the middle of a night."""
    assert key in {problem.key for problem in problems(text)}


@pytest.mark.parametrize("text", ["[server", "\x00", "a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_refused(text: str) -> None:
    """With its name."""
    assert ["given.toml"] == [problem.source for problem in problems(text)]


def test_a_named_file_that_is_not_there_is_refused() -> None:
    """Only the default one may be missing."""
    with pytest.raises(ConfigError) as caught:
        load_settings(Path("missing.toml"))

    assert ["missing.toml"] == [problem.source for problem in caught.value.problems]


def test_a_variable_that_is_no_json_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way to write it."""
    monkeypatch.setenv("CHENU_PROVIDERS__ENABLED", "anthropic")

    with pytest.raises(ConfigError) as caught:
        load_settings()

    (problem,) = caught.value.problems
    assert ("environment", True) == (problem.source, "JSON" in problem.do)


# --- development and production ---------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost"])
def test_local_issuers_serve_this_machine(host: str) -> None:
    """Their key is a file that one person made."""
    assert load_settings(overrides={"server.listen": f"{host}:0"}).server.is_loopback


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "[::]", "10.0.0.1", "example.test", "localhost.example.test", "127.0.0.1.x"]
)
def test_local_issuers_do_not_serve_others_unless_told(host: str) -> None:
    """Production has an identity provider; whoever wants this must say so."""
    (problem,) = problems(f"[server]\nlisten = '{host}:1'")
    insecure = {"server.listen": f"{host}:1", "server.insecure_dev": True}

    assert "--insecure-dev" in problem.do
    assert f"{host}:1" == load_settings(overrides=insecure).server.listen


def test_failpoints_need_an_insecure_server() -> None:
    """They kill it on purpose."""
    (problem,) = problems("failpoints = 'admit.before_commit=kill'")
    armed = {"failpoints": "admit.before_commit=kill", "server.insecure_dev": True}

    assert "set server.insecure_dev" == problem.do
    assert "admit.before_commit=kill" == load_settings(overrides=armed).failpoints


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("foo=kill", "failpoint foo: there is no such point"),
        ("admit.nope=kill", "failpoint admit.nope: there is no such point"),
        ("admit.before_comit=kill", "did you mean admit.before_commit?"),
        ("settle.before_commit=error;foo=kill", "failpoint foo"),
        ("admit.before_commit=explode", "'explode' is not kill, error or sleep"),
        ("admit.before_commit", "'' is not kill, error or sleep"),
        ("admit.before_commit=shift:5", "a clock is shifted, and nothing else is"),
        ("clock.offset=kill", "a clock is shifted, and nothing else is"),
        ("clock.offet=shift:5", "did you mean clock.offset?"),
    ],
)
def test_a_failpoint_that_is_never_passed_is_refused(spec: str, why: str) -> None:
    """A crash test whose point never acts would pass for ever."""
    (problem,) = problems(f"failpoints = '{spec}'\n[server]\ninsecure_dev = true")

    assert ("failpoints", True) == (problem.key, problem.why.startswith("failpoint "))
    assert why in problem.why


def test_every_command_has_its_failpoints() -> None:
    """One that was added without its points could not be armed by a server's settings."""
    named = KERNEL_NAMES.read_text(encoding="utf-8")
    names = re.findall(r"Command::\w+\(_\) => \"(\w+)\"", named)

    assert sorted(names) == sorted(failpoints.COMMANDS)


@pytest.mark.parametrize("name", ["execution.before_dispatch", "settle.before_submit"])
def test_points_of_no_command_can_be_armed(name: str) -> None:
    """They stand in the lanes."""
    assert f"{name}=kill@2" == failpoints.checked(f"{name}=kill@2")


# --- what the server can work with -------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *("garbage", "", "mysql://u:p@db/chenu", "postgresql+asyncpg://db/chenu"),
        *("sqlite+aiosqlite:///a.db", "sqlite://", "sqlite:///", "sqlite:///:memory:"),
    ],
)
def test_a_database_of_another_kind_is_refused(url: str) -> None:
    """There are two stores; what else was meant must not end in a driver's error."""
    (problem,) = problems(overrides={"database.url": url})

    assert ("database.url", "wrong form") == (problem.key, problem.why)
    assert "sqlite:///path or postgresql+psycopg://" in problem.do


@pytest.mark.parametrize(
    "url", ["sqlite:///a.db", "sqlite:////a/b.db", "postgresql://db/a", "postgresql+psycopg:///a"]
)
def test_the_two_stores_are_taken(url: str) -> None:
    """By either spelling."""
    assert url == load_settings(overrides={"database.url": url}).database.url


def test_numbers_that_nothing_could_hold_are_refused() -> None:
    """Engine and columns hold 64 bits; what is more would fail the first query, not the start."""
    whole = {
        f"{section}.{name}": 2**31
        for section, kind in sections().items()
        for name, field in kind.model_fields.items()
        if isinstance(field.default, int) and not isinstance(field.default, bool)
    }
    huge = dict.fromkeys(whole, 10**20)
    found = problems(overrides=whole), problems(overrides=huge)

    assert [set(whole), set(huge)] == [{problem.key for problem in each} for each in found]


NOW_US = 1_795_003_200_000_000


def test_the_engine_takes_the_largest_numbers() -> None:
    """What is accepted here must not overflow there."""
    names = [name for name in LimitSettings.model_fields if name != "identity_window_s"]
    limits = load_settings(overrides={f"limits.{name}": 2**31 - 1 for name in names}).limits
    windows = IdentityWindows(
        limit=limits.identity_limit,
        window_us=limits.provider_window_s * 1_000_000,
        burst=limits.identity_burst,
        burst_window_us=limits.identity_burst_window_ms * 1_000,
        block_us=limits.identity_block_s * 1_000_000,
        keys_max=limits.keys_max,
    )
    buckets = CallBuckets(
        rate_per_s=limits.calls_per_s, burst=limits.calls_burst, keys_max=limits.keys_max
    )

    assert windows.arrive("acme", NOW_US).retry_after_us == 0
    assert buckets.take("acme", NOW_US) == 0


# --- what is shown ----------------------------------------------------------------------------


def test_no_secret_is_shown() -> None:
    """`config show` ends in tickets."""
    secret = {
        "database.url": "postgresql+psycopg://chenu:s3cret@db/chenu",
        "providers.enabled": ["anthropic"],
        "providers.settings.anthropic.api_key": "key-of-anthropic",
    }

    settings = load_settings(overrides=secret)

    assert {"key-of-anthropic", "s3cret"} == set(settings.secrets())
    assert "postgresql+psycopg://chenu:**********@db/chenu" == show(settings)["database"]["url"]
    assert not any(it in f"{show(settings)}{settings!r}" for it in settings.secrets())


def test_what_is_shown_can_be_loaded() -> None:
    """It names every setting as a file would."""
    shown = show(load_settings())

    assert load_settings() == Settings(**shown)


def test_names_are_those_of_the_model() -> None:
    """Configuration imports no feature, so it repeats these words."""
    assert set(CheckpointType) == set(get_args(CheckpointTypeName))
    assert set(PrincipalType) == set(get_args(PrincipalTypeName))


def test_every_setting_says_what_it_means() -> None:
    """The meaning is part of what is said of a value that does not fit."""
    fields: dict[str, Any] = {
        f"{section}.{name}": field
        for section, kind in sections().items()
        for name, field in kind.model_fields.items()
    }

    assert [] == [name for name, field in fields.items() if not field.description]
