"""What decides before anything runs: identity, policy, limits, budgets, checkpoints, audit."""
