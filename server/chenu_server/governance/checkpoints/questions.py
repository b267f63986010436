"""The question to a person, in English and French, at most 500 characters each. Pure.

It quotes nothing: members see it, and what was asked is for the asker and for approvers.
"""

from __future__ import annotations

from typing import Final

from chenu_server.vocabulary import CheckpointType

QUESTION_MAX: Final = 500
PREVIEW_MAX: Final = 500

_EN: Final = {
    CheckpointType.EXECUTION_APPROVAL: "send something out or pay",
    CheckpointType.DATA_ACCESS: "transfer data",
    CheckpointType.SCOPE_ELEVATION: "widen its scope",
    CheckpointType.BUDGET_APPROVAL: "go beyond its budget",
    CheckpointType.CROSS_SPHERE: "reach into another sphere",
    CheckpointType.DESTRUCTIVE_ACTION: "delete something",
    CheckpointType.IDENTITY_BOUNDARY: "touch another identity",
}
_FR: Final = {
    CheckpointType.EXECUTION_APPROVAL: "envoyer quelque chose ou payer",
    CheckpointType.DATA_ACCESS: "transférer des données",
    CheckpointType.SCOPE_ELEVATION: "élargir sa portée",
    CheckpointType.BUDGET_APPROVAL: "dépasser son budget",
    CheckpointType.CROSS_SPHERE: "atteindre une autre sphère",
    CheckpointType.DESTRUCTIVE_ACTION: "supprimer quelque chose",
    CheckpointType.IDENTITY_BOUNDARY: "toucher une autre identité",
}


def preview(text: str) -> str:
    """The start of a text, as an approver sees it."""
    return text if len(text) <= PREVIEW_MAX else text[: PREVIEW_MAX - 1] + "…"


def english(types: tuple[CheckpointType, ...], who: str) -> str:
    """What the approver is asked, in English."""
    wants = " and ".join(_EN[kind] for kind in types)
    return f"{who} asks to {wants}. Approve exactly this request?"[:QUESTION_MAX]


def french(types: tuple[CheckpointType, ...], who: str) -> str:
    """What the approver is asked, in French."""
    wants = " et ".join(_FR[kind] for kind in types)
    return f"{who} demande à {wants}. Approuver exactement cette demande ?"[:QUESTION_MAX]
