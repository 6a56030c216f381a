"""Parameters of an estimator on a command line: ``--set name=value``."""

import ast


def setting(text):
    """Read ``name=value``; what is no Python literal is a string."""
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value
