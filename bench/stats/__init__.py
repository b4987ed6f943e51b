"""Statistics of seeds as pure functions of arrays; no files, no global generators, no torch.

One file per idea: `pairing`, `paired` (which test), `permutation`, `student`, `intervals`,
`effects`, `equivalence`, `outperformance`, `corrections`, `power`; over many tasks `ranks`,
`posthoc`, `aggregate`, `resampling`, `profiles`; over time `diebold_mariano`, `model_confidence`;
never behind a mark `dominance`, `bayesian`. All randomness comes from a `numpy.random.Generator`
that the caller passes in.
"""
