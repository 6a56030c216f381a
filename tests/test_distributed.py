"""One fit in several processes."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from sklearn_seq2seq import PairCorpus, Seq2SeqTransformer, load
from sklearn_seq2seq.metrics import get_scorer
from tests import processes
from tests.processes import RaiseAt, SignalAt, StopAt, together

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*ended by max_length"),
    pytest.mark.skipif(
        not torch.distributed.is_available(), reason="torch has no torch.distributed"
    ),
]

# With seven batches an epoch, 21 steps.
SMALL = {
    "hidden_size": 12,
    "embedding_size": 6,
    "dropout": 0.0,
    "batch_size": 9,
    "max_epochs": 3,
    "learning_rate": 0.01,
    "random_state": 0,
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(model):
    return torch.cat([x.flatten() for x in model.net_.module_.state_dict().values()])


def records(model):
    return [{k: v for k, v in row.items() if k != "dur"} for row in model.history_]


def assert_same(model, other):
    """Equal to the last bit."""
    assert torch.equal(weights(model), weights(other))
    assert records(model) == records(other)
    assert model.net_.memory_ == other.net_.memory_


def assert_close(model, other):
    """Equal up to the order in which sums are taken."""
    torch.testing.assert_close(weights(model), weights(other), rtol=0, atol=1e-5)
    assert len(model.history_) == len(other.history_)
    for row, expected in zip(records(model), records(other), strict=True):
        assert row.pop("batches") == expected.pop("batches") == []
        assert row == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "params",
    [
        {"max_epochs": 8},
        # Adam would divide gradients that are mere rounding errors by their own size.
        {
            "copy": True,
            "unknown_dropout": 0.0,
            "optimizer": "sgd",
            "learning_rate": 0.5,
        },
        {"attention": "hard"},
        {"max_tokens": 60, "gradient_accumulation_steps": 2},
        {"encoder_loss_weight": 0.3, "optimizer": "sgd", "learning_rate": 0.5},
        {"early_stopping": True, "n_iter_no_change": 2, "optimizer": "sgd"},
        # The second process has no rows of any batch.
        {"batch_size": 1, "max_epochs": 1, "early_stopping": True},
    ],
    ids=", ".join,
)
def test_two_processes_equal_one(words, shouted, tmp_path, params):
    params = SMALL | params
    one = Seq2SeqTransformer(**params).fit(words, shouted)
    first, second = together(processes.fit, tmp_path, words, shouted, params)
    assert_same(first, second)
    assert_close(first, one)
    assert list(first.predict(words)) == list(one.predict(words))


def test_weighted_pairs_count_as_in_one_process(words, shouted, tmp_path):
    given = {
        "sample_weight": np.arange(len(words)) % 4,
        "validation_data": (words[:7], shouted[:7]),
    }
    params = SMALL | {"scoring": get_scorer("char_error_rate")}
    one = Seq2SeqTransformer(**params).fit(words, shouted, **given)
    with_weights = partial(processes.fit, **given)
    first, second = together(with_weights, tmp_path, words, shouted, params)
    assert_same(first, second)
    assert_close(first, one)


def test_partial_fit_and_warm_start_equal_one_process(words, shouted, tmp_path):
    params = SMALL | {"max_epochs": 2}
    one = Seq2SeqTransformer(warm_start=True, **params)
    for half in (slice(None, None, 2), slice(1, None, 2)):
        one.partial_fit(words[half], shouted[half])
    one.fit(words, shouted)
    first, second = together(processes.fit_twice, tmp_path, words, shouted, params)
    assert_same(first, second)
    assert_close(first, one)


def test_dropout_is_drawn_by_each_process_and_repeats(words, shouted, tmp_path):
    params = SMALL | {"dropout": 0.3, "unknown_dropout": (0.1, 0.2), "max_epochs": 2}
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found += together(processes.fit, tmp_path / name, words, shouted, params)
    for model in found[1:]:
        assert_same(model, found[0])


def test_fresh_entropy_is_that_of_the_first_process(words, shouted, tmp_path):
    params = SMALL | {"random_state": None, "dropout": 0.3, "max_epochs": 2}
    assert_same(*together(processes.fit, tmp_path, words, shouted, params))


@pytest.mark.parametrize("rank", [0, 1])
def test_killed_process_ends_the_other_and_the_fit_goes_on(
    words, shouted, tmp_path, rank
):
    params = SMALL | {"dropout": 0.3, "checkpoint_minutes": 1e-9}
    options = {"checkpoint": tmp_path / "state.pt"}
    killed = params | options | {"callbacks": [SignalAt(signal.SIGKILL, rank)]}
    arguments = processes.fit, tmp_path, words, shouted
    # The end comes with the death, not when patience is over.
    group = processes.start(*arguments, killed, patience=600)
    found = processes.results(group, tmp_path)
    assert found[rank] is None
    error = found[1 - rank]
    assert isinstance(error, RuntimeError)
    assert f"Process {1 - rank} of 2 has lost the others" in str(error)
    state = torch.load(options["checkpoint"], weights_only=True)
    assert state["sums"]["batches"] in (1, 2)
    (tmp_path / "group").unlink(missing_ok=True)
    resumed = together(*arguments, params | options)
    assert_same(*resumed)
    if rank == 1:
        (tmp_path / "group").unlink(missing_ok=True)
        unbroken = together(*arguments, params)
        assert_same(resumed[0], unbroken[0])
        (tmp_path / "group").unlink(missing_ok=True)
        again = together(*arguments, params | options)  # which was finished
        assert_same(again[1], unbroken[0])


def test_process_that_does_not_answer_ends_the_others(words, shouted, tmp_path):
    params = SMALL | {"callbacks": [SignalAt(signal.SIGSTOP)]}
    arguments = processes.fit, tmp_path, words, shouted, params
    first, second = processes.start(*arguments, patience=8)
    (error,) = processes.results([first], tmp_path)
    second.kill()
    second.join()
    assert "has not answered in time" in str(error)


@pytest.mark.parametrize(
    ("place", "rank", "seconds"),
    [("step", 1, 0), ("validation", 0, 0), ("end", 1, 0), ("step", 0, 20)],
)
def test_error_in_one_process_ends_the_other(
    words, shouted, tmp_path, place, rank, seconds
):
    """At once if the process ends, else when the patience of the group is over."""
    params = SMALL | {"callbacks": [RaiseAt(place, rank)], "early_stopping": True}
    params |= {"max_epochs": 1}
    arguments = processes.fit_and_stay, tmp_path, words, shouted, params, seconds
    patience = 5 if seconds else 600
    group = processes.start(*arguments, patience=patience)
    other = processes.results([group[1 - rank]], tmp_path, seconds=90)[0]
    if seconds:
        assert group[rank].is_alive()
    assert isinstance(other, RuntimeError)
    assert "has lost the others" in str(other)
    (error,) = processes.results([group[rank]], tmp_path)
    assert str(error) == "no space left"


def test_other_number_of_processes_goes_on_too(words, shouted, tmp_path):
    params = SMALL | {"checkpoint_minutes": 1e-9, "early_stopping": True}
    one = Seq2SeqTransformer(**params).fit(words, shouted)
    options = {"checkpoint": tmp_path / "state.pt"}
    killed = params | options | {"callbacks": [SignalAt(signal.SIGKILL)]}
    arguments = processes.fit, tmp_path, words, shouted
    processes.results(processes.start(*arguments, killed), tmp_path)
    (tmp_path / "group").unlink(missing_ok=True)
    for model in together(*arguments, params | options, n=3):
        assert_close(model, one)


def test_first_process_alone_writes_and_prints(words, shouted, tmp_path):
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    params = SMALL | {"max_epochs": 1, "verbose": 1}
    own = [{"checkpoint": folder} for folder in folders]
    printed = together(processes.fit_loudly, tmp_path, words, shouted, params, own)
    assert [bool(text) for text in printed] == [True, False]
    assert [len(list(folder.iterdir())) for folder in folders] == [1, 0]


def test_interrupt_of_one_process_ends_all_at_the_same_step(words, shouted, tmp_path):
    params = SMALL | {"callbacks": [SignalAt(signal.SIGINT)], "max_epochs": 20}
    found = together(processes.fit, tmp_path, words, shouted, params)
    assert torch.equal(*map(weights, found))
    assert [len(model.history_) for model in found] == [2, 2]


def test_max_time_ends_all_at_the_same_step(words, shouted, tmp_path):
    params = SMALL | {"max_epochs": 10_000}
    own = [{"max_time": 1.5}, {"max_time": 1.5}]
    found = together(processes.fit_own, tmp_path, words, shouted, params, own)
    assert torch.equal(*map(weights, found))
    assert len(found[0].history_) == len(found[1].history_) < 10_000


def test_wish_of_one_process_stops_all(words, shouted, tmp_path):
    params = SMALL | {"callbacks": [StopAt()]}
    found = together(processes.fit, tmp_path, words, shouted, params)
    assert_same(*found)
    assert len(found[0].history_) == 2


def test_other_rows_or_parameters_are_refused(words, shouted, tmp_path):
    arguments = processes.fit_rows, tmp_path, words, shouted, SMALL
    errors = processes.results(processes.start(*arguments), tmp_path)
    assert "1 of 2 processes differ" in str(errors[0])
    assert "process 1 has other rows" in str(errors[1])
    (tmp_path / "group").unlink(missing_ok=True)
    own = [{"learning_rate": 0.1}, {"learning_rate": 0.2}]
    arguments = processes.fit_own, tmp_path, words, shouted, SMALL | {}, own
    errors = processes.results(processes.start(*arguments), tmp_path)
    assert "process 1 has other parameter learning_rate" in str(errors[1])


@pytest.mark.slow
def test_torchrun_starts_the_example(tmp_path):
    script = Path(__file__).parents[1] / "examples" / "distributed_fit.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    options = ["--pairs", "60", "--epochs", "1", "--save", tmp_path / "model"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [*command, "--standalone", script, *options],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("2 processes: ")
    assert load(tmp_path / "model").device == "auto"


def test_search_and_ensemble_go_on_in_every_process(words, shouted, tmp_path):
    params = SMALL | {"max_epochs": 1}
    found = together(processes.fit_many, tmp_path, words, shouted, params)
    assert found[0] == found[1] == processes.fit_many(words, shouted, params, "cpu")


def test_corpus_on_disk_equals_pairs_in_memory(words, shouted, tmp_path):
    one = Seq2SeqTransformer(**SMALL).fit(words, shouted)
    pairs = list(zip(words, shouted, strict=True))
    corpus = PairCorpus.write(tmp_path / "corpus", lambda: [pairs], one)
    first, second = together(processes.fit, tmp_path, corpus, None, SMALL)
    assert_same(first, second)
    assert_close(first, one)


def test_group_must_have_been_begun(words, shouted):
    model = Seq2SeqTransformer(device="distributed")
    with pytest.raises(ValueError, match="init_process_group"):
        model.fit(words, shouted)
