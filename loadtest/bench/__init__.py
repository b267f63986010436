"""`python -m loadtest.bench`: what one governed call costs, end to end and durable."""
