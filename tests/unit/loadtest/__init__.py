"""What demo, load test and bench stand on."""
