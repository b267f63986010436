"""What a refusal looks like on the wire, and how large it may get."""

from __future__ import annotations

import base64
from dataclasses import fields
from typing import Any
from urllib.parse import quote

import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs

from chenu_server import errors
from chenu_server.infra.rpc.errors import DETAILS_BYTES_MAX, to_status
from chenu_server.reason import Retry
from chenu_server.reasons import Reason

EVERY = tuple(map(errors.of, Reason))
CHECKPOINT_ID = "7d6f0e6e-1f0e-4bb2-8f6b-1df3f6a1f0aa"
DIGEST = "ab" * 32


def pending(question: str = "Delete?", question_fr: str = "Supprimer ?") -> errors.ChenuError:
    """A query that waits for a person."""
    return errors.CheckpointPending(
        request_id=CHECKPOINT_ID,
        checkpoint_id=CHECKPOINT_ID,
        types=("cross_sphere", "destructive_action"),
        action="nova.query",
        action_digest=DIGEST,
        expires_at="2026-01-01T00:00:00Z",
        question=question,
        question_fr=question_fr,
    )


NOW_US = 1_795_003_200_000_000


def rich(error: errors.ChenuError) -> status_pb2.Status:
    """The status in the trailers."""
    trailers = dict(to_status(error, NOW_US).trailing_metadata or ())
    return status_pb2.Status.FromString(trailers["grpc-status-details-bin"])


def detail(error: errors.ChenuError, kind: type[Any]) -> list[Any]:
    """All details of a kind."""
    found = []
    for packed in rich(error).details:
        message = kind()
        if packed.Unpack(message):
            found.append(message)
    return found


def sample(error: type[errors.ChenuError], text: str) -> errors.ChenuError:
    """An error of this class with the same text wherever text may stand."""
    values: dict[str, Any] = {
        "int": 7,
        "str": text,
        "tuple[str, ...]": (text,) * 8,
    }
    return error(**{field.name: values[str(field.type)] for field in fields(error)})


def test_every_refusal_names_its_domain_and_reason() -> None:
    """A client acts on the pair; the domain tells our reasons from other services'."""
    (info,) = detail(errors.BudgetRequired(), error_details_pb2.ErrorInfo)

    assert ("chenu", "BUDGET_REQUIRED") == (info.domain, info.reason)


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__name__)
def test_every_refusal_is_a_sentence_whatever_it_knows(error: type[errors.ChenuError]) -> None:
    """With nothing known too: a message that could not be made would hide the refusal."""
    values = {"int": 0, "str": "", "tuple[str, ...]": ()}
    empty = error(**{each.name: values[str(each.type)] for each in fields(error)})

    assert not set("{}[]") & set(str(empty) + str(sample(error, "x")))
    assert sample(error, "x").metadata().keys() >= empty.metadata().keys()


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__name__)
def test_a_stored_refusal_is_the_same_when_it_is_read(error: type[errors.ChenuError]) -> None:
    """A repeat of a query is told what the first was, as is one after a restart."""
    made = sample(error, "a,b;é")
    stored = made.stored()
    again = errors.of(made.reason).restored([*stored, ("gone", "since")])

    assert type(made) is type(again)
    assert (stored, str(made), made.metadata()) == (again.stored(), str(again), again.metadata())


def test_what_is_not_known_leaves_no_gap_in_a_message() -> None:
    """The piece that would tell it falls away whole."""
    assert (
        "only a principal of type `user` with role `approver` in this identity may",
        "only a principal with role `approver` in this identity may",
        "over the new_work limit; retry in 1.500 s",
    ) == (
        str(errors.RoleRequired("approver", "user")),
        str(errors.RoleRequired("approver")),
        str(errors.RateLimited(1_500_000, "new_work")),
    )


@pytest.mark.parametrize("delay_us", [1, 999_999, 1_000_000, 120_000_001])
def test_a_retry_time_is_exact_to_the_microsecond(delay_us: int) -> None:
    """A call at that time succeeds; one a moment before would not."""
    (retry,) = detail(errors.IdentityBlocked(delay_us), error_details_pb2.RetryInfo)

    assert delay_us == retry.retry_delay.ToMicroseconds()


def test_only_what_may_be_repeated_has_a_retry_time() -> None:
    """A retry of anything else is refused again; of these one needs a new id."""
    having = {error for error in EVERY if detail(sample(error, "x"), error_details_pb2.RetryInfo)}

    assert {*errors.Retryable.__subclasses__(), errors.ProviderUnavailable} == having


def test_providers_that_did_not_say_when_have_no_retry_time() -> None:
    """An invented time would bring everybody back at once."""
    assert [] == detail(errors.ProviderUnavailable(("p:http_500",)), error_details_pb2.RetryInfo)


def test_when_there_is_room_again_is_told_in_the_batches_time() -> None:
    """It may have been recorded by another process, whose clock is another."""
    error = errors.ProviderUnavailable(("groq:http_429",), NOW_US + 5_000_000)
    (retry,) = detail(error, error_details_pb2.RetryInfo)

    assert 5_000_000 == retry.retry_delay.ToMicroseconds()


