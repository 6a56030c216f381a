"""Fit, predict, score and look into models from the shell.

Results go to the standard output, messages in single lines to the standard error
stream. The exit status is 0, 2 after an error, 130 after Ctrl-C, and 141 if the reader
of the output has ended. Modules that need torch are imported when they are used.
"""

import argparse
import ast
import difflib
import os
import re
import sys
import warnings
from contextlib import contextmanager
from itertools import islice
from zipfile import is_zipfile

from sklearn_seq2seq._model_info import describe

_PROGRAM = "python -m sklearn_seq2seq"
_BLOCK = 2048
# Errors that a wrong file, row or parameter causes; any other is a bug.
_ERRORS = (ValueError, TypeError, OSError, ImportError, RuntimeError, MemoryError)


def main(argv=None):
    """Run one command.

    Parameters
    ----------
    argv : list of str, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    int
        The exit status.
    """
    args = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            args.run(args)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Otherwise Python would try to write the rest once more, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except _ERRORS as error:
        _tell("error", error)
        return 2
    return 0


# Arguments --------------------------------------------------------------------------


def _parser():
    parser = argparse.ArgumentParser(prog=_PROGRAM, description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_fit(commands)
    _add_predict(commands)
    _add_score(commands)
    info = _command(commands, _info, "say what a file holds, without loading it")
    info.add_argument("model", help="a saved model")
    info.add_argument(
        "--params", action="store_true", help="list all parameters as well"
    )
    export = _command(commands, _export, "write a model as an ONNX bundle")
    _add_model(export)
    export.add_argument("bundle", help="the file to write")
    return parser


def _add_fit(commands):
    fit = _command(commands, _fit, "train a model on pairs and save it")
    _add_pairs(fit)
    fit.add_argument("model", help="the file to write")
    fit.add_argument(
        "--param",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of Seq2SeqTransformer and its vectorizers, such as "
        "hidden_size=64 or target_vectorizer__analyzer=word",
    )
    fit.add_argument(
        "--validation", metavar="PAIRS", help="pairs to validate on after every epoch"
    )


def _add_predict(commands):
    predict = _command(commands, _predict, "read sources, one a line, write targets")
    _add_model(predict)
    _add_lexicon(predict)
    _add_separator(predict)
    predict.add_argument(
        "--n-best",
        type=_count,
        metavar="N",
        help="write the N best targets, in columns",
    )
    predict.add_argument(
        "--confidence",
        action="store_true",
        help="write the probability of each target in the column after it",
    )
    predict.add_argument(
        "--block",
        type=_count,
        metavar="N",
        help=f"lines to read at once; 1 at a terminal, otherwise {_BLOCK}",
    )


def _add_score(commands):
    score = _command(commands, _score, "compare a model's predictions with pairs")
    _add_model(score)
    _add_pairs(score)
    _add_lexicon(score)
    score.add_argument(
        "--scoring",
        action="extend",
        nargs="+",
        metavar="NAME",
        help="scorers of sklearn_seq2seq.metrics; by default exact_match",
    )


def _command(commands, run, what):
    command = commands.add_parser(
        run.__name__.removeprefix("_"), help=what, description=what.capitalize() + "."
    )
    command.set_defaults(run=run)
    return command


def _add_model(command):
    command.add_argument("model", help="a saved model")
    command.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="NAME",
        help="a function that the file may name, such as nltk.tokenize.word_tokenize",
    )


def _add_pairs(command):
    command.add_argument(
        "pairs", help="text file in UTF-8, on each line source, separator, target"
    )
    _add_separator(command)


def _add_lexicon(command):
    command.add_argument(
        "--lexicon", metavar="PAIRS", help="pairs that overrule the model"
    )


def _add_separator(command):
    command.add_argument(
        "--sep",
        default="\t",
        type=_separator,
        help="what separates source and target in files of pairs; by default a tab, "
        r"which may be written \t",
    )


def _separator(text):
    return text.replace(r"\t", "\t")


def _count(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


_count.__name__ = "whole number from 1"  # what argparse calls it


# Commands ---------------------------------------------------------------------------


def _fit(args):
    from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer, save

    params = [_read_param(text) for text in args.param]
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(), target_vectorizer=SequenceVectorizer()
    )
    known = model.get_params()
    for name, value in params:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else "."
            raise ValueError(f"Seq2SeqTransformer has no parameter {name!r}{hint}")
        model.set_params(**{name: value})
    X, y = _read_pairs(args.pairs, args.sep)
    validation = _read_pairs(args.validation, args.sep) if args.validation else None
    _check_folder(args.model)
    save(model.fit(X, y, validation_data=validation), args.model)


