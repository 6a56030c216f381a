"""Interface strings, out of catalogues made up here and out of installed ones."""

import re
import sys
from collections import Counter

import numpy as np
import pytest
from babel.messages import mofile, pofile

from sklearn_seq2seq.datasets import load_ui_translations

HEADER = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n'


def entry(source, target, *, before="", plural=None):
    if plural is None:
        return f'{before}\nmsgid "{source}"\nmsgstr "{target}"\n'
    one, many = (f'msgstr[{i}] "{text}"' for i, text in enumerate(target))
    return f'{before}\nmsgid "{source}"\nmsgid_plural "{plural}"\n{one}\n{many}\n'


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a made-up distribution: its files, and the metadata that list them."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, files, license_line="License-Expression: MIT"):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{license_line}\n"
        )
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".mo":
                lines = (HEADER + text).encode().splitlines(keepends=True)
                with open(file, "wb") as stream:
                    mofile.write_mo(stream, pofile.read_po(lines))
            else:
                file.write_text(HEADER + text, "utf-8")
        listed = "".join(f"{path},,\n" for path in reversed(files))
        (info / "RECORD").write_text(listed)

    return install


def pairs(bunch):
    return list(zip(bunch.data, bunch.target, strict=True))


@pytest.mark.parametrize("suffix", ["mo", "po"])
def test_load_ui_translations_keeps_to_its_rules(install, suffix):
    text = "".join(
        [
            entry("Open", "Öffnen"),
            entry("Not done", ""),
            entry("OK", "OK"),
            entry("%(a)s: 5", "5: %(a)s", before="#, python-format"),
            entry("100 %", "100 v. H."),
            entry("Guessed", "Geraten", before="#, fuzzy"),
            entry(
                "%d file", ["%d Datei", "%d Dateien"], plural="%d files", before="\n"
            ),
            entry(
                r"  two\n   lines ", r"zwei\nZeilen\u00a0!".replace("\\u00a0", "\xa0")
            ),
            entry("Open", "Auf", before='msgctxt "state"'),
            '\n#~ msgid "Gone"\n#~ msgstr "Weg"\n',
        ]
    )
    install("made_up", {f"made_up/locale/de/LC_MESSAGES/django.{suffix}": text})

    bunch = load_ui_translations("de", packages="made-up")

    assert sorted(pairs(bunch)) == [
        ("%(a)s: 5", "5: %(a)s"),
        ("%d files", "%d Dateien"),
        ("Open", "Öffnen"),
        ("two lines", "zwei Zeilen\xa0!"),
    ]
    assert set(bunch.origin) == {"made_up"}
    assert bunch.licenses == {"made_up": "MIT"}


def test_load_ui_translations_takes_the_commonest_translation(install):
    folder = "locale/de/LC_MESSAGES"
    install(
        "first",
        {
            f"first/{folder}/a.po": entry("Close", "Zu") + entry("Save", "Sichern"),
            f"first/{folder}/b.po": entry("Save", "Speichern"),
        },
    )
    install(
        "second",
        {f"second/{folder}/a.po": entry("Save", "Speichern") + entry("Close", "Aus")},
    )

    bunch = load_ui_translations("de", packages=["first", "second"])
    other = load_ui_translations("de", packages=["second", "first"])

    assert pairs(bunch) == [("Close", "Zu"), ("Save", "Speichern")]
    assert pairs(other) == [("Save", "Speichern"), ("Close", "Aus")]
    assert other.origin.tolist() == ["second", "second"]


def test_load_ui_translations_reads_the_compiled_form_of_two(install):
    folder = "pack/locale/de/LC_MESSAGES"
    install(
        "pack",
        {
            f"{folder}/a.po": entry("Save", "aus po"),
            f"{folder}/a.mo": entry("Save", "aus mo"),
            f"{folder}/b.po": entry("Open", "aus po"),
            f"{folder}/c.json": "{}",
        },
    )

    bunch = load_ui_translations("de", packages="pack")

    assert pairs(bunch) == [("Save", "aus mo"), ("Open", "aus po")]


@pytest.mark.parametrize(
    ("folders", "language", "chosen"),
    [
        (["de", "de_DE", "de_AT"], "de", "de"),
        (["de_AT", "de-DE"], "de", "de-DE"),
        (["de_AT", "de-DE"], "de-AT", "de_AT"),
        (["zh_TW", "zh_CN"], "zh", "zh_CN"),
        (["pt", "pt_BR"], "pt", "pt"),
        (["pt", "pt_BR"], "pt_BR", "pt_BR"),
        (["tlh"], "tlh", "tlh"),
    ],
)
def test_load_ui_translations_finds_the_folder(install, folders, language, chosen):
    install(
        "pack",
        {f"pack/{f}/LC_MESSAGES/a.po": entry("Save", f"in {f}") for f in folders},
    )

    bunch = load_ui_translations(language, packages="pack")

    assert bunch.target.tolist() == [f"in {chosen}"]


