"""`sequence_report`: how good predictions are and where they fail."""

import re

import numpy as np

from sklearn_seq2seq._tokens import UNKNOWN
from sklearn_seq2seq.metrics._edits import (
    GAP,
    count_errors,
    list_edits,
    rank_confusions,
)
from sklearn_seq2seq.metrics._pairs import check_pair, count_units, cut_units
from sklearn_seq2seq.metrics._scores import edits_per_token


def sequence_report(
    y_true,
    y_pred,
    *,
    unit="token",
    max_length=None,
    unknown=("\ufffd", "<unk>"),
    n_buckets=5,
    top=10,
    digits=3,
    output_dict=False,
):
    """Report how good predictions are and where they fail.

    It is to sequences what ``classification_report`` is to classes. Needs the extra
    ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    unit : {"token", "word", "char"}, default="token"
        How to cut strings: at white space ("token", "word") or into characters. Lists
        of tokens and ids are used as they are.
    max_length : int, default=None
        Limit of the length of predictions, in units. Predictions that reach it count as
        truncated; with None they are not counted.
    unknown : str or tuple of str, default=(U+FFFD, "<unk>")
        Marks of an unknown token, also within strings. Among token ids it is 1.
    n_buckets : int, default=5
        Most groups of reference lengths, of about equally many rows.
    top : int, default=10
        Most tokens and confusions to show in the text. The dict holds all.
    digits : int, default=3
        Decimal places in the text.
    output_dict : bool, default=False
        Whether to return a dict instead of a text.

    Returns
    -------
    str or dict
        The dict has these keys:

        n_samples, n_tokens, n_edits : int
            Rows, reference tokens, and edits.
        exact_match, error_rate : float
            Share of rows predicted exactly, and edits per reference token.
        substitutions, insertions, deletions : int
            The edits by kind.
        by_length : dict of str to dict
            From each range of reference lengths, such as "3-5", to "exact_match",
            "error_rate" and "support" (rows).
        by_token : dict of token to dict
            From each reference token, the worst first, to "error_rate" (share of its
            occurrences replaced or deleted), "errors" and "support" (occurrences).
        confusions : dict of (reference, prediction) to int
            As from `confusion_counts`.
        empty, unknown : int
            Predictions without a token, and with an unknown token.
        truncated : int or None
            Predictions of `max_length` units or more.

    Raises
    ------
    ImportError
        If rapidfuzz is not installed.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import sequence_report
    >>> print(sequence_report(["F OW N", "IY", "N"], ["F AO N", "IY T", "N"]))
                      exact match   error rate      support
    all                     0.333        0.400            3
    <BLANKLINE>
    reference length
    1                       0.500        0.500            2
    3                       0.000        0.333            1
    <BLANKLINE>
    reference token    error rate       errors      support
    OW                      1.000            1            1
    N                       0.000            0            2
    F                       0.000            0            1
    IY                      0.000            0            1
    <BLANKLINE>
    confusion               count
    OW -> AO                    1
    ∅ -> T                      1
    <BLANKLINE>
    5 reference tokens: 1 substituted, 0 deleted, 1 inserted
    3 predictions: 0 empty, 0 with an unknown token
    """
    y_true, y_pred = check_pair(y_true, y_pred)
    right = np.array([a == b for a, b in zip(y_true, y_pred, strict=True)])
    n_unknown = _count_unknown(y_pred, unknown)
    y_true, y_pred = cut_units(y_true, unit), cut_units(y_pred, unit)
    edits = list_edits(y_true, y_pred)
    n_edits = np.bincount(edits.row, minlength=len(y_true))
    lengths, predicted = count_units(y_true), count_units(y_pred)
    report = {
        "n_samples": len(y_true),
        "n_tokens": int(lengths.sum()),
        "n_edits": len(edits.row),
        **_summary(right, n_edits, lengths),
        "substitutions": int(np.sum(edits.kind == "replace")),
        "insertions": int(np.sum(edits.kind == "insert")),
        "deletions": int(np.sum(edits.kind == "delete")),
        "by_length": _by_length(right, n_edits, lengths, n_buckets),
        "by_token": _by_token(y_true, edits),
        "confusions": rank_confusions(edits),
        "empty": int(np.sum(predicted == 0)),
        "unknown": n_unknown,
        "truncated": None if max_length is None else int(sum(predicted >= max_length)),
    }
    return report if output_dict else _format_report(report, top, digits)


