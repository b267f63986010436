"""Tests of the policies as the server asks them."""
