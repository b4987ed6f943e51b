"""What the small verbs print: plans, listings, datasets, files to start from."""
