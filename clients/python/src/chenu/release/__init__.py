"""Verifying that a tool call may be executed, offline: `pip install 'chenu[release]'`.

keys = ReleaseKeys.read(jwks_json)  # of ToolCallService.GetReleaseKeys, kept by the executor
try:
    release = verify_release(
        token, arguments, tool="payments.refund", audience="refunds",
        issuer="https://gateway.example", keys=keys, store=store,
    )
except ReleaseError as error:
    print("not executed:", error.problem)
"""

from chenu.release.claims import Release
from chenu.release.keys import ReleaseKeys
from chenu.release.problems import ReleaseError, ReleaseProblem
from chenu.release.sql_store import SqlReleaseStore
from chenu.release.store import MemoryReleaseStore, ReleaseStore, ReleaseStoreError
from chenu.release.verify import verify_release

__all__ = [
    "MemoryReleaseStore",
    "Release",
    "ReleaseError",
    "ReleaseKeys",
    "ReleaseProblem",
    "ReleaseStore",
    "ReleaseStoreError",
    "SqlReleaseStore",
    "verify_release",
]
