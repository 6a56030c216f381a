"""The common parameters and results of generators and loaders."""

import inspect

import numpy as np
from sklearn.utils import Bunch

from sklearn_seq2seq._fitting import positive
from sklearn_seq2seq._optional import import_optional

COUNT = positive()

FORMAT = {"return_X_y": ["boolean"], "as_frame": ["boolean"]}

GENERATOR = {"n_samples": [COUNT], "random_state": ["random_state"], **FORMAT}


def object_array(values):
    """1-D object array of str from an iterable of str."""
    values = list(values)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def make_bunch(source, target, function, return_X_y, as_frame, **extra):
    """The result of `function`, from its two columns: ``{name: iterable of str}``."""
    columns = {name: object_array(column) for name, column in (source | target).items()}
    source_name, target_name = columns
    if as_frame:
        extra["frame"] = import_optional("pandas", "pandas").DataFrame(columns)
        columns = extra["frame"]
    data, answers = columns[source_name], columns[target_name]
    if return_X_y:
        return data, answers
    return Bunch(
        data=data,
        target=answers,
        feature_names=[source_name],
        target_names=[target_name],
        DESCR=inspect.getdoc(function),
        **extra,
    )
