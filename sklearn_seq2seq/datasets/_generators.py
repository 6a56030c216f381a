"""Pairs drawn from a rule."""

from datetime import date
from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.random import sample_without_replacement

from sklearn_seq2seq._fitting import Number, generator_of
from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.datasets._bunch import GENERATOR, make_bunch

_DATE_FORMATS = ("short", "medium", "long", "full")

_DATE_SKELETONS = ("yMd", "yMEd", "yMMMd", "yMMMEd")


@validate_params(
    {"locales": [str, "array-like"], **GENERATOR},
    prefer_skip_nested_validation=True,
)
def make_dates(
    n_samples=1000,
    *,
    locales=("en",),
    start="1950-01-01",
    end="2049-12-31",
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Make dates as people write them, and the same dates in ISO 8601.

    Each date is drawn evenly from the days between `start` and `end`, a locale from
    `locales`, and one of the eight forms that locale has for a whole date, from
    "3/5/09" to "Thursday, March 5, 2009".

    Parameters
    ----------
    n_samples : int, default=1000
        Number of pairs.
    locales : str or sequence of str, default=("en",)
        Locales of the Unicode CLDR, such as "en_GB", "de" or "ja".
    start : str or datetime.date, default="1950-01-01"
        The first day that can be drawn. Some forms write the year with two digits: a
        span of at most 100 years leaves them one reading.
    end : str or datetime.date, default="2049-12-31"
        The last day that can be drawn.
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
            Written dates.
        target : ndarray of str objects, or Series, of shape (n_samples,)
            ISO dates, ten characters each.
        locale : ndarray of str objects of shape (n_samples,)
            The locale of each written date.
        frame : DataFrame of shape (n_samples, 2)
            Only with `as_frame`: the columns "written" and "iso".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ValueError
        If a locale is unknown, or `start` or `end` is no date or out of order.
    ImportError
        If the extra ``datasets`` is not installed.

    Notes
    -----
    One locale's dates have one reading each; mixed locales can disagree ("3/5/09" is
    in March in "en" and in May in "en_GB"), which bounds the accuracy within reach.

    Source: the package Babel (BSD-3-Clause), with the data of the Unicode Common
    Locale Data Repository (Unicode-3.0 licence).

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import make_dates
    >>> X, y = make_dates(3, random_state=0, return_X_y=True)
    >>> for written, iso in zip(X, y):
    ...     print(iso, "|", written)
    1957-06-25 | Tue, Jun 25, 1957
    2008-02-29 | Feb 29, 2008
    2033-03-29 | Tuesday, March 29, 2033
    """
    dates = import_optional("babel.dates", "datasets")
    locales = np.atleast_1d(np.asarray(locales, dtype=object)).ravel()
    if not len(locales):
        raise ValueError("locales is empty; name at least one, such as 'en'.")
    parsed = [_parse_locale(locale) for locale in locales]
    start, end = _parse_day(start, "start"), _parse_day(end, "end")
    if not start <= end:
        raise ValueError(f"start must not be after end; got {start} and {end}.")

    rng = generator_of(random_state)
    days = start + rng.randint((end - start).astype(int) + 1, size=n_samples)
    which = rng.randint(len(parsed), size=n_samples)
    forms = rng.randint(len(_DATE_FORMATS) + len(_DATE_SKELETONS), size=n_samples)

    written = []
    for day, locale, form in zip(days.tolist(), which, forms, strict=True):
        if form < len(_DATE_FORMATS):
            text = dates.format_date(day, _DATE_FORMATS[form], parsed[locale])
        else:
            skeleton = _DATE_SKELETONS[form - len(_DATE_FORMATS)]
            text = dates.format_skeleton(skeleton, day, locale=parsed[locale])
        written.append(text)
    return make_bunch(
        {"written": written},
        {"iso": days.astype(str).tolist()},
        make_dates,
        return_X_y,
        as_frame,
        locale=locales[which],
    )


def _draw_different(n, n_draws, rng):
    """Draw different whole numbers below `n`, in random order."""
    draws = sample_without_replacement(n, n_draws, random_state=rng)
    if n_draws > 0.98 * n:
        # Where nearly all are drawn, they come nearly sorted.
        draws = rng.permutation(draws)
    return draws.tolist()


def _parse_day(day, name):
    if not isinstance(day, str | date):
        raise ValueError(f"{name} must be a str or a date; got {day!r}.")
    return np.datetime64(day, "D")


def _parse_locale(locale):
    babel = import_optional("babel", "datasets")
    try:
        return babel.Locale.parse(locale)
    except (babel.UnknownLocaleError, TypeError, ValueError) as error:
        raise ValueError(
            f"locales must be names of CLDR locales, such as 'en_GB'; got {locale!r}."
        ) from error


@validate_params(
    {
        "language": [str],
        "low": [Number(Integral, None, None, closed="neither")],
        "high": [Number(Integral, None, None, closed="neither")],
        **GENERATOR,
    },
    prefer_skip_nested_validation=True,
)
def make_number_words(
    n_samples=1000,
    *,
    language="en",
    low=0,
    high=1_000_000,
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Make whole numbers in words, and the same numbers in digits.

    No number comes twice, so that no split shares one.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of pairs.
    language : str, default="en"
        A language of the package num2words as it calls it, such as "de" or "pt_BR".
    low : int, default=0
        The smallest number that can be drawn.
    high : int, default=1_000_000
        One above the largest number that can be drawn.
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
            Numbers in words.
        target : ndarray of str objects, or Series, of shape (n_samples,)
            The same numbers in decimal digits.
        frame : DataFrame of shape (n_samples, 2)
            Only with `as_frame`: the columns "words" and "digits".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ValueError
        If the language is unknown or does not have a number that was drawn, or fewer
        than `n_samples` numbers lie in the range, or more than can be drawn from.
    ImportError
        If the extra ``datasets`` is not installed.

    Notes
    -----
    Source: the package num2words (LGPL-2.1).

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import make_number_words
    >>> X, y = make_number_words(2, high=1000, random_state=0, return_X_y=True)
    >>> for words, digits in zip(X, y):
    ...     print(digits, "|", words)
    684 | six hundred and eighty-four
    559 | five hundred and fifty-nine
    """
    library = import_optional("num2words", "datasets")
    if high - low < n_samples:
        raise ValueError(
            f"n_samples={n_samples} different numbers do not fit in the range from "
            f"low={low} to high={high}, the latter excluded."
        )
    if high - low > np.iinfo(np.int64).max:
        raise ValueError(
            f"The range from low={low} to high={high} is too wide to draw from: it "
            "must hold fewer than 2**63 numbers."
        )
    # num2words itself goes by the first two letters, and takes "estonian" for Spanish.
    if language not in library.CONVERTER_CLASSES:
        raise ValueError(
            f"num2words does not have language={language!r}; it has "
            f"{', '.join(sorted(library.CONVERTER_CLASSES))}."
        )
    draws = _draw_different(high - low, n_samples, generator_of(random_state))
    numbers = [low + draw for draw in draws]
    words = [_spell(library, number, language) for number in numbers]
    return make_bunch(
        {"words": words},
        {"digits": map(str, numbers)},
        make_number_words,
        return_X_y,
        as_frame,
    )


