"""Benchmarks: ratios within one run. Results are in docs/benchmarks.md."""
