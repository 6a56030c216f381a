"""Eighteen tasks on which defaults are compared, in two halves.

A task makes pairs of a source and a target: ``task(n, rng)``. Loaders give what there
is, generators `n` pairs.
"""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

import numpy as np
from babel import Locale
from babel.numbers import format_currency
from babel.units import format_unit
from num2words import num2words

from sklearn_seq2seq.datasets import (
    load_lemmas,
    load_misspellings,
    load_pronunciations,
    load_ui_translations,
    make_dates,
    make_number_words,
)

N_POOL, N_TEST, N_DEV = 6000, 500, 250
# Targets of which are a closed list, so that those of the test are in training.
CLOSED = ("misspellings",)
# Targets of which are phones separated by spaces.
PHONES = ("pronunciations",)


def _lemmas(language):
    def task(n, rng):
        X, y = load_lemmas(language, n_words=2 * n, random_state=rng, return_X_y=True)
        plain = [a == a.lower() and b == b.lower() for a, b in zip(X, y, strict=True)]
        # German nouns are written with a capital.
        return _pairs(X, y) if language == "de" else _pairs(X[plain], y[plain])

    return task


def _pronunciations(n, rng):
    return _pairs(*load_pronunciations(n_words=n, random_state=rng, return_X_y=True))


def _misspellings(n, rng):
    """Of the four hundred words that are misspelt in most ways."""
    X, y = load_misspellings(return_X_y=True)
    closed = {word for word, _ in Counter(y).most_common(400)}
    return [pair for pair in zip(X, y, strict=True) if pair[1] in closed]


def _dates(*locales):
    def task(n, rng):
        return _pairs(
            *make_dates(n, locales=locales, random_state=rng, return_X_y=True)
        )

    return task


def _ordinals(n, rng):
    numbers = rng.randint(1, 100_000, size=n).tolist()
    return [(num2words(k, lang="de", to="ordinal"), f"{k}.") for k in numbers]


def _numbers(n, rng):
    return _pairs(
        *make_number_words(
            n, language="fr", high=1_000_000, random_state=rng, return_X_y=True
        )
    )


def _amounts(n, rng):
    """Amounts of money in three locales: "12.345,50 $" is "USD 12345.50"."""
    for _ in range(n):
        value = rng.randint(1, 10 ** rng.randint(3, 8)) / 100
        code = rng.choice(["USD", "EUR", "GBP", "CHF"])
        form = rng.choice(["standard", "name"])
        locale = rng.choice(["en", "de", "fr"])
        text = format_currency(value, code, locale=locale, format_type=form)
        yield _plain_spaces(text), f"{code} {value:.2f}"


def _units(n, rng):
    """German quantities in words, and short in English: "2,5 Stunden", "2.5 hr"."""
    units = [
        *("length-kilometer", "length-centimeter", "length-mile", "length-foot"),
        *("mass-kilogram", "mass-gram", "mass-pound", "mass-ounce", "volume-liter"),
        *("duration-hour", "duration-minute", "duration-week", "temperature-celsius"),
        *("speed-kilometer-per-hour", "digital-megabyte", "power-kilowatt"),
    ]
    for _ in range(n):
        value = round(rng.uniform(0, 10 ** rng.randint(1, 5)), rng.randint(3))
        unit = rng.choice(units)
        texts = [
            format_unit(value, unit, length, locale=locale)
            for length, locale in (("long", "de"), ("short", "en"))
        ]
        yield tuple(map(_plain_spaces, texts))


def _phones(n, rng):
    forms = [
        "({}) {}-{}",
        "{}.{}.{}",
        "+1 {} {} {}",
        "{}{}{}",
        "1-{}-{}-{}",
        "{}/{}-{}",
    ]
    for _ in range(n):
        parts = rng.randint(200, 999), rng.randint(200, 999), rng.randint(10_000)
        parts = [f"{part:0{3 + (k == 2)}}" for k, part in enumerate(parts)]
        yield rng.choice(forms).format(*parts), "+1 {} {} {}".format(*parts)


def _names(n, rng):
    """Made of English words: "SMITH, Anne 12" is "Anne Smith #12"."""
    names = _capitalised(rng)
    for _ in range(n):
        first, last = rng.choice(names, size=2)
        number = rng.randint(1, 100)
        yield f"{last.upper()}, {first} {number}", f"{first} {last} #{number}"


def _initials(n, rng):
    """First names become initials, particles stay: "J.-P. van Hill"."""
    names = _capitalised(rng)
    for _ in range(n):
        *firsts, last = rng.choice(names, size=rng.randint(2, 5))
        if len(firsts) > 1 and rng.rand() < 0.3:
            firsts[:2] = ["-".join(firsts[:2])]
        initials = [re.sub("[a-z]+", ".", first) for first in firsts]
        if rng.rand() < 0.2:
            last = f"{rng.choice(['van', 'de', 'von'])} {last}"
        yield " ".join([*firsts, last]), " ".join([*initials, last])


