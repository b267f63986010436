"""Stops that only a person can lift."""
