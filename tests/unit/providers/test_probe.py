"""What is said of a provider that was asked for its models, by `chenu config check` too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner, Result

from chenu_server.cli.app import app
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.instances import Instance
from chenu_server.providers.probe import Probed
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings
from chenu_server.upstream import FakeUpstream
from tests.listener import listening

KEY = "sk-never-to-be-shown-4711"
ALL = tuple(load_catalogue().providers)


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    """Every provider of the shipped catalogue."""
    async with FakeUpstream(load_catalogue()) as upstream:
        yield upstream


async def probe(name: str, url: str, **more: Any) -> Probed:
    """What one provider says."""
    settings = ProviderSettings(base_url=url, **{"api_key": KEY, **more})
    catalogue = load_catalogue()
    registry = ProviderRegistry(catalogue, {name: settings})
    try:
        (found,) = await registry.probe(catalogue)
    finally:
        await registry.close()
    return found


@pytest.mark.parametrize("name", ALL)
async def test_a_provider_that_is_right_lists_what_the_catalogue_has(
    upstream: FakeUpstream, name: str
) -> None:
    """Each under the path and with the header of its own record."""
    record = load_catalogue().provider(name)
    path = urlsplit(record.base_url or record.base_url_example).path
    found = await probe(name, f"{upstream.base_url}/{name}{path}")

    assert () == found.problems
    count = len(record.models)
    assert found.models == (None if name == "perplexity" else count)
    assert 0 == upstream.bill.attempts


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"status": 401}, "does not take the key (401); correct api_key"),
        ({"status": 403}, "does not take the key (403); correct api_key"),
        ({"status": 404, "raw": "<h1>Not Found</h1>"}, "no list of models there (404); correct"),
        ({"status": 308, "location": "https://elsewhere/"}, "no list of models there (308)"),
        ({"status": 503}, "answers 503; try again"),
        ({"raw": "<!doctype html><p>Welcome", "raw_type": "text/html"}, "answers a web page"),
        ({"raw": "ok"}, "answers no JSON"),
        ({"raw": '{"status": "fine"}'}, "is no list of models"),
        ({"raw": "[" * 100_000}, "answers no JSON"),
        ({"raw": '{"data": []}'}, "does not list gpt-6-luna, "),
    ],
)
async def test_what_is_wrong_is_told_with_the_key_to_change(
    upstream: FakeUpstream, knobs: dict[str, Any], said: str
) -> None:
    """Before a query finds out, and in words that say what to do."""
    upstream.behave("openai", **knobs)

    (problem,) = (await probe("openai", upstream.provider_url("openai"))).problems

    assert said in problem
    assert KEY not in problem


async def test_names_are_compared_however_a_provider_lists_them(upstream: FakeUpstream) -> None:
    """Some list without an object, some by `name`, one with a word before each."""
    names = [model.name for model in load_catalogue().provider("google").models]
    for raw in (
        [{"id": name} for name in names],
        {"models": [{"name": name} for name in names]},
        {"data": [{"id": f"models/{name}"} for name in names]},
    ):
        upstream.behave("google", raw=json.dumps(raw))
        found = await probe("google", upstream.provider_url("google"))
        assert (len(names), ()) == (found.models, found.problems)


async def test_a_list_that_goes_on_says_nothing_of_what_is_not_in_it(
    upstream: FakeUpstream,
) -> None:
    """A first page without a model is no reason to take it away."""
    upstream.behave("openai", raw='{"data": [{"id": "x"}], "has_more": true}')

    assert () == (await probe("openai", upstream.provider_url("openai"))).problems


async def test_who_cannot_be_reached_is_told_apart() -> None:
    """The address, the proxy, TLS or patience: each is another line of the file."""
    with listening() as plain:
        refused = await probe("groq", "http://127.0.0.1:9")
        unknown = await probe("groq", "http://models.invalid/v1")
        tls = await probe("groq", plain.url.replace("http:", "https:"))
        proxy = await probe("groq", "http://models.invalid", proxy="http://127.0.0.1:9")

    said = [each.problems[0] for each in (refused, unknown, tls, proxy)]
    words = ["nothing listens there", "no such host", "does not speak TLS", "the proxy cannot"]
    assert [True] * 4 == [word in text for word, text in zip(words, said, strict=True)], said


@contextlib.asynccontextmanager
async def encrypted(folder: Path) -> AsyncIterator[tuple[int, Path]]:
    """The port of a host that refuses every key, and the certificate that it signed for itself."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", str(key), "-out", str(certificate)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert 0 == await made.wait()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], certificate


