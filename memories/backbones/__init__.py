"""Forecasting backbones: modules mapping windows [B, L, C] to forecasts [B, H, C]; see `base`."""