def _predict(args):
    model = _load_exported(args) if is_zipfile(args.model) else _load(args)
    size = args.block or (1 if sys.stdin.isatty() else _BLOCK)
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    for start, sources in _blocks(sys.stdin.buffer, size):
        with _lines_for_rows(start):
            answers = _answers(model, sources, args)
            lines = ["\t".join(map(_field, row)) + "\n" for row in answers]
        sys.stdout.writelines(lines)
        sys.stdout.flush()


def _score(args):
    from sklearn_seq2seq.metrics import scorers

    found = scorers(*(args.scoring or ["exact_match"]))
    X, y = _read_pairs(args.pairs, args.sep)
    model = _load(args)
    with _lines_for_rows(0):
        for name, scorer in found.items():
            print(f"{name}\t{scorer(model, X, y):.6g}")


def _info(args):
    print("\n".join(describe(args.model, params=args.params)))


def _export(args):
    from sklearn_seq2seq import export_onnx, load

    export_onnx(load(args.model, trusted=args.trust), args.bundle)


# Files ------------------------------------------------------------------------------


def _load(args):
    from sklearn.pipeline import Pipeline

    from sklearn_seq2seq import LexiconSeq2Seq, load

    model = load(args.model, trusted=args.trust)
    if not hasattr(model, "predict"):
        raise ValueError(
            f"{args.model!r} holds a {type(model).__name__}, which cannot predict."
        )
    path = getattr(args, "lexicon", None)
    if path is None and not isinstance(model, Pipeline):
        return model
    lexicon = {}
    pairs = _read_pairs(path, args.sep) if path else ((), ())
    for source, target in zip(*pairs, strict=True):
        lexicon.setdefault(source, []).append(target)
    if not isinstance(model, LexiconSeq2Seq):
        return LexiconSeq2Seq(model, lexicon=lexicon)
    return model.set_params(lexicon={**(model.lexicon or {}), **lexicon})


def _load_exported(args):
    from sklearn_seq2seq.runtime import load

    if args.lexicon:
        raise ValueError("--lexicon needs a saved model, not an exported one.")
    return load(args.model)


def _read_pairs(path, sep):
    from sklearn_seq2seq.datasets import read_pairs

    return read_pairs(path, sep=sep, return_X_y=True)


def _read_param(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--param must be NAME=VALUE; got {text!r}.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _check_folder(path):
    folder = os.path.dirname(path) or "."
    if not os.access(folder, os.W_OK):
        raise OSError(f"{path!r} cannot be written: {folder!r} is not writable.")


def _blocks(file, size):
    """Lines of a binary file in blocks, each with the number of lines before it."""
    start = 0
    while block := list(islice(file, size)):
        yield start, [_decode(line, start + k) for k, line in enumerate(block)]
        start += len(block)


def _decode(line, number):
    try:
        text = line.decode("utf-8" if number else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"Line {number + 1} is not UTF-8: {error}.") from error
    return text.removesuffix("\n").removesuffix("\r")


# Answers ----------------------------------------------------------------------------


def _answers(model, sources, args):
    """The columns of output for each source."""
    if args.n_best is None and not args.confidence:
        return [[target] for target in model.predict(sources)]
    if not hasattr(model, "predict_nbest"):
        raise ValueError(
            f"A {type(model).__name__} gives one answer and no confidence."
        )
    n_best = 1 if args.n_best is None else args.n_best
    width = 2 if args.confidence else 1
    table = model.predict_nbest(sources, n_best)
    rows = [[] for _ in sources]
    for row, target, probability in zip(
        table["row"], table["sequence"], table["probability"], strict=True
    ):
        rows[row] += [target, f"{probability:.4g}"][:width]
    return [row + [""] * (n_best * width - len(row)) for row in rows]


def _field(value):
    """A target, or None, as text between two tabs."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    text = str(value)
    if re.search(r"[\t\n\r]", text):
        raise ValueError(f"A target contains a tab or a line break: {text!r:.60}.")
    return text


# Messages ---------------------------------------------------------------------------


def _tell(kind, message):
    print(f"{kind}: {' '.join(str(message).split())}", file=sys.stderr)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    _tell("warning", message)


@contextmanager
def _lines_for_rows(start):
    """In messages, replace row numbers by line numbers; row 0 is line start + 1."""

    def renamed(message):
        return re.sub(
            r"\b(r)ow (\d+)(?: of [Xy]\b)?",
            lambda m: f"{'L' if m[1] == 'R' else 'l'}ine {int(m[2]) + start + 1}",
            str(message),
            flags=re.IGNORECASE,
        )

    def show(message, *args, **kwargs):
        _show_warning(renamed(message), *args, **kwargs)

    with warnings.catch_warnings():
        warnings.showwarning = show
        try:
            yield
        except ValueError as error:
            raise ValueError(renamed(error)) from error
