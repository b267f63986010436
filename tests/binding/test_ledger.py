"""The ledger through the binding, against the plain encoder."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chenu_server import _core
from tests.binding import encoding, samples
from tests.binding.encoding import Draft
from tests.binding.test_vectors import engine_draft, sealed_vector

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)

DRAFTS = st.builds(
    Draft,
    entry_id=TEXT,
    decision=TEXT,
    action=TEXT,
    identity_id=TEXT,
    principal_type=TEXT,
    principal_id=TEXT,
    acting_for=st.lists(TEXT, max_size=3),
    resource_kind=TEXT,
    resource_id=TEXT,
    reason=TEXT,
    salt=st.binary(min_size=32, max_size=32).map(bytes.hex),
    payload=TEXT,
)


@given(
    draft=DRAFTS,
    origin=TEXT,
    ledger_number=st.integers(0, 2**32 - 1),
    time_us=st.integers(-(2**63), 2**63 - 1),
    size=st.integers(0, 2**64 - 2),
    head=st.binary(min_size=32, max_size=32),
)
def test_any_entry_is_sealed_as_the_plain_encoder_seals_it(
    draft: Draft, origin: str, ledger_number: int, time_us: int, size: int, head: bytes
) -> None:
    """The encoding is what its description says, beyond the published examples."""
    expected = encoding.seal(
        draft,
        origin=origin,
        ledger_number=ledger_number,
        batch_id="batch",
        time_us=time_us,
        size=size,
        head=head,
    )
    sealed = _core.seal(
        origin=origin,
        ledger_number=ledger_number,
        batch_id="batch",
        time_us=time_us,
        size=size,
        head=head,
        drafts=[engine_draft(draft)],
    )
    entry = _core.decode_entry(sealed[0].canonical)

    assert [expected] == [sealed_vector(one) for one in sealed]
    assert {name: value for name, value in draft.items() if name not in {"salt", "payload"}} == {
        name: getattr(entry, name) for name in draft if name not in {"salt", "payload"}
    }
    assert (origin, ledger_number, time_us) == (entry.origin, entry.ledger_number, entry.time_us)


@given(drafts=st.lists(DRAFTS, min_size=1, max_size=4), erased=st.integers(1, 4))
def test_any_export_verifies_also_with_an_erased_payload(drafts: list[Draft], erased: int) -> None:
    """Whatever a payload holds, the export of its entry is one line that verifies."""
    for number, draft in enumerate(drafts, 1):
        draft["entry_id"] = f"entry-{number}"
    gone = min(erased, len(drafts))
    says_so = samples.draft(
        entry_id="erasure",
        decision="admin",
        action="delete",
        resource_kind="ledger_entry",
        resource_id=f"entry-{gone}",
    )
    entries = samples.sealed(*(engine_draft(draft) for draft in drafts), says_so)
    shown = [(bytes.fromhex(draft["salt"]), draft["payload"].encode()) for draft in drafts]
    verifier = _core.ExportVerifier()
    for entry, (salt, payload) in zip(entries, [*shown, (samples.SALT, b"{}")], strict=True):
        line = _core.export_line(
            sequence=entry.sequence,
            canonical=entry.canonical,
            entry_hash=entry.entry_hash,
            salt=None if entry.sequence == gone else salt,
            payload=None if entry.sequence == gone else payload,
        )
        assert "\n" not in line
        assert None is verifier.line(f"{line}\n".encode())
    tail = _core.export_tail("chenu/test", 0, len(entries), entries[-1].entry_hash)

    assert None is verifier.line(f"{tail}\n".encode())
    assert None is verifier.finish()


def test_a_broken_chain_says_where_and_why() -> None:
    """An auditor learns the entry's number, not only that something is wrong."""
    first, second = samples.sealed(samples.draft(), samples.draft(reason="x"))
    verifier = _core.ChainVerifier("chenu/test", 0)

    assert "entry 2 stands where entry 1 belongs" == verifier.entry(
        second.canonical, second.entry_hash, None, None
    )
    assert None is verifier.entry(first.canonical, first.entry_hash, samples.SALT, b"{}")
    assert "entry 2 does not have its stored hash" == verifier.entry(
        second.canonical, first.entry_hash, None, None
    )
    assert (1, first.entry_hash) == (verifier.size, verifier.head)
