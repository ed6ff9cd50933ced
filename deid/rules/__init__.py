"""What decides: the standard's table, a profile's rules, the vocabulary. Nothing in here reads a medical file."""
