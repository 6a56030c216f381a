"""One safe file for a fitted estimator."""
