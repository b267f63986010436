"""Locust users: what a caller, a reader of streams and an approver do all day."""

from loadtest.users.approve import ApproveUser
from loadtest.users.query import QueryUser
from loadtest.users.stream import StreamUser

__all__ = ["ApproveUser", "QueryUser", "StreamUser"]
