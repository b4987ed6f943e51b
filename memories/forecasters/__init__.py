"""Online forecasters: what a stream's newest rows change, and what they forecast."""
