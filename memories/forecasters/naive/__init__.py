"""Forecasts that need no training: what every learner has to beat."""
