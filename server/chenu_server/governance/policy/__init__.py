"""Policies in the Cedar language: shipped rules, and an operator's own."""
