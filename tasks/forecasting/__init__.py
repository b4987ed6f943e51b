"""What online forecasting is made of: the causal stream, the pass over it, pre-training, scores."""
