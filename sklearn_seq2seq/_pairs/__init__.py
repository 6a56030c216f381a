"""Pairs of sources and targets as arrays."""
