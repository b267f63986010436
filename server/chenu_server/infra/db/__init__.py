"""SQL remembers: one writer commits decisions in groups, a bounded pool reads."""