def _addresses(n, rng):
    names = _capitalised(rng)
    ways = {
        "St": ["Street", "St.", "street"],
        "Ave": ["Avenue", "Ave.", "avenue"],
        "Rd": ["Road", "Rd.", "road"],
        "Ln": ["Lane", "Ln", "lane"],
    }
    forms = [
        "{number} {name} {way}, {town}, {code}",
        "{name} {way} {number}, {code} {town}",
        "{code} {town}; {number}, {name} {way}",
    ]
    for _ in range(n):
        name, town = rng.choice(names, size=2)
        short = rng.choice(list(ways))
        parts = {"number": rng.randint(1, 200), "code": rng.randint(10_000, 99_999)}
        parts |= {"name": name, "town": town}
        source = rng.choice(forms).format(**parts, way=rng.choice(ways[short]))
        yield source, "{number} {name} {way}, {code} {town}".format(**parts, way=short)


def _hangul(n, rng):
    """Korean syllables, as frequent as in names of places, in Latin letters."""
    locale = Locale("ko")
    names = "".join([*locale.languages.values(), *locale.territories.values()])
    syllables = np.array(re.findall("[가-힣]", names))
    for _ in range(n):
        word = rng.choice(syllables, size=rng.randint(1, 5))
        latin = (unicodedata.name(syllable).split()[-1] for syllable in word)
        yield "".join(word), "".join(latin).lower()


_BULGARIAN = str.maketrans(
    dict(zip("абвгдезийклмнопрстуфхъь", "abvgdeziyklmnoprstufhay", strict=True))
    | {"ж": "zh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sht", "ю": "yu", "я": "ya"}
)


def _cyrillic(n, rng):
    """Bulgarian words in Latin letters, as its law has it."""
    words, _ = load_lemmas("bg", n_words=n, random_state=rng, return_X_y=True)
    for word in map(str.lower, words):
        yield word, re.sub("ия$", "иa", word).translate(_BULGARIAN)


def _interface_strings(n, rng):
    """English to German, with the names of languages, places and currencies."""
    X, y = load_ui_translations("de", return_X_y=True)
    pairs = [(a, b) for a, b in zip(X, y, strict=True) if len(a) <= 40]
    english, german = Locale("en"), Locale("de")
    for names in ("languages", "territories", "currencies"):
        ours, theirs = getattr(english, names), getattr(german, names)
        pairs += [(ours[key], theirs[key]) for key in sorted(ours.keys() & theirs)]
    return pairs


def _capitalised(rng):
    words = load_pronunciations(n_words=8000, random_state=rng).data
    return np.array([word.capitalize() for word in words if 3 <= len(word) <= 9])


def _pairs(X, y):
    return zip(X, y, strict=True)


def _plain_spaces(text):
    return re.sub(r"\s", " ", text)


CHOOSING = {
    "pronunciations": _pronunciations,
    "lemmas, German": _lemmas("de"),
    "misspellings": _misspellings,
    "dates, English": _dates("en"),
    "ordinals, German": _ordinals,
    "amounts": _amounts,
    "phone numbers": _phones,
    "names": _names,
    "Hangul": _hangul,
}
FINAL = {
    "lemmas, French": _lemmas("fr"),
    "lemmas, Hindi": _lemmas("hi"),
    "dates, four locales": _dates("de", "fr", "es", "pl"),
    "numbers, French": _numbers,
    "units": _units,
    "addresses": _addresses,
    "initials": _initials,
    "Cyrillic": _cyrillic,
    "interface strings": _interface_strings,
}
TASKS = CHOOSING | FINAL


@lru_cache(maxsize=1)
def draw(name, size, seed=0):
    """Draw training pairs, and new ones to choose by and to test on.

    No two pairs have one source, and no two of the three parts one target, unless the
    task's targets are a closed list. Fewer pairs are the first ones of more.

    Returns
    -------
    train, dev, test : tuple of two lists of str
        Sources and targets; `train` has fewer than `size` where there are no more.
    """
    rng = np.random.RandomState(seed)
    pairs = list(dict(TASKS[name](N_POOL, rng)).items())
    rng.shuffle(pairs)
    side = 0 if name in CLOSED else 1
    parts = []
    for n in (N_TEST, N_DEV, size):
        part, rest = pairs[:n], pairs[n:]
        parts.append(tuple(map(list, zip(*part, strict=True))))
        seen = {pair[side] for pair in part}
        pairs = [pair for pair in rest if pair[side] not in seen]
    return parts[::-1]
