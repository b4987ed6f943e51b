"""The YAML suites that ship with memb, as package data."""
