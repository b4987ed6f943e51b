"""The harness: suites, plans, runs, records, statistics and tables.

It knows no particular memory and no particular task; it meets both through `bench.registry`.
"""
