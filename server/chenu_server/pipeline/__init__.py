"""The Nova pipeline: seven lanes, strictly in order, in front of every provider."""
