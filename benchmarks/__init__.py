"""Throughput and memory of insarflow beside plain NumPy and SciPy: ``python -m benchmarks``."""
