"""One training, from a data set to a trained net."""
