"""What only a CUDA device can show; elsewhere these tests are skipped."""

import copy
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import distributed

from sklearn_seq2seq import Seq2SeqTransformer, load
from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder
from sklearn_seq2seq._network._layers import Dropout, Randomness, initialise
from sklearn_seq2seq._network._recurrent import Recurrent, State
from sklearn_seq2seq._training._cuda_graphs import StepGraphs
from sklearn_seq2seq._training._distributed import Processes
from sklearn_seq2seq._training._net import Seq2SeqNet

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore:.*ended by max_length"),
]


def small(**params):
    common = {
        "hidden_size": 24,
        "embedding_size": 12,
        "batch_size": 8,
        "max_epochs": 4,
        "learning_rate": 0.01,
        "dropout": 0.3,
        "device": "cuda",
        "random_state": 0,
    }
    return Seq2SeqTransformer(**common | params)


def assert_close(model, other, tolerance=1e-4):
    own, its = (m.net_.module_.state_dict() for m in (model, other))
    for name, weight in own.items():
        torch.testing.assert_close(
            weight, its[name], atol=tolerance, rtol=1e-3, msg=name
        )


class Recorded:
    """Counts the steps that were replayed."""

    def __init__(self, monkeypatch):
        self.n_replayed, self.n_steps = 0, 0
        whole = StepGraphs.__call__

        def counted(graphs, *batch):
            loss = whole(graphs, *batch)
            self.n_steps += 1
            self.n_replayed += loss is not None
            return loss

        monkeypatch.setattr(StepGraphs, "__call__", counted)


# Steps as graphs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"attention": "general", "cell": "gru", "num_layers": 2},
        {"attention": "dot", "cell": "rnn", "gradient_clip": None},
        {"attention": None, "decoder_cell": "gru"},
        {"input_feeding": True},
        {"input_feeding": True, "cell": "gru", "attention": "general"},
        {"copy": True, "encoder_loss_weight": 0.3},
        {"tie_output": True, "share_embeddings": True, "unknown_dropout": 0.1},
        {"attention": "hard", "copy": True, "unknown_dropout": (0.1, 0.3)},
        {"attention": "hard", "monotonic": True, "precision": "bfloat16"},
        {"embedding_size": None},
        {"optimizer": "sgd", "learning_rate": 0.5},
        {"precision": "bfloat16"},
        {"precision": "float16"},
        {"early_stopping": True, "scoring": "exact_match"},
    ],
)
def test_replayed_steps_are_the_steps(params, words, shouted, monkeypatch):
    recorded = Recorded(monkeypatch)
    model = small(**params).fit(words, words if params.get("copy") else shouted)
    assert recorded.n_replayed > recorded.n_steps / 3
    with monkeypatch.context() as patch:
        patch.setattr(Seq2SeqNet, "_can_record", lambda net: False)
        other = small(**params).fit(words, words if params.get("copy") else shouted)
    half = params.get("precision", "float32") != "float32"
    np.testing.assert_allclose(
        model.history_[:, "train_loss"],
        other.history_[:, "train_loss"],
        rtol=3e-2 if half else 1e-3,
    )
    assert_close(model, other, tolerance=5e-2 if half else 2e-3)


def test_a_fit_repeats(words, shouted):
    model, other = (small().fit(words, shouted) for _ in range(2))
    assert_close(model, other)
    for _ in range(2):
        model.partial_fit(words, shouted)
        other.partial_fit(words, shouted)
    assert_close(model, other)
    assert model.net_.graphs_ is None


@pytest.mark.parametrize(
    "params",
    [
        {"bidirectional": False},
        {"teacher_forcing": 0.5},
        {"gradient_accumulation_steps": 2},
    ],
)
def test_steps_that_cannot_be_recorded_are_taken(params, words, shouted, monkeypatch):
    recorded = Recorded(monkeypatch)
    model = small(**params).fit(words, shouted)
    assert recorded.n_replayed == 0
    losses = model.history_[:, "train_loss"]
    assert losses[-1] < losses[0]


