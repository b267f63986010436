"""Tokens, the boundary, violations."""
