"""The memories that are compared: one file per memory, one folder per family.

`memories.base` holds the protocols, `memories.lift` the ways from one protocol to another.
"""
