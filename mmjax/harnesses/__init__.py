"""Models of this package as models of other people's benchmarks."""
