"""Sequence-to-sequence learning with the manners of scikit-learn."""

__version__ = "0.1.0"
