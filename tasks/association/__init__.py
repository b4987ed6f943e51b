"""What the associative tasks share: keys, values, lists, probes and how recall is scored."""
