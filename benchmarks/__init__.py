"""Speed and memory as ratios to what one could do without the package.

``python -m benchmarks`` measures them; `docs/guide/performance.md` says what they mean.
"""