async def test_a_certificate_that_nobody_vouches_for_is_told(tmp_path: Path) -> None:
    """With the setting that names who does."""
    async with encrypted(tmp_path) as (port, certificate):
        url = f"https://localhost:{port}/v1"
        strange = await probe("groq", url)
        known = await probe("groq", url, ca_file=certificate)

    assert "certificate is not trusted" in strange.problems[0]
    assert "ca_file" in strange.problems[0]
    assert "does not take the key" in known.problems[0]


async def test_a_certificate_that_is_named_vouches_for_its_own_host_only(tmp_path: Path) -> None:
    """Else whoever has one such key could take every provider's calls."""
    async with encrypted(tmp_path) as (port, certificate):
        found = await probe("groq", f"https://127.0.0.1:{port}/v1", ca_file=certificate)

    assert "certificate is not trusted" in found.problems[0]


@contextlib.asynccontextmanager
async def tunnels(told: list[str]) -> AsyncIterator[int]:
    """The port of a proxy that connects whoever asks, and keeps what it was asked."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # the other side has gone
            while piece := await reader.read(65_536):
                writer.write(piece)
        writer.close()

    async def dig(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append((await reader.readuntil(b"\r\n\r\n")).decode())
        host, _, port = told[-1].split(" ")[1].rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connected\r\nVia: this\r\n\r\n")
        await asyncio.gather(copy(reader, back), copy(there, writer))

    server = await asyncio.start_server(dig, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_host_behind_a_tunnel_is_asked_in_private(tmp_path: Path) -> None:
    """The proxy learns where to, and its own password; nothing of the call."""
    told = list[str]()
    async with encrypted(tmp_path) as (port, certificate), tunnels(told) as proxy:
        found = await probe(
            "groq",
            f"https://localhost:{port}/v1",
            ca_file=certificate,
            proxy=f"http://me:p%40ss@127.0.0.1:{proxy}",
        )

    assert "does not take the key" in found.problems[0]
    (head,) = told
    assert head.startswith(f"CONNECT localhost:{port} HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic bWU6cEBzcw==\r\n" in head


async def test_silence_has_an_end(upstream: FakeUpstream) -> None:
    """The provider's own time-out, not the patience of whoever waits at the terminal."""
    upstream.behave("groq", fault="hang")

    found = await probe("groq", upstream.provider_url("groq"), first_event_timeout_ms=100)

    assert ("it did not answer in time; check base_url",) == found.problems


async def test_each_instance_is_asked_with_its_own_key(upstream: FakeUpstream) -> None:
    """One key of a pool that was revoked shows only there."""
    known = {model.name for model in load_catalogue().provider("groq").models}
    models = tuple(sorted(known)[:1])
    catalogue = load_catalogue(None, {"two": Instance(record="groq", models=models)})
    url = upstream.provider_url("groq")
    registry = ProviderRegistry(
        catalogue,
        {name: ProviderSettings(api_key=f"sk-{name}", base_url=url) for name in ("groq", "two")},
    )
    found = await registry.probe(catalogue)
    await registry.close()

    assert [("groq", len(known)), ("two", len(known))] == [(it.provider, it.models) for it in found]
    assert [(), ()] == [each.problems for each in found]


def check(folder: Path, *options: str) -> Result:
    """`chenu config check` on the file there."""
    return CliRunner().invoke(
        app, ["config", "check", "--config", str(folder / "c.toml"), *options]
    )


async def test_config_check_tells_it_and_exits_so(
    upstream: FakeUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script needs the status, a person the line; the key is in neither."""
    monkeypatch.chdir(tmp_path)
    lines = ["[providers]", "enabled = ['groq', 'openai']"]
    for name in ("groq", "openai"):
        lines += [f"[providers.settings.{name}]", f"base_url = '{upstream.provider_url(name)}'"]
        lines += [f"api_key = '{KEY}'"]
    (tmp_path / "c.toml").write_text("\n".join(lines))
    made = await asyncio.to_thread(CliRunner().invoke, app, ["token", "key"])
    assert 0 == made.exit_code, made.output

    good = await asyncio.to_thread(check, tmp_path, "--probe")
    upstream.behave("openai", status=401)
    bad = await asyncio.to_thread(check, tmp_path, "--probe")
    told = await asyncio.to_thread(check, tmp_path, "--probe", "--json")
    unasked = await asyncio.to_thread(check, tmp_path)

    assert (ExitCode.OK, "accepted") == (good.exit_code, good.output.splitlines()[-1])
    assert ExitCode.CONFIG == bad.exit_code == told.exit_code
    assert "openai: it does not take the key (401)" in bad.output
    assert "groq: lists" in bad.output
    plain = json.loads(told.stdout)
    assert (False, 1) == (plain["accepted"], len(plain["problems"]))
    assert ["groq", "openai"] == [each["provider"] for each in plain["providers"]]
    assert KEY not in bad.output + told.output
    assert ExitCode.OK == unasked.exit_code
