"""Searches over the processes of a cluster: joblib's backends of Dask and Ray."""

import os
import runpy
import signal
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, cross_validate, learning_curve
from skorch.callbacks import Callback

from sklearn_seq2seq import Seq2SeqEnsemble, Seq2SeqTransformer

pytestmark = pytest.mark.filterwarnings("ignore:.*ended by max_length")

SMALL = {
    "hidden_size": 8,
    "embedding_size": 4,
    "batch_size": 8,
    "max_epochs": 3,
    "learning_rate": 0.02,
    "random_state": 0,
}
GRID = {"learning_rate": [0.01, 0.02, 0.03]}
N_FITS = 6


@pytest.fixture(scope="module")
def cluster():
    """Client of a cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed", reason="needs the extra dask")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def client(cluster):
    """The client, once both processes are there again.

    With one of them joblib would leave the work to the client's own process.
    """
    cluster.wait_for_workers(2, timeout=60)
    return cluster


@pytest.fixture(scope="module")
def ray():
    """Ray, begun on this machine with two processes."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        logging_level="ERROR",
        object_store_memory=2**27,
    )
    yield ray
    ray.shutdown()


def search(**params):
    model = Seq2SeqTransformer(**SMALL | params)
    # The share of right answers would hardly tell such small models apart.
    return GridSearchCV(
        model, GRID, cv=2, scoring=likelihood, refit=False, error_score="raise"
    )


def likelihood(model, X, y):
    return float(np.mean(model.log_likelihood(X, y)))


def scores(search):
    names = [f"split{k}_test_score" for k in range(2)]
    return np.stack([search.cv_results_[name] for name in names])


@pytest.fixture(scope="module")
def expected(words, shouted):
    """Scores of the search in this process."""
    return scores(search().fit(words, shouted))


def killing(folder, *others):
    """A callback that writes down epochs, and ends processes in the fifth fit's third.

    It kills the others and then its own; once. Its class is a local one, which a
    cluster gets by value.
    """
    this = os.getpid()

    class Kill(Callback):
        def on_epoch_begin(self, net, **kwargs):
            rate, epoch = net.optimizer_.defaults["lr"], len(net.history)
            with open(folder / "epochs.log", "a") as log:
                log.write(f"{rate} {epoch}\n")
            killed = folder / "killed"
            if (rate, epoch) == (GRID["learning_rate"][-1], 3) and not killed.exists():
                assert os.getpid() != this
                killed.touch()
                for pid in [*{*others} - {os.getpid()}, os.getpid()]:
                    os.kill(pid, signal.SIGKILL)

    return Kill()


def epochs_begun(folder):
    return len((folder / "epochs.log").read_text().splitlines())


def holding(words, container):
    if container == "list":
        return words
    # Of more than a kilobyte, from which on joblib leaves it to Dask.
    return np.array(words) if container == "array" else pd.Series(words)


@pytest.mark.parametrize("container", ["list", "array", "column"])
def test_search_on_dask_equals_one_process(client, words, shouted, expected, container):
    X, y = holding(words, container), holding(shouted, container)
    with joblib.parallel_config("dask"):
        assert np.array_equal(scores(search().fit(X, y)), expected)


def test_validation_and_ensemble_on_dask_equal_one_process(client, words, shouted):
    model = Seq2SeqTransformer(**SMALL | {"max_epochs": 1})
    words, shouted = words[::2], shouted[::2]
    ensemble = Seq2SeqEnsemble(model, n_estimators=2, random_state=0)
    sizes = {"train_sizes": [0.5, 1.0], "cv": 2, "scoring": likelihood}

    def results():
        found = cross_validate(model, words, shouted, cv=2, scoring=likelihood)
        curves = learning_curve(model, words, shouted, **sizes)[1:]
        members = ensemble.fit(words, shouted).log_likelihood(words, shouted)
        return [found["test_score"], *curves, members]

    in_one = results()
    with joblib.parallel_config("dask"):
        for ours, expected in zip(results(), in_one, strict=True):
            assert np.array_equal(ours, expected)


def test_example_searches_on_dask(client, tmp_path):
    path = Path(__file__).parents[1] / "examples" / "dask_search.py"
    search_on = runpy.run_path(path)["search_on"]
    found = search_on(client, tmp_path, n_samples=30, max_epochs=1)
    assert len(found.cv_results_["params"]) == 4
    assert len(list(tmp_path.iterdir())) == 13  # of 12 fits and the final one


def test_dask_gives_each_process_one_thread(client):
    import torch

    assert set(client.run(torch.get_num_threads).values()) == {1}


def test_search_on_dask_survives_a_killed_process(
    client, words, shouted, expected, tmp_path
):
    (tmp_path / "fits").mkdir()
    X, y = holding(words, "array"), holding(shouted, "array")
    interrupted = search(checkpoint=tmp_path / "fits", callbacks=[killing(tmp_path)])
    with joblib.parallel_config("dask", scatter=[X, y]):
        interrupted.fit(X, y)
    assert (tmp_path / "killed").exists()
    assert np.array_equal(scores(interrupted), expected)
    # The fit that was cut went on in another process, from its third epoch.
    assert epochs_begun(tmp_path) == N_FITS * SMALL["max_epochs"] + 1


def test_same_search_goes_on_where_dask_lost_all(
    client, words, shouted, expected, tmp_path
):
    from distributed.client import FutureCancelledError

    (tmp_path / "fits").mkdir()
    X, y = holding(words, "array"), holding(shouted, "array")
    kill = killing(tmp_path, *client.run(os.getpid).values())
    lost = search(checkpoint=tmp_path / "fits", callbacks=[kill])
    with joblib.parallel_config("dask"), pytest.raises(FutureCancelledError):
        lost.fit(X, y)
    done = epochs_begun(tmp_path)
    assert np.array_equal(scores(lost.fit(X, y)), expected)
    # At most the two epochs that were cut began twice.
    total = N_FITS * SMALL["max_epochs"]
    assert total < epochs_begun(tmp_path) <= total + 2
    assert epochs_begun(tmp_path) - done < total / 2


def test_search_on_ray_equals_one_process_and_goes_on(
    ray, words, shouted, expected, tmp_path
):
    with joblib.parallel_config("ray", n_jobs=2):
        assert np.array_equal(scores(search().fit(words, shouted)), expected)
    (tmp_path / "fits").mkdir()
    lost = search(checkpoint=tmp_path / "fits", callbacks=[killing(tmp_path)])
    with (
        joblib.parallel_config("ray", n_jobs=2),
        pytest.raises(Exception, match="died"),
    ):
        lost.fit(words, shouted)
    with joblib.parallel_config("ray", n_jobs=2):
        lost.fit(words, shouted)
    assert np.array_equal(scores(lost), expected)
    assert epochs_begun(tmp_path) <= N_FITS * SMALL["max_epochs"] + 2
