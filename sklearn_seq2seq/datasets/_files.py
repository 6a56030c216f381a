"""Pairs from your own files."""

from os import PathLike

from sklearn.utils._param_validation import validate_params

from sklearn_seq2seq.datasets._bunch import FORMAT, make_bunch


@validate_params(
    {"path": [str, PathLike], "sep": [str], **FORMAT},
    prefer_skip_nested_validation=True,
)
def read_pairs(path, *, sep="\t", return_X_y=False, as_frame=False):
    r"""Read pairs from a UTF-8 text file with one pair a line.

    Lines are read literally: `sep` cannot be quoted or escaped, spaces count, and
    a line of column names is read as a pair. An empty side is an empty string.

    Parameters
    ----------
    path : str or path-like
        The file.
    sep : str, default="\t"
        The separator of source and target.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas Series, and a DataFrame of both columns.

    Returns
    -------
    Bunch
        With these attributes; with `return_X_y`, the first two as a tuple.

        data : ndarray of str objects, or Series, of shape (n_samples,)
            The text before `sep`.
        target : ndarray of str objects, or Series, of shape (n_samples,)
            The text after `sep`.
        frame : DataFrame of shape (n_samples, 2)
            Only with `as_frame`: the columns "source" and "target".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ValueError
        If a line does not have two fields, or is not UTF-8 (the message gives its
        number), or the file is empty.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_seq2seq.datasets import read_pairs
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "pairs.tsv"
    ...     _ = path.write_text("ab\tba\nxyz\tzyx\n", encoding="utf-8")
    ...     X, y = read_pairs(path, return_X_y=True)
    >>> X.tolist(), y.tolist()
    (['ab', 'xyz'], ['ba', 'zyx'])
    """
    if not sep:
        raise ValueError("sep must not be empty.")
    with open(path, "rb") as file:
        raw = file.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(f"Line {line} of {path} is not UTF-8: {error}.") from error
    if not text:
        raise ValueError(f"{path} is empty.")
    # Not splitlines, which also splits at characters that occur inside text.
    lines = text.removesuffix("\n").split("\n")
    rows = [line.removesuffix("\r").split(sep) for line in lines]
    for number, row in enumerate(rows, start=1):
        if len(row) != 2:
            raise ValueError(
                f"Line {number} of {path} must be two fields separated by {sep!r}; "
                f"got {len(row)}: {lines[number - 1]!r:.80}."
            )
    source, target = zip(*rows, strict=True)
    return make_bunch(
        {"source": source}, {"target": target}, read_pairs, return_X_y, as_frame
    )
