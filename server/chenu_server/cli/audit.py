"""`chenu audit`: read the ledger, export it, verify an export without the server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli import parse
from chenu_server.cli.exit_codes import ExitCode, fail
from chenu_server.cli.groups import commands, local
from chenu_server.cli.new_file import new_file
from chenu_server.cli.output import Output, note, visible, when, who
from chenu_server.cli.paging import Limit, first
from chenu_server.cli.progress import progress
from chenu_server.cli.remote import Session, remote
from chenu_server.values import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chenu.api.governance.v1 import audit_service_pb2

LINE_BYTES_MAX = 64 * 2**20  # far over any entry's; a file without line ends must not fill memory

app = commands("The ledger of every decision.")


@dataclass(frozen=True)
class Filters:
    """Which entries to show; all that are given must hold."""

    kind: Annotated[str, typer.Option(help="About this type of thing, such as query.")] = ""
    id: Annotated[str, typer.Option("--id", help="About the thing with this id.")] = ""
    principal: Annotated[
        str, typer.Option(help="By this principal, as user:alice, or by any with this id.")
    ] = ""
    action: Annotated[str, typer.Option(help="create, execute, approve ...")] = ""
    decision: Annotated[str, typer.Option(help="allow, deny, block, settle ...")] = ""
    since: Annotated[str, typer.Option(help="At or after this time, ISO 8601.")] = ""
    until: Annotated[str, typer.Option(help="Before this time, ISO 8601.")] = ""

    def message(self) -> audit_service_pb2.ListEntriesRequest:
        """The options as the contract's message."""
        from chenu.api.governance.v1 import audit_service_pb2

        return audit_service_pb2.ListEntriesRequest(
            resource_kind=self.kind,
            resource_id=self.id,
            principal_id=self._principal[1],
            action=parse.choice("--action", audit_service_pb2.LedgerAction, self.action),
            decision=parse.choice("--decision", audit_service_pb2.LedgerDecision, self.decision),
            start_time=parse.time("--since", self.since),
            end_time=parse.time("--until", self.until),
        )

    async def kept(
        self, entries: AsyncIterator[audit_service_pb2.LedgerEntry]
    ) -> AsyncIterator[audit_service_pb2.LedgerEntry]:
        """Entries of the principal's type: the contract's filter knows its id alone."""
        kind, _ = self._principal
        async for entry in entries:
            if not kind or entry.principal.type == kind:
                yield entry

    @property
    def _principal(self) -> tuple[int, str]:
        """The type, 0 for any, and the id."""
        from chenu.api.annotations.v1 import access_pb2
        from chenu.names import names, value_of

        kind, _, name = self.principal.partition(":")
        if name and kind in names(access_pb2.PrincipalType):
            return value_of(access_pb2.PrincipalType, kind), name
        return 0, self.principal


@remote(app, "list")
async def list_entries(session: Session, *, filters: Filters, limit: Limit) -> None:
    """List entries, oldest first."""
    found = first(limit, filters.kept(session.client.audit.list(filters.message())))
    header = ("sequence", "time", "decision", "action", "principal", "resource", "reason")
    await session.output.messages(found, header, _row)


@remote(app, "export")
async def export(
    session: Session,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
) -> None:
    """Write the whole ledger to a file that verifies without the server."""
    size = await _write(output, session.client.audit.export())
    if session.output.as_json:
        session.output.json({"file": str(output), "bytes": size})
    else:
        session.output.line(f"{output}: {size} bytes")
        note(visible(f"next: chenu audit verify {output}"))


@remote(app, "check")
async def check(session: Session) -> None:
    """Have the server check every hash, link and number of its ledger."""
    from chenu.api.governance.v1 import audit_service_pb2

    found = await session.client.audit.verify()
    holds = found.verdict == audit_service_pb2.LEDGER_VERDICT_HOLDS
    session.output.message(
        found,
        (
            ("verdict", "holds" if holds else "broken"),
            ("entries", str(found.entries)),
            ("head", found.head.hex()),
        ),
    )
    if not holds:
        raise fail(ExitCode.BROKEN, visible(f"entry {found.failed_sequence}: {found.failure}"))


@local(app, "verify")
def verify(
    file: Annotated[Path, typer.Argument(help="An export.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify an export without any server: every byte of it is checked."""
    entries, head, failure = _verified(file)
    if as_json:
        verdict = "broken" if failure else "holds"
        Output(as_json=True).json(
            {"verdict": verdict, "entries": entries, "head": head, "failure": failure}
        )
    if failure:
        text = visible(f"{file} does not verify after {entries} entries: {failure}")
        raise fail(ExitCode.BROKEN, text)
    Output(as_json=as_json).line(f"{file}: holds, {entries} entries, head {head}")


def _verified(file: Path) -> tuple[int, str, str | None]:
    """How many entries of a file hold, the last one's hash, and what is wrong after it."""
    from chenu_server.engine import ExportVerifier

    verifier = ExportVerifier()
    failure: str | None = None
    try:
        with file.open("rb") as lines, progress("verifying", file.stat().st_size) as advance:
            while line := lines.readline(LINE_BYTES_MAX):
                failure = verifier.line(line)
                advance(len(line))
                # Nothing behind it can hold: each entry names the hash of the one before.
                if failure:
                    break
    except OSError as error:
        raise fail(ExitCode.USAGE, f"cannot read {file}: {error.strerror}") from error
    return verifier.entries, verifier.head.hex(), failure or verifier.finish()


async def _write(output: Path, chunks: AsyncIterator[bytes]) -> int:
    size = 0
    with new_file(output) as file, progress("exporting", None) as advance:
        async for chunk in chunks:
            size += file.write(chunk)
            advance(len(chunk))
    return size


def _row(entry: audit_service_pb2.LedgerEntry) -> tuple[str, ...]:
    from chenu.api.governance.v1 import audit_service_pb2
    from chenu.names import name_of

    return (
        str(entry.sequence),
        when(entry.time),
        name_of(audit_service_pb2.LedgerDecision, entry.decision),
        name_of(audit_service_pb2.LedgerAction, entry.action),
        who(entry.principal),
        f"{entry.resource_kind} {entry.resource_id}".strip(),
        entry.reason,
    )
