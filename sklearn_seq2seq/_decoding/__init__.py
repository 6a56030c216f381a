"""What a fitted estimator does with new sources."""
