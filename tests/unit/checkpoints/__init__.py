"""Checkpoints, without a database."""
