"""Benchmarks: `python -m mmjax.bench loss --help`. Each compares alternatives within one run."""
