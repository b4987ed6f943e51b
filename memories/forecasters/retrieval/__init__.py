"""Forecasters that correct a frozen backbone by remembered errors."""
