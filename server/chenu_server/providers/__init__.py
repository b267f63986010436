"""LLM providers: two wires, a catalogue of records, and prices as integers."""
