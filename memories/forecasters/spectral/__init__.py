"""Forecasters whose encoder reads tokens from the spectrum of the windows that it has seen."""