def test_load_ui_translations_says_what_must_be_kept(install):
    texts = {
        "%s of %(total)d": "%(total)d, davon %s",
        "<b>%s</b> %s {x} {0.name}": "%s <b>{x}</b> {0.name}",
        "100%% of {{ a b }}&nbsp;%1": "100%% von&nbsp;{{ a b }} %1",
        "5% sure, a < b": "zu 5% sicher, a < b",
    }
    text = "".join(entry(*pair) for pair in texts.items())
    install("pack", {"pack/locale/de/LC_MESSAGES/a.po": text})

    bunch = load_ui_translations("de", packages="pack")

    kept = dict(zip(bunch.data, map(sorted, bunch.placeholders), strict=True))
    assert kept == {
        "%s of %(total)d": ["%(total)d", "%s"],
        "<b>%s</b> %s {x} {0.name}": ["%s", "</b>", "<b>", "{0.name}", "{x}"],
        "100%% of {{ a b }}&nbsp;%1": ["%%", "%1", "&nbsp;", "{{ a b }}"],
        "5% sure, a < b": [],
    }
    assert {type(row) for row in bunch.placeholders} == {tuple}


def test_load_ui_translations_groups_near_duplicates(install):
    alike = ["Delete this page", "delete this page?", "<b>Delete</b> this page…"]
    others = ["Delete %s", "Delete %(name)s", "Sign in", "A string of its own"]
    text = "".join(entry(text, "x") for text in [*alike, *others])
    install("pack", {"pack/locale/de/LC_MESSAGES/a.po": text})

    bunch = load_ui_translations("de", packages="pack")
    groups = dict(zip(bunch.data, bunch.groups.tolist(), strict=True))

    assert len({groups[text] for text in alike}) == 1
    assert groups["Delete %s"] == groups["Delete %(name)s"]
    assert len(set(groups.values())) == 4


@pytest.mark.parametrize(
    ("line", "license_name"),
    [
        ("License-Expression: BSD-3-Clause", "BSD-3-Clause"),
        ("Classifier: License :: OSI Approved :: MIT License", "MIT License"),
        ("License: As you like", "As you like"),
        ("Summary: none", "unknown"),
    ],
)
def test_load_ui_translations_states_licences(install, line, license_name):
    text = entry("Save", "Speichern")
    install("pack", {"pack/de/LC_MESSAGES/a.po": text}, license_line=line)

    assert load_ui_translations(packages="pack").licenses == {"pack": license_name}


# Errors -----------------------------------------------------------------------------


def test_load_ui_translations_lists_the_languages_that_exist(install):
    text = entry("Save", "x")
    files = {f"pack/{name}/LC_MESSAGES/a.po": text for name in ("fr", "de_AT")}
    install("pack", files)

    message = r"catalogue of pack is in language='de'; there are: de_AT, fr\."
    with pytest.raises(ValueError, match=message):
        load_ui_translations("de", packages=["pack"])


def test_load_ui_translations_says_that_nothing_is_translated(install):
    install("pack", {"pack/de/LC_MESSAGES/a.po": entry("Save", "")})

    with pytest.raises(ValueError, match="language='de' has a translated entry"):
        load_ui_translations("de", packages=["pack"])


def test_load_ui_translations_names_a_distribution_without_catalogues(install):
    install("bare", {"bare/a.py": ""})

    with pytest.raises(ValueError, match=r"of bare is in .*; there are: none\."):
        load_ui_translations("de", packages="bare")


def test_load_ui_translations_names_distributions_that_are_missing(install):
    install("pack", {"pack/de/LC_MESSAGES/a.po": entry("Save", "x")})

    with pytest.raises(ImportError, match=r"not installed: absent gone\. .*--no-deps"):
        load_ui_translations("de", packages=["absent", "pack", "gone"])


def test_load_ui_translations_names_the_extra_where_nothing_is_installed(monkeypatch):
    # Babel is found; of the rest of the environment, nothing.
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(ImportError, match=re.escape("sklearn_seq2seq[datasets]")):
        load_ui_translations("de")


def test_load_ui_translations_names_a_broken_catalogue(install, tmp_path):
    install("pack", {"pack/de/LC_MESSAGES/a.po": ""})
    (tmp_path / "pack/de/LC_MESSAGES/a.po").write_bytes(b'msgid "a" \xff\nmsgstr "b"')

    with pytest.raises(Exception) as caught:  # noqa: PT011 (Babel has several)
        load_ui_translations("de", packages="pack")
    assert "LC_MESSAGES/a.po" in caught.value.__notes__[0]


# Installed ones ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def german():
    packages = ["Django", "jupyterlab-language-pack-de-DE"]
    return load_ui_translations("de", packages=packages)


def test_load_ui_translations_finds_real_strings(german):
    known = dict(pairs(german))

    assert len(known) == len(german.data) > 1500
    assert known["Select all %(total_count)s %(module_name)s"] == (
        "Alle %(total_count)s %(module_name)s auswählen"
    )
    assert Counter(german.origin).keys() == set(german.licenses)
    assert all(true.strip() == true != text for text, true in known.items())


def test_load_ui_translations_groups_real_strings(german):
    sizes = Counter(german.groups.tolist()).values()

    assert len(sizes) > 0.5 * len(german.data)
    assert 2 < max(sizes) < 50
    lowered = [text.lower() for text in german.data]
    assert len(set(zip(lowered, german.groups, strict=True))) == len(set(lowered))


def test_load_ui_translations_returns_one_content_in_three_forms(german):
    options = {"packages": list(german.licenses)}
    X, y = load_ui_translations("de", return_X_y=True, **options)
    frame = load_ui_translations("de", as_frame=True, **options).frame

    np.testing.assert_array_equal(X, german.data)
    np.testing.assert_array_equal(y, german.target)
    assert frame.columns.tolist() == ["english", "translation"]
    assert frame.to_numpy().tolist() == np.c_[X, y].tolist()
    assert german.DESCR.startswith("Load English interface strings")