def pushback(error: errors.ChenuError, left_s: float | None = None) -> str | bytes | None:
    """What a client's retry policy is told; None: nothing."""
    return dict(to_status(error, NOW_US, left_s).trailing_metadata or ()).get(
        "grpc-retry-pushback-ms"
    )


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__name__)
def test_a_retry_policy_is_told_what_the_reason_says(error: type[errors.ChenuError]) -> None:
    """Policies know statuses only, and UNAVAILABLE alone stands for a yes and for a no."""
    told = {Retry.NO: "-1", Retry.YES: None, Retry.AT: "1"}

    assert told[error.reason.retry] == pushback(sample(error, "x"))


@pytest.mark.parametrize(
    ("delay_us", "left_s", "told"),
    [
        (0, None, "0"),
        (1, None, "1"),
        (1_000_000, None, "1000"),
        (1_000_001, None, "1001"),
        (2_999_001, 3.0, "-1"),
        (2_998_001, 3.0, "2999"),
        (120_000_000, 20.0, "-1"),
    ],
)
def test_a_retry_policy_is_never_sent_too_early_or_beyond_its_deadline(
    delay_us: int, left_s: float | None, told: str
) -> None:
    """Too early is refused again; too late ends as DEADLINE_EXCEEDED and hides the reason."""
    assert told == pushback(errors.IdentityBlocked(delay_us), left_s)


@pytest.mark.parametrize(("budget_id", "subject"), [("b-1", "identity:b-1"), ("", "identity")])
def test_an_exhausted_budget_is_named_without_an_amount(budget_id: str, subject: str) -> None:
    """How much is left is for a budget_admin alone."""
    (failure,) = detail(
        errors.BudgetExhausted("identity", budget_id), error_details_pb2.QuotaFailure
    )

    (violation,) = failure.violations
    assert subject == violation.subject
    assert not any(character.isdigit() for character in violation.description)


@pytest.mark.parametrize(("budget_id", "subject"), [("b-1", "identity:b-1"), ("", "identity")])
def test_a_frozen_budget_is_a_precondition(budget_id: str, subject: str) -> None:
    """It is no matter of waiting or of a smaller query: somebody must act first."""
    error = errors.BudgetFrozen("identity", budget_id)
    (failure,) = detail(error, error_details_pb2.PreconditionFailure)

    (violation,) = failure.violations
    assert ("BUDGET", subject) == (violation.type, violation.subject)
    assert not any(character.isdigit() for character in violation.description)


def test_a_pending_checkpoint_asks_its_question_in_two_languages() -> None:
    """The person who decides need not read English."""
    (failure,) = detail(pending(), error_details_pb2.PreconditionFailure)
    asked = {it.locale: it.message for it in detail(pending(), error_details_pb2.LocalizedMessage)}

    (violation,) = failure.violations
    assert ("CHECKPOINT", CHECKPOINT_ID, "Delete?") == (
        violation.type,
        violation.subject,
        violation.description,
    )
    assert {"en": "Delete?", "fr": "Supprimer ?"} == asked


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (errors.InvalidField("text", "is empty"), "text"),
        (errors.RequestTooLarge(262_144), "request"),
    ],
)
def test_a_refused_field_is_named(error: errors.ChenuError, field: str) -> None:
    """A form can show the message beside the field."""
    (request,) = detail(error, error_details_pb2.BadRequest)

    assert [field] == [violation.field for violation in request.field_violations]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__name__)
@pytest.mark.parametrize("text", ["x" * 20_000, "\U0001f512" * 500, "\ud800" * 700])
def test_trailers_stay_small_whatever_is_refused(error: type[errors.ChenuError], text: str) -> None:
    """Over 8 KiB of trailers a client sees a broken connection in place of the refusal."""
    status = to_status(sample(error, text), NOW_US)

    packed = rich(sample(error, text))
    headers: Any = dict(status.trailing_metadata or ())
    encoded = len(base64.b64encode(headers["grpc-status-details-bin"]))
    assert sum(one.ByteSize() for one in packed.details) <= DETAILS_BYTES_MAX
    assert encoded + len(quote(status.details or "")) < 8_000


def test_ids_and_digests_arrive_whole_beside_long_questions() -> None:
    """A cut id would make the refusal useless."""
    (info,) = detail(pending("é" * 500, "\U0001f512" * 500), error_details_pb2.ErrorInfo)

    assert {CHECKPOINT_ID} == {info.metadata["checkpoint_id"], info.metadata["request_id"]}
    assert DIGEST == info.metadata["action_digest"]


def test_questions_of_the_usual_length_arrive_whole() -> None:
    """Only what would not fit is cut."""
    asked = [
        it.message
        for it in detail(pending("a" * 500, "b" * 500), error_details_pb2.LocalizedMessage)
    ]

    assert ["a" * 500, "b" * 500] == asked
