"""Forecasters that learn online by gradient: what a plain memory of weights achieves."""
