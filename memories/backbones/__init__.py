"""Forecasting backbones: modules mapping windows [B, L, C] to forecasts [B, H, C].

A backbone's constructor takes `channels`, `lookback`, `horizon`, its own parameters and a keyword
`generator`. Its `head` names the submodule that is its last linear map, or is None where that is
the whole of it.
"""
