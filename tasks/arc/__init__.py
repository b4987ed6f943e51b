"""Grids in the style of the Abstraction and Reasoning Corpus: rules, episodes and their codes."""
