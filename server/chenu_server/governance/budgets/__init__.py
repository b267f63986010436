"""Budgets: limits on money, and what is held and spent against them."""