def _spell(library, number, language):
    try:
        return library.num2words(number, lang=language)
    # What it raises for a number out of its range differs from language to language,
    # from OverflowError to TypeError.
    except Exception as error:
        raise ValueError(
            f"num2words cannot write {number} in language={language!r} "
            f"({type(error).__name__}: {error}); set low and high to what it can."
        ) from error


_NAME_TEMPLATES = (
    "my name is {name} from {place}",
    "{name} has never been to {place}",
    "in {place} they call me {name}",
    "the road to {place} was built by {name}",
    "please send the letter to {name} in {place}",
    "{place} is the home of {name} and of nobody else",
)

_CONSONANTS = "bcdfghjklmnpqrstvwxz"

_SYLLABLES = [onset + vowel for onset in _CONSONANTS for vowel in "aeiou"]

_ENDINGS = ("", *_CONSONANTS)

_N_NAMES = len(_SYLLABLES) ** 3 * len(_ENDINGS)


@validate_params(
    {"subset": [StrOptions({"train", "test", "all"})], **GENERATOR},
    prefer_skip_nested_validation=True,
)
def make_names(
    n_samples=1000,
    *,
    subset="all",
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Make sentences that mention a person, and the person's name.

    Names of people and places are coined words; each is used once in a call. So a
    model with a vocabulary of words meets every name of its test rows for the first
    time, and can answer only by copying from the source.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of pairs, at most 5,250,000.
    subset : {"train", "test", "all"}, default="all"
        The names to draw from. Whatever the seeds, no name of "train" is in "test";
        "all" has both.
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
            Sentences, their words separated by spaces.
        target : ndarray of str objects, or Series, of shape (n_samples,)
            The person's name, one word of the sentence.
        frame : DataFrame of shape (n_samples, 2)
            Only with `as_frame`: the columns "sentence" and "name".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ValueError
        If there are fewer names than the samples need.

    References
    ----------
    .. [1] J. Gu, Z. Lu, H. Li, V. O. K. Li, "Incorporating Copying Mechanism in
       Sequence-to-Sequence Learning", ACL 2016, :arxiv:`1603.06393`.

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import make_names
    >>> X, y = make_names(3, random_state=0, return_X_y=True)
    >>> for sentence, name in zip(X, y):
    ...     print(name, "|", sentence)
    Kuqurew | the road to Gupebus was built by Kuqurew
    Wezebe | Seqevof is the home of Wezebe and of nobody else
    Danuved | in Kelacob they call me Danuved
    """
    rng = generator_of(random_state)
    stride = 1 if subset == "all" else 2
    if n_samples > _N_NAMES // stride // 2:
        raise ValueError(
            f"n_samples={n_samples} sentences need two new names each, and "
            f"subset={subset!r} has {_N_NAMES // stride}."
        )
    draws = _draw_different(_N_NAMES // stride, 2 * n_samples, rng)
    # Even numbers are the names of the training set, odd ones those of the test set.
    names = [_coin_name(draw * stride + (subset == "test")) for draw in draws]
    templates = rng.randint(len(_NAME_TEMPLATES), size=n_samples)
    people, places = names[:n_samples], names[n_samples:]
    sentences = [
        _NAME_TEMPLATES[template].format(name=name, place=place)
        for template, name, place in zip(templates, people, places, strict=True)
    ]
    return make_bunch(
        {"sentence": sentences}, {"name": people}, make_names, return_X_y, as_frame
    )


def _coin_name(number):
    """Spell a number below `_N_NAMES` as a word of its own."""
    number, ending = divmod(number, len(_ENDINGS))
    number, third = divmod(number, len(_SYLLABLES))
    first, second = divmod(number, len(_SYLLABLES))
    syllables = (_SYLLABLES[first], _SYLLABLES[second], _SYLLABLES[third])
    return "".join([*syllables, _ENDINGS[ending]]).capitalize()
