"""Making the skorch net from the settings of a training, and updating it."""

from __future__ import annotations

import torch

from sklearn_seq2seq._files import is_lack_of_memory
from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder
from sklearn_seq2seq._network._layers import Dropout
from sklearn_seq2seq._network._losses import SequenceLoss
from sklearn_seq2seq._pairs._batches import TrainingBatches
from sklearn_seq2seq._training._devices import choose_device
from sklearn_seq2seq._training._net import Seq2SeqNet
from sklearn_seq2seq._training._optimizers import optimizer_arguments


def make_net(network, optimization, *, source_size, target_size, seed):
    """Make a net with random weights.

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

    Raises
    ------
    MemoryError
        If the network does not fit into memory.
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
        module__predict_bag=network.encoder_loss_weight > 0,
        module__seed=seed,
    )
    set_up(net, network, optimization)
    try:
        return net.initialize()
    except (RuntimeError, TypeError) as error:
        if not (is_lack_of_memory(error) or "verflow" in str(error)):
            raise
        raise MemoryError(
            f"Not enough memory for a network of hidden_size={network.hidden_size} and "
            f"embedding_size={network.embedding_size} with vocabularies of "
            f"{source_size} and {target_size} tokens. Lower hidden_size or "
            "embedding_size, or use smaller vocabularies."
        ) from error


def set_up(net, network, optimization):
    """Set what may change between two trainings of a net."""
    # Another optimiser may not accept the arguments of the last one.
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
        "iterator_valid__batch_size": optimization.pairs_to_validate,
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
        net.module_.unknown_dropout = network.unknown_shares
        for layer in net.module_.modules():
            if isinstance(layer, Dropout):
                layer.p = network.dropout


def start_from_counts(net, dataset):
    """Initialise the output's bias with the logarithm of the tokens' frequencies.

    This is done in NeuralTalk (Karpathy and Fei-Fei, 2015). From a uniform distribution
    the decoder would first learn which tokens never occur, and saturate if there are
    many, as in a vocabulary that both sides share.

    Parameters
    ----------
    net : Seq2SeqNet
    dataset : PairDataset
        Rows to train on, with positive weights.
    """
    # Add-one smoothing; with the smallest weight, if that is below 1.
    once = 1.0 if dataset.weight is None else min(1.0, dataset.weight.min())
    counts = dataset.count_targets() + once
    bias = net.module_.decoder.output.bias
    bias.data.copy_(torch.from_numpy(counts / counts.sum()).log())