def _summary(right, n_edits, lengths):
    return {
        "exact_match": float(np.mean(right)),
        "error_rate": edits_per_token(n_edits.sum(), lengths.sum()),
    }


def _by_length(right, n_edits, lengths, n_buckets):
    shares = np.linspace(0, 1, n_buckets + 1)[1:]
    longest = np.unique(np.quantile(lengths, shares, method="higher"))
    buckets = np.searchsorted(longest, lengths)
    groups = {}
    for bucket in range(len(longest)):
        rows = buckets == bucket
        low, high = lengths[rows].min(), lengths[rows].max()
        name = f"{low}-{high}" if low < high else f"{low}"
        summary = _summary(right[rows], n_edits[rows], lengths[rows])
        groups[name] = {**summary, "support": int(rows.sum())}
    return groups


def _by_token(y_true, edits):
    support, errors = count_errors(y_true, edits)
    rates = {
        token: {"error_rate": errors[token] / n, "errors": errors[token], "support": n}
        for token, n in support.items()
    }
    return dict(
        sorted(
            rates.items(),
            key=lambda item: (
                -item[1]["error_rate"],
                -item[1]["support"],
                str(item[0]),
            ),
        )
    )


def _count_unknown(y_pred, unknown):
    unknown = (unknown,) if isinstance(unknown, str) else unknown
    if isinstance(y_pred[0], str):
        return sum(any(mark in row for mark in unknown) for row in y_pred)
    marks = {*unknown, UNKNOWN}
    return sum(not marks.isdisjoint(row) for row in y_pred)


def _format_report(report, top, digits):
    tokens = list(report["by_token"].items())[:top]
    confusions = list(report["confusions"].items())[:top]
    names = {token: _visible(token) for token, _ in tokens}
    pairs = {pair: " -> ".join(map(_visible, pair)) for pair, _ in confusions}
    headings = ("reference token", "reference length", "confusion")
    labels = (*headings, *names.values(), *pairs.values(), *report["by_length"])
    width = max(map(len, labels))

    def line(label, *cells):
        cells = (f"{c:.{digits}f}" if isinstance(c, float) else str(c) for c in cells)
        return " ".join([label.ljust(width), *(cell.rjust(12) for cell in cells)])

    def summary(label, group, support):
        return line(label, group["exact_match"], group["error_rate"], support)

    parts = [
        line("", "exact match", "error rate", "support"),
        summary("all", report, report["n_samples"]),
        "",
        "reference length",
        *(summary(k, v, v["support"]) for k, v in report["by_length"].items()),
        "",
    ]
    if tokens:
        parts += [
            line("reference token", "error rate", "errors", "support"),
            *(line(names[token], *counts.values()) for token, counts in tokens),
            *_left_out(report["by_token"], tokens),
            "",
        ]
    if confusions:
        parts += [
            line("confusion", "count"),
            *(line(pairs[pair], n) for pair, n in confusions),
            *_left_out(report["confusions"], confusions),
            "",
        ]
    parts.append(
        f"{report['n_tokens']} reference tokens: {report['substitutions']} substituted,"
        f" {report['deletions']} deleted, {report['insertions']} inserted"
    )
    counts = f"{report['empty']} empty, {report['unknown']} with an unknown token"
    if report["truncated"] is not None:
        counts += f", {report['truncated']} at the longest length allowed"
    parts.append(f"{report['n_samples']} predictions: {counts}")
    return "\n".join(parts)


def _left_out(everything, shown):
    n_left = len(everything) - len(shown)
    return [f"... {n_left} more"] if n_left else []


def _visible(token):
    if token == str(GAP):  # a token of the data that looks like one
        return repr(token)
    return re.sub(r"\s", "␣", str(token))
