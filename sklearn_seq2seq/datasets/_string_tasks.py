"""Pairs of random strings: copy, reverse, sort, addition."""

import string
from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import validate_params

from sklearn_seq2seq._fitting import Number, generator_of
from sklearn_seq2seq.datasets._bunch import GENERATOR, make_bunch

_STRINGS = {
    "min_length": [Number(Integral, 0, None, closed="left")],
    "max_length": [Number(Integral, 0, None, closed="left")],
    "alphabet": [str],
    **GENERATOR,
}


@validate_params(_STRINGS, prefer_skip_nested_validation=True)
def make_copy(
    n_samples=1000,
    *,
    min_length=1,
    max_length=10,
    alphabet=string.ascii_lowercase,
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Make random strings whose answer is the string itself.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of pairs.
    min_length, max_length : int, default=1 and 10
        Lengths in characters are drawn uniformly between the two, inclusive.
    alphabet : str, default="abcdefghijklmnopqrstuvwxyz"
        The characters to draw from, uniformly.
    random_state : int, RandomState instance or None, default=None
        An int makes every call return the same pairs.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas Series, and a DataFrame of both columns.

    Returns
    -------
    Bunch
        With these attributes; with `return_X_y`, the first two as a tuple.

        data : ndarray of str objects, or Series, of shape (n_samples,)
            Random strings.
        target : ndarray of str objects, or Series, of shape (n_samples,)
            The same strings.
        frame : DataFrame of shape (n_samples, 2)
            Only with `as_frame`: the columns "string" and "copy".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ValueError
        If `min_length` is above `max_length`, or `alphabet` is empty.

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import make_copy
    >>> X, y = make_copy(2, alphabet="abc", random_state=0, return_X_y=True)
    >>> X.tolist(), y.tolist()
    (['bbcaca', 'a'], ['bbcaca', 'a'])
    """
    source = _random_strings(n_samples, min_length, max_length, alphabet, random_state)
    return make_bunch(
        {"string": source}, {"copy": source}, make_copy, return_X_y, as_frame
    )


@validate_params(_STRINGS, prefer_skip_nested_validation=True)
def make_reverse(
    n_samples=1000,
    *,
    min_length=1,
    max_length=10,
    alphabet=string.ascii_lowercase,
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Make random strings whose answer is the string read backwards.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of pairs.
    min_length, max_length : int, default=1 and 10
        Lengths in characters are drawn uniformly between the two, inclusive.
    alphabet : str, default="abcdefghijklmnopqrstuvwxyz"
        The characters to draw from, uniformly.
    random_state : int, RandomState instance or None, default=None
        An int makes every call return the same pairs.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas Series, and a DataFrame of both columns.

    Returns
    -------
    Bunch
        With these attributes; with `return_X_y`, the first two as a tuple.

        data : ndarray of str objects, or Series, of shape (n_samples,)
            Random strings, those that `make_copy` draws with the same arguments.
        target : ndarray of str objects, or Series, of shape (n_samples,)
            The strings read backwards.
        frame : DataFrame of shape (n_samples, 2)
            Only with `as_frame`: the columns "string" and "reverse".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ValueError
        If `min_length` is above `max_length`, or `alphabet` is empty.

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import make_reverse
    >>> X, y = make_reverse(2, alphabet="abc", random_state=0, return_X_y=True)
    >>> X.tolist(), y.tolist()
    (['bbcaca', 'a'], ['acacbb', 'a'])
    """
    source = _random_strings(n_samples, min_length, max_length, alphabet, random_state)
    target = [text[::-1] for text in source]
    return make_bunch(
        {"string": source}, {"reverse": target}, make_reverse, return_X_y, as_frame
    )


@validate_params(_STRINGS, prefer_skip_nested_validation=True)
def make_sort(
    n_samples=1000,
    *,
    min_length=1,
    max_length=10,
    alphabet=string.ascii_lowercase,
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Make random strings whose answer is their characters in order.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of pairs.
    min_length, max_length : int, default=1 and 10
        Lengths in characters are drawn uniformly between the two, inclusive.
    alphabet : str, default="abcdefghijklmnopqrstuvwxyz"
        The characters to draw from, uniformly.
    random_state : int, RandomState instance or None, default=None
        An int makes every call return the same pairs.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas Series, and a DataFrame of both columns.

    Returns
    -------
    Bunch
        With these attributes; with `return_X_y`, the first two as a tuple.

        data : ndarray of str objects, or Series, of shape (n_samples,)
            Random strings, those that `make_copy` draws with the same arguments.
        target : ndarray of str objects, or Series, of shape (n_samples,)
            The strings' characters in the order of their code points.
        frame : DataFrame of shape (n_samples, 2)
            Only with `as_frame`: the columns "string" and "sorted".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ValueError
        If `min_length` is above `max_length`, or `alphabet` is empty.

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import make_sort
    >>> X, y = make_sort(2, alphabet="abc", random_state=0, return_X_y=True)
    >>> X.tolist(), y.tolist()
    (['bbcaca', 'a'], ['aabbcc', 'a'])
    """
    source = _random_strings(n_samples, min_length, max_length, alphabet, random_state)
    target = ["".join(sorted(text)) for text in source]
    return make_bunch(
        {"string": source}, {"sorted": target}, make_sort, return_X_y, as_frame
    )


def _random_strings(n_samples, min_length, max_length, alphabet, random_state):
    if min_length > max_length:
        raise ValueError(
            "min_length must not be above max_length; "
            f"got {min_length} and {max_length}."
        )
    if not alphabet:
        raise ValueError("alphabet must hold at least one character; got ''.")
    rng = generator_of(random_state)
    ends = np.cumsum(rng.randint(min_length, max_length + 1, size=n_samples))
    letters = rng.randint(len(alphabet), size=ends[-1])
    text = "".join(np.array(list(alphabet))[letters])
    starts = np.concatenate([[0], ends[:-1]])
    return [
        text[start:end]
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


@validate_params(
    {
        "n_terms": [Number(Integral, 2, None, closed="left")],
        "n_digits": [Number(Integral, 1, 18, closed="both")],
        **GENERATOR,
    },
    prefer_skip_nested_validation=True,
)
def make_addition(
    n_samples=1000,
    *,
    n_terms=2,
    n_digits=3,
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Make sums such as "12+345" and their results.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of pairs. A sum may occur twice.
    n_terms : int, default=2
        Numbers to add up in each row.
    n_digits : int, default=3
        The most digits of a term, up to 18. The number of digits of each term is drawn
        uniformly first, so that short numbers are as common as long ones.
    random_state : int, RandomState instance or None, default=None
        An int makes every call return the same pairs.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas Series, and a DataFrame of both columns.

    Returns
    -------
    Bunch
        With these attributes; with `return_X_y`, the first two as a tuple.

        data : ndarray of str objects, or Series, of shape (n_samples,)
            Sums.
        target : ndarray of str objects, or Series, of shape (n_samples,)
            Their results in decimal digits.
        frame : DataFrame of shape (n_samples, 2)
            Only with `as_frame`: the columns "sum" and "result".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    References
    ----------
    .. [1] W. Zaremba, I. Sutskever, "Learning to Execute", 2014, :arxiv:`1410.4615`.

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import make_addition
    >>> X, y = make_addition(3, random_state=0, return_X_y=True)
    >>> X.tolist(), y.tolist()
    (['4+97', '6+98', '98+496'], ['101', '104', '594'])
    """
    rng = generator_of(random_state)
    digits = rng.randint(1, n_digits + 1, size=(n_samples, n_terms))
    low = np.where(digits == 1, 0, 10 ** (digits - 1))
    rows = rng.randint(low, 10**digits, dtype=np.int64).tolist()
    return make_bunch(
        {"sum": ["+".join(map(str, row)) for row in rows]},
        {"result": [str(sum(row)) for row in rows]},
        make_addition,
        return_X_y,
        as_frame,
    )
