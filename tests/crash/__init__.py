"""kill -9 at a failpoint or at random, then the invariants."""
