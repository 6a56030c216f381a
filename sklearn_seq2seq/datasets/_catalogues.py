"""Interface strings and their translations, from installed message catalogues."""

import re
from collections import Counter

import numpy as np
from sklearn.utils._param_validation import validate_params

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.datasets._bunch import FORMAT, make_bunch, object_array
from sklearn_seq2seq.datasets._duplicates import group_near_duplicates
from sklearn_seq2seq.datasets._installed_packages import (
    files_of,
    find_distribution,
    licenses_of,
    need_distributions,
)

_KNOWN = ("Django", "jupyterlab-language-pack-{}", "wagtail", "Weblate")
_READERS = {".mo": "mofile.read_mo", ".po": "pofile.read_po"}
# No-break spaces are part of a translation.
_SPACE = re.compile(r"[ \t\r\n]+")
_LETTER = re.compile(r"[^\W\d_]")
_PLACEHOLDER = re.compile(
    r"%\(\w+\)[-#0+]*\d*(?:\.\d+)?[a-zA-Z]"  # %(name)s
    r"|%[-#0+]*\d*(?:\.\d+)?[diouxXeEfFgGcrs]\b|%\d+|%%"  # %s, %1, %%
    r"|\{\{.*?\}\}|\{[\w.!:]*\}"  # {{ name }}, {name}
    r"|</?[a-zA-Z][^<>]*>|&#?\w+;"  # <b>, &nbsp;
)


@validate_params(
    {"language": [str], "packages": [str, "array-like", None], **FORMAT},
    prefer_skip_nested_validation=True,
)
def load_ui_translations(
    language="de", *, packages=None, return_X_y=False, as_frame=False
):
    """Load English interface strings and their translations.

    They come from the message catalogues (gettext's .mo and .po files) of installed
    distributions, which are found by the distributions' lists of files. No code of the
    distributions is run.

    Parameters
    ----------
    language : str, default="de"
        The name of the language's folder in catalogues, such as "de", "pt_BR" or
        "zh_Hans". If a distribution has no such folder, the one with the likeliest
        country or script is read: "de_DE", "ja_JP".
    packages : str or sequence of str, default=None
        Distributions to read, in this order. None means Django, JupyterLab's language
        pack, Wagtail and Weblate, as far as they are installed. The extra ``datasets``
        installs Django and JupyterLab's German pack. The others have many dependencies,
        which their catalogues do not need: ``pip install --no-deps wagtail weblate``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas Series, and a DataFrame of both columns.

    Returns
    -------
    Bunch
        With these attributes; with `return_X_y`, the first two as a tuple.

        data : ndarray of str objects, or Series, of shape (n_samples,)
            English strings, each once, with placeholders and markup.
        target : ndarray of str objects, or Series, of shape (n_samples,)
            Translations.
        groups : ndarray of int64, shape (n_samples,)
            Near-duplicates among the English strings have the same number. A splitter
            such as `GroupShuffleSplit` keeps them on one side.
        placeholders : ndarray of tuples of str, shape (n_samples,)
            Placeholders and markup that occur in both strings of a row, as often as
            there: what a translation has to keep, such as "%(name)s" or "<b>".
        origin : ndarray of str objects, shape (n_samples,)
            The distribution of each row.
        licenses : dict of str
            From each distribution to the licence in its metadata.
        frame : DataFrame of shape (n_samples, 2)
            Only with `as_frame`: the columns "english" and "translation".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ImportError
        If the extra ``datasets`` is not installed, or one of `packages`.
    ValueError
        If no catalogue has the language (the message lists those that exist), or none
        of its entries is translated.

    Notes
    -----
    The rows are selected as follows:

    - If a catalogue has both forms, the .mo file is read, which the program shows.
    - Fuzzy and obsolete entries are left out, and entries without a translation, with
      the English string as translation, or without a letter.
    - For an entry with plural forms, the English plural and the last form of the
      translation are used.
    - Runs of spaces and line ends become one space.
    - Each English string occurs once, with its most frequent translation; of equally
      frequent ones, the first in the order of `packages` and their files.

    The result depends on the installed releases. Strings are compared in lower case,
    with all placeholders made equal: those that share at least 60 % of their character
    4-grams form a group.

    Source: Django (BSD-3-Clause), JupyterLab's language pack (BSD), Wagtail
    (BSD-3-Clause), Weblate (GPL-3.0-or-later), and whatever else `packages` names.

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import load_ui_translations
    >>> strings = load_ui_translations("de", packages="Django")
    >>> translations = dict(zip(strings.data, strings.target))
    >>> translations["Enter a valid email address."]
    'Bitte gültige E-Mail-Adresse eingeben.'
    >>> translations["Change password: %s"]
    'Passwort ändern: %s'
    >>> strings.licenses
    {'Django': 'BSD-3-Clause'}
    """
    names = _alike(language)
    if packages is None:
        distributions = _known(names)
    else:
        distributions = need_distributions(np.atleast_1d(packages).tolist())
    source, target, origin = _unique(_pairs(distributions, names, language))
    if not source:
        raise ValueError(
            f"No catalogue in language={language!r} has a translated entry."
        )
    found = [_PLACEHOLDER.findall(text) for text in source]
    kept = [
        tuple((Counter(placeholders) & Counter(_PLACEHOLDER.findall(text))).elements())
        for placeholders, text in zip(found, target, strict=True)
    ]
    bare = [
        " ".join(re.findall(r"\w+", _PLACEHOLDER.sub(" _ ", text.lower())))
        for text in source
    ]
    return make_bunch(
        {"english": source},
        {"translation": target},
        load_ui_translations,
        return_X_y,
        as_frame,
        groups=group_near_duplicates(
            bare, bare, analyzer="char_wb", ngram_range=(4, 4)
        ),
        placeholders=object_array(kept),
        origin=object_array(origin),
        licenses=licenses_of(distributions),
    )


