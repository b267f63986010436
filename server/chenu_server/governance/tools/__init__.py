"""Tool calls that models propose: held, taken once, redeemed once."""
