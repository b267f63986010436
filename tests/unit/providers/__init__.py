"""Unit tests of the providers and of the fake upstream."""
