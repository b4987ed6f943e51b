"""Reading a suite: strict YAML, typed parameters, grids, overrides; everything wrong at once."""
