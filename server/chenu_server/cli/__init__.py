"""The command line: what people and scripts run. It decides nothing that the server decides."""
