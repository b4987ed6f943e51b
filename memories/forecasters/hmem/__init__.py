"""H-Mem: a memory that generates low-rank weights, and a bank of past errors that corrects."""