def _alike(language):
    """Names of a language, the given one first."""
    likely = import_optional("babel.core", "datasets").get_global("likely_subtags")
    language = language.replace("-", "_")
    first, *others = likely.get(language, language).split("_")
    longer = [f"{first}_{other}" for other in reversed(others)]
    return list(dict.fromkeys([language, *longer]))


def _known(names):
    """The installed ones of the distributions that are known to have catalogues."""
    candidates = [known.format(name) for known in _KNOWN for name in names]
    found = map(find_distribution, dict.fromkeys(candidates))
    distributions = [dist for dist in found if dist is not None]
    if not distributions:
        raise ImportError(
            "No distribution known to have message catalogues is installed. Install "
            "some with: pip install 'sklearn_seq2seq[datasets]', or name others in "
            "packages."
        )
    return distributions


def _pairs(distributions, names, language):
    """Yield ``(English, translation, distribution)`` of all catalogues."""
    catalogues = [(dist, _catalogues(dist)) for dist in distributions]
    existing = sorted({name for _, languages in catalogues for name in languages})
    if not set(names) & set(existing):
        raise ValueError(
            f"No message catalogue of {', '.join(dist.name for dist in distributions)} "
            f"is in language={language!r}; there are: {', '.join(existing) or 'none'}."
        )
    for dist, languages in catalogues:
        origin = dist.name  # read once, since it comes from a file
        paths = next((languages[name] for name in names if name in languages), ())
        for path in paths:
            for source, target in _read(dist.locate_file(path)):
                yield source, target, origin


def _catalogues(dist):
    """``{language: paths}`` of a distribution's catalogues, one path for each."""
    languages = {}
    # The .mo file of a catalogue comes before the .po file.
    for path in files_of(dist):
        if path.suffix in _READERS and path.parent.name == "LC_MESSAGES":
            language = path.parent.parent.name.replace("-", "_")
            languages.setdefault(language, {}).setdefault(path.with_suffix(""), path)
    return {language: list(paths.values()) for language, paths in languages.items()}


def _read(path):
    """Yield the pairs of one catalogue."""
    module, name = _READERS[path.suffix].split(".")
    reader = getattr(import_optional(f"babel.messages.{module}", "datasets"), name)
    options = {} if path.suffix == ".mo" else {"abort_invalid": True}
    try:
        with path.open("rb") as file:
            catalogue = reader(file, **options)
    except Exception as error:
        error.add_note(f"The message catalogue {path} cannot be read.")
        raise
    for message in catalogue:
        if message.fuzzy:
            continue
        texts = message.id, message.string
        if message.pluralizable:
            texts = [forms[-1] for forms in texts]
        source, target = (_SPACE.sub(" ", text or "").strip() for text in texts)
        if target and target != source and _LETTER.search(source):
            yield source, target


def _unique(pairs):
    """Each source once: sources, their commonest targets, and the targets' origins."""
    seen = {}
    for source, target, origin in pairs:
        seen.setdefault(source, {}).setdefault(target, []).append(origin)
    chosen = [
        max(targets.items(), key=lambda item: len(item[1])) for targets in seen.values()
    ]
    return (
        list(seen),
        [target for target, _ in chosen],
        [places[0] for _, places in chosen],
    )
