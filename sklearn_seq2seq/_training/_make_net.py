"""The skorch net, made or set up anew from the settings of a training."""

from __future__ import annotations

import torch

from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder
from sklearn_seq2seq._network._layers import Dropout
from sklearn_seq2seq._network._losses import SequenceLoss
from sklearn_seq2seq._pairs._batches import TrainingBatches
from sklearn_seq2seq._training._devices import choose_device
from sklearn_seq2seq._training._net import Seq2SeqNet
from sklearn_seq2seq._training._optimizers import optimizer_arguments


def make_net(network, optimization, *, source_size, target_size, seed):
    """Make a net, its weights drawn.

    Parameters
    ----------
    network : NetworkSettings
    optimization : OptimizationSettings
    source_size, target_size : int
        Vocabulary sizes.
    seed : int

    Returns
    -------
    Seq2SeqNet
    """
    net = Seq2SeqNet(
        EncoderDecoder,
        seed=seed,
        criterion=SequenceLoss,
        criterion__vocabulary_size=target_size,
        criterion__copies=network.copy,
        iterator_train=TrainingBatches,
        iterator_valid=TrainingBatches,
        iterator_valid__shuffle=False,
        train_split=None,
        verbose=0,
        device=choose_device(optimization.device),
        **{f"module__{name}": value for name, value in network.of_module().items()},
        module__source_size=source_size,
        module__target_size=target_size,
        module__predict_words=network.encoder_loss_weight > 0,
        module__seed=seed,
    )
    set_up(net, network, optimization)
    return net.initialize()


def set_up(net, network, optimization):
    """Set what may change between one training of a net and the next."""
    # Another optimiser may not know what the last one was given.
    for name in [name for name in vars(net) if name.startswith("optimizer__")]:
        delattr(net, name)
    forcing = optimization.teacher_forcing
    steps, tokens = optimization.gradient_accumulation_steps, optimization.max_tokens
    for name, value in {
        "teacher_forcing": forcing if isinstance(forcing, tuple) else (forcing,) * 2,
        "precision": optimization.precision,
        "batch_size": optimization.batch_size,
        "max_tokens": tokens,
        "iterator_train__batch_size": optimization.batch_size * steps,
        "iterator_train__max_tokens": None if tokens is None else tokens * steps,
        "iterator_valid__max_tokens": tokens,
        "criterion__encoder_loss_weight": network.encoder_loss_weight,
        "criterion__label_smoothing": optimization.label_smoothing,
        **optimizer_arguments(
            optimization.optimizer,
            optimization.learning_rate,
            optimization.weight_decay,
            net.device,
        ),
    }.items():
        setattr(net, name, value)
    if net.initialized_:
        net.module_.unknown_dropout = network.unknown_dropout
        for layer in net.module_.modules():
            if isinstance(layer, Dropout):
                layer.p = network.dropout


def start_from_counts(net, dataset):
    """Let the network begin with how often each target token occurs.

    The output's bias becomes the logarithm of the tokens' frequencies, as in NeuralTalk
    (Karpathy and Fei-Fei, 2015). From even odds the decoder would first learn what
    never to write, for which it saturates where a vocabulary holds much of that, as one
    for both sides does.

    Parameters
    ----------
    net : Seq2SeqNet
    dataset : PairDataset
        Rows to train on, all of them with a positive weight.
    """
    # Count every token once more than it occurs, or by the smallest weight below 1.
    once = 1.0 if dataset.weight is None else min(1.0, dataset.weight.min())
    counts = dataset.count_targets() + once
    bias = net.module_.decoder.output.bias
    bias.data.copy_(torch.from_numpy(counts / counts.sum()).log())