def test_a_step_that_waits_ends_the_recording(words, shouted, monkeypatch):
    whole = Seq2SeqNet.get_loss

    def waits(net, *args, **kwargs):
        loss = whole(net, *args, **kwargs)
        loss.item()
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(Seq2SeqNet, "get_loss", waits)
        with pytest.warns(UserWarning, match="cannot be recorded"):
            model = small().fit(words, shouted)
    other = small().fit(words, shouted)
    np.testing.assert_allclose(
        model.history_[:, "train_loss"], other.history_[:, "train_loss"], rtol=1e-3
    )


class Watcher(Callback):
    """Keeps the logits of every step."""

    def __init__(self, seen):
        self.seen = seen

    def on_batch_end(self, net, y_pred=None, training=False, **kwargs):
        self.seen.append(y_pred.logits)


def test_callbacks_that_look_at_steps_see_their_output(words, shouted):
    seen = []
    small(callbacks=[Watcher(seen)], max_epochs=2).fit(words, shouted)
    assert len(seen) == 16
    assert all(logits.isfinite().all() for logits in seen)


class Freeze(Callback):
    """Freezes a table and ends dropout after the second epoch."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            net.module_.encoder.embedding.requires_grad_(False)
            net.module_.decoder.dropout.p = 0.0


def test_recorded_steps_see_what_a_callback_changes(words, shouted, monkeypatch):
    recorded = Recorded(monkeypatch)
    model = small(callbacks=[Freeze()], max_epochs=5).fit(words, shouted)
    assert recorded.n_replayed > recorded.n_steps / 3
    monkeypatch.setattr(Seq2SeqNet, "_can_record", lambda net: False)
    other = small(callbacks=[Freeze()], max_epochs=5).fit(words, shouted)
    assert_close(model, other, tolerance=2e-3)


def test_fits_in_threads_do_not_disturb_one_another(words, shouted):
    alone = small().fit(words, shouted)
    with ThreadPoolExecutor(3) as pool:
        fits = [pool.submit(small().fit, words, shouted) for _ in range(3)]
        models = [fit.result() for fit in fits]
    for model in models:
        assert_close(model, alone)


@pytest.mark.parametrize("input_feeding", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_gpu_and_cpu_agree(cell, input_feeding, words, shouted):
    params = {"cell": cell, "input_feeding": input_feeding, "num_layers": 2}
    model = small(max_epochs=40, dropout=0.0, **params).fit(words, shouted)
    assert model.score(words, shouted) > 0.5
    twin = pickle.loads(pickle.dumps(model))
    twin.net_.module_.cpu()
    twin.net_.device = "cpu"
    for beam_width in (1, 3):
        both = [m.set_params(beam_width=beam_width) for m in (model, twin)]
        found = [m.predict(words) for m in both]
        assert np.mean(found[0] == found[1]) > 0.95
    np.testing.assert_allclose(
        model.log_likelihood(words, shouted),
        twin.log_likelihood(words, shouted),
        atol=2e-2,
        rtol=1e-2,
    )


@pytest.mark.parametrize("input_feeding", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_gradients_are_those_of_the_cpu(cell, input_feeding):
    network = EncoderDecoder(
        9, 11, cell=cell, hidden_size=12, num_layers=2, input_feeding=input_feeding
    )
    random = torch.Generator().manual_seed(0)
    source = torch.randint(2, 9, (6, 5), generator=random)
    target = torch.randint(2, 11, (6, 7), generator=random)
    positions = torch.full((6,), 5)
    found = {}
    for device in ("cpu", "cuda"):
        network.to(device).zero_grad()
        batch = (x.to(device) for x in (source, positions, target))
        torch.log_softmax(network(*batch).logits, -1)[..., 3].sum().backward()
        # The gradients move with the network.
        found[device] = [w.grad.to("cpu", copy=True) for w in network.parameters()]
    torch.testing.assert_close(found["cuda"], found["cpu"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_steps_are_those_of_the_cpu(cell):
    layers = Recurrent(cell, 5, 12, 2, Dropout(0.0, Randomness(0)))
    random = torch.Generator().manual_seed(0)
    initialise(layers, random)
    x = torch.randn(6, 5, generator=random)
    width = 2 * 12 * (2 if cell == "lstm" else 1)
    vector = torch.randn(6, width, generator=random)
    found = {}
    for device in ("cpu", "cuda"):
        layers.to(device)
        state = State.from_vector(vector.to(device), 2, cell)
        for _ in range(3):
            state = layers.step(layers.input_gates(x.to(device)), None, state)
        found[device] = state.to_vector().cpu()
    torch.testing.assert_close(found["cuda"], found["cpu"], atol=1e-5, rtol=1e-4)


def test_a_broken_off_fit_goes_on(words, shouted, tmp_path):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    path = tmp_path / "fit.ckpt"
    whole = small(max_epochs=6).fit(words, shouted)
    broken = small(max_epochs=6, checkpoint=path, callbacks=[Stop()])
    with pytest.warns(UserWarning, match="interrupted"):
        broken.fit(words, shouted)
    again = small(max_epochs=6, checkpoint=path).fit(words, shouted)
    assert again.n_iter_ == 6
    assert_close(again, whole)


# Models elsewhere --------------------------------------------------------------------

ELSEWHERE = (
    "import pickle, sys; from sklearn_seq2seq import load; "
    "path = sys.argv[1]; "
    "model = pickle.load(open(path, 'rb')) if path.endswith('pkl') else load(path); "
    "print(model.net_.device, *model.transform(['ab'])[0])"
)


@pytest.mark.parametrize("kind", ["pkl", "model"])
@pytest.mark.filterwarnings("ignore:.*device='auto' now")
def test_model_of_a_gpu_loads_without_one(kind, words, shouted, tmp_path):
    model = small(precision="bfloat16", max_epochs=2).fit(words, shouted)
    assert next(model.net_.module_.parameters()).is_cuda
    path = tmp_path / f"a.{kind}"
    if kind == "pkl":
        path.write_bytes(pickle.dumps(model))
    else:
        model.save(path)
        assert list(load(path).predict(words)) == list(model.predict(words))
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ELSEWHERE, path],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    ).stdout.split()
    assert output[0] == "cpu"
    vector = np.array(output[1:], dtype=float)
    np.testing.assert_allclose(vector, model.transform(["ab"])[0], atol=1e-3)


def test_copies_train_on(words, shouted):
    model = small().fit(words, shouted)
    twin = copy.deepcopy(model).partial_fit(words, shouted)
    assert_close(twin, model.partial_fit(words, shouted))


@pytest.mark.skipif(
    not distributed.is_nccl_available(),
    reason="needs NCCL, which PyTorch has in its CUDA builds for Linux",
)
def test_distributed_fit_of_one_process_is_that_of_cuda(words, shouted, tmp_path):
    store = (tmp_path / "group").as_uri()
    distributed.init_process_group("nccl", init_method=store, rank=0, world_size=1)
    try:
        model = small(device="distributed").fit(words, shouted)
        assert next(model.net_.module_.parameters()).is_cuda
        processes = Processes("distributed")
        processes.count = 2  # so that there are messages, though to itself
        module, loss = model.net_.module_, torch.tensor(0.5, device="cuda")
        for weight in module.parameters():
            weight.grad = weight.detach().clone()
        assert processes.add_gradients(module, loss) == 0.5
        assert all(torch.equal(w.grad, w) for w in module.parameters())
        assert processes.total(1.0, True) == [1.0, 1.0]
        assert processes.of_first(lambda: "seed") == "seed"
        processes.share(module)
    finally:
        distributed.destroy_process_group()
    assert_close(model, small().fit(words, shouted))
