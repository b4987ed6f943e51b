"""Statistics of seeds as pure functions of arrays; no files, no global generators, no torch.

One file per idea: `pairing`, `paired` (which test), `permutation`, `student`, `intervals`,
`effects`, `equivalence`, `corrections`, `power`. All randomness comes from a
`numpy.random.Generator` that the caller passes in.
"""
