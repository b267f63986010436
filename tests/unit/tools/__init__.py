"""Tests of tool calls and their releases."""
