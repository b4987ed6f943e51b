"""Multi-query associative recall over tokens: sequences, the model around a memory, training."""
