"""Libraries that only some features need."""

from importlib import import_module

import numpy as np


def import_optional(module, extra):
    """Import a module, or say which extra of this package installs it.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    extra : str
        The extra that lists the module's distribution.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the module is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This feature needs {module.partition('.')[0]}, which is not installed. "
            f"Install it with: pip install 'sklearn_seq2seq[{extra}]'"
        ) from error


def as_table(columns):
    """A DataFrame of columns by name, or a record array if pandas is not installed."""
    try:
        import pandas as pd
    except ImportError:
        return np.rec.fromarrays(list(columns.values()), names=list(columns))
    return pd.DataFrame(columns)
