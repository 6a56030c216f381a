"""`Seq2SeqTransformer`: the encoder-decoder as a scikit-learn estimator."""

import copy
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.pipeline import _VisualBlock
from sklearn.utils._available_if import _AvailableIfDescriptor
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from sklearn_seq2seq._decoding import _inference
from sklearn_seq2seq._decoding._decode import FittedModel, Member, decode
from sklearn_seq2seq._decoding._mixin import DECODING_CONSTRAINTS, PredictionMixin
from sklearn_seq2seq._documentation import DocumentationMixin
from sklearn_seq2seq._fitting import (
    NestedParametersMixin,
    Number,
    draw_seed,
    groups_of,
    non_negative,
    plain,
    positive,
    unchanged_on_failure,
)
from sklearn_seq2seq._network._recurrent import CELLS
from sklearn_seq2seq._pairs._long_sources import shorten
from sklearn_seq2seq._pairs._reader import held_out, learn_pairs
from sklearn_seq2seq._parameters import check_combinations, check_names
from sklearn_seq2seq._persistence._save_load import SavingMixin
from sklearn_seq2seq._text._check_input import readable_twice
from sklearn_seq2seq._training._callbacks import (
    CallbackSupportMixin,
    DecodedScore,
    FitTasks,
    with_callbacks,
)
from sklearn_seq2seq._training._devices import PRECISIONS
from sklearn_seq2seq._training._make_net import make_net, start_from_counts
from sklearn_seq2seq._training._optimizers import OPTIMIZERS
from sklearn_seq2seq._training._pretrained import (
    check_pretrained,
    load_vectors,
    take_weights,
    vectors_by_id,
)
from sklearn_seq2seq._training._run import Training
from sklearn_seq2seq._training._settings import (
    NetworkSettings,
    OptimizationSettings,
    RunningSettings,
    StoppingRule,
)


class _WithoutAttention(_AvailableIfDescriptor):
    """A method that exists only if the decoder sees nothing but the vector.

    Its AttributeError gives the reason, which scikit-learn's ``available_if`` does not.
    """

    def __init__(self, method):
        super().__init__(method, None, method.__name__)

    def _check(self, obj, owner):
        fitted = getattr(obj, "net_", None)
        attention = obj.attention if fitted is None else fitted.module__attention
        if attention is not None:
            raise AttributeError(
                f"{self.attribute_name} needs attention=None: with attention the "
                "decoder sees more than the fixed-length vector; got "
                f"attention={attention!r}."
            )


class Seq2SeqTransformer(
    PredictionMixin,
    NestedParametersMixin,
    SavingMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DocumentationMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """Recurrent encoder-decoder, a "transformer" in scikit-learn's sense.

    An encoder (LSTM, GRU or plain RNN) reads a source into one fixed-length vector, and
    a decoder turns that into the target [1]_ [2]_; by default it also looks back at the
    source through attention. `predict` returns targets, `transform` the vectors. It
    learns from pairs: words and their pronunciations, names and their spelling in
    another script, lemmas and inflections, dates and their normal form, sentences and
    translations. If a target has one label for every source token, a sequence labeller
    is the better tool.

    Parameters
    ----------
    source_vectorizer : SequenceVectorizer or ColumnVectorizer, default=None
        Cuts sources into tokens; a clone of it is fitted. None cuts strings into
        characters, takes lists as tokens, and numbers as token ids.
    target_vectorizer : SequenceVectorizer, default=None
        The same for targets. None without `y` means that of the sources.
    hidden_size : int, default=192
        Units of each layer and direction.
    attention : {"auto", "dot", "general", "additive", "hard"}, default="auto"
        How the decoder looks back at the source: at a weighted mean of its positions
        [3]_ [4]_; or, with "hard", at one position for each target token, summed
        exactly over all alignments [10]_ [11]_. With None it sees only the fixed-length
        vector. "auto" is "hard" if the network copies, and for fewer than 2,000 pairs
        whose targets do not recur and are at least half as long as their sources; it is
        "additive" otherwise, and if "hard" would need much memory.
    copy : bool or "auto", default="auto"
        Whether the decoder can copy source tokens, also those outside the vocabularies
        [5]_; it has nothing to do with scikit-learn's `copy` of `X`. "auto" copies if
        targets consist of tokens of their sources and do not recur, or recur as
        inflected words do, and never without `y`. Subwords must be the same on both
        sides. The source vectorizer's `handle_unknown` has no effect, since any source
        token can be read.
    learning_rate : float, default=0.002
        Step size, at the maximum of the schedule.
    max_epochs : int or "auto", default="auto"
        Passes over the pairs. "auto" means 30, or more if needed for 1,000 training
        steps of 32 pairs (600 for hard attention that copies), or twice as many of 8.
    early_stopping : bool, default=False
        Whether to hold out `validation_fraction` of the pairs (unless `fit` is given
        `validation_data`) and stop when their score no longer improves. With one pair,
        or one group, there is no validation.
    beam_width : int, default=1
        Hypotheses kept in decoding; 1 is greedy.
    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the order of pairs, dropout and the validation
        split. Global random state is neither used nor changed.

    Text

    max_source_length : "auto" or int, default=None
        Most tokens of a source that is read at once. "auto" is the longest source of
        training, None sets no limit.
    long_source : {"error", "truncate_end", "truncate_start", "chunk"}, default="error"
        What to do with longer sources: raise a ValueError; leave out the end or the
        start; or let `predict` read them in chunks, cut at the end of a sentence or at
        white space where there is any in the second half, and join the predictions.
        `max_length`, `min_length` and `no_repeat_ngram_size` then apply to each chunk.
        A warning counts long sources. Pairs are never cut into chunks: `fit` reads them
        whole, other methods refuse them.
    share_embeddings : bool, default=False
        Whether both sides have one vocabulary, the union, and one embedding table.
    source_vectors : array-like or mapping, default=None
        Pretrained token vectors of length `embedding_size`: a mapping from token to
        vector, or an array with one row for each id. Tokens without a vector keep a
        random one; a warning counts them.
    target_vectors : array-like or mapping, default=None
        The same for targets.
    freeze_vectors : bool, default=False
        Whether embedding tables with pretrained vectors, and an output tied to one, are
        not trained.

    Network

    cell : {"lstm", "gru", "rnn"}, default="lstm"
        Recurrent unit of the encoder, and of the decoder without `decoder_cell`.
    decoder_cell : {"lstm", "gru", "rnn"}, default=None
        Recurrent unit of the decoder; None means `cell`.
    num_layers : int or "auto", default="auto"
        Layers of the encoder and of the decoder. "auto" means those of `pretrained`;
        two if `fit` has at least 10,000 pairs and the network does not copy; else one.
    embedding_size : int, default=128
        Length of the token vectors; None means one-hot vectors.
    bidirectional : bool, default=True
        Whether the encoder reads the source from both ends.
    reverse_source : bool, default=False
        Whether the encoder reads the source from its end [1]_. It has no effect with
        `bidirectional`.
    attention_order : {0, 1}, default=1
        Whether the position of hard attention depends on the one before.
    monotonic : bool, default=False
        Whether hard attention never goes back.
    input_feeding : bool, default=False
        Whether the attention's context is an input of the decoder's next step. Steps
        are then taken one by one, which is slower.
    tie_output : bool, default=False
        Whether the output layer's weights are the target embedding table [9]_.
    dropout : float, default=0.3
        Share of values dropped in training: of embeddings, between layers, and before
        the output.

    Training

    pretrained : Seq2SeqTransformer or FrozenEstimator of one, default=None
        A fitted model to start from, such as an autoencoder of sources without targets.
        Its source vocabulary is extended by that of `X`. Its encoder, the vectors of
        tokens with the same strings, and each part of its decoder with the same shape
        are taken. Pass ``sklearn.frozen.FrozenEstimator(model)`` to what makes clones
        (searches, cross-validation, ensembles).
    unknown_dropout : float, tuple of two floats or "auto", default="auto"
        Share of source tokens that training replaces by the unknown token, so that the
        network learns to handle it. The second of a pair is the share of target tokens
        that the decoder reads as unknown, so that it depends on the source rather than
        on what it wrote [12]_; a single number leaves targets whole. "auto" is 0.1 for
        the source if the network copies. It is 0.5 for the target if the network does
        not copy, attention is not hard, and fewer than 2,000 pairs have targets that do
        not recur and are less than half as long as their sources. Else it is 0.
    encoder_loss_weight : float, default=0.0
        The alpha in [0, 1) of ``alpha * L_enc + (1 - alpha) * L_dec``, where L_enc is
        the loss of predicting the target's bag of tokens from the fixed-length vector
        [6]_.
    label_smoothing : float, default=0.1
        Share of each reference token's probability that is spread over all tokens.
    teacher_forcing : float or tuple of two floats, default=1.0
        Probability that a training step is fed the reference rather than a sample of
        the model [7]_. With a pair, it moves from the first to the second value over
        the epochs.
    optimizer : str or torch optimiser class, default="adam"
        "adam", "adamw", "nadam", "radam", "rmsprop", "adagrad", "adadelta" or "sgd".
    lr_schedule : str, torch scheduler class or skorch LRScheduler, default="cosine"
        "constant", "cosine" (warm-up over 5 % of the steps, then down to 0),
        "inverse_sqrt" (the same warm-up) or "plateau" (halved when the validation score
        has not improved for a third of `n_iter_no_change` epochs).
    weight_decay : float, default=0.0
        The optimiser's penalty on large weights.
    batch_size : int or "auto", default="auto"
        Pairs of a training step. "auto" means 32; if `max_epochs` is "auto" too, fewer,
        down to 8, where 30 epochs would have too few steps. Four times as many rows are
        predicted at once, 128 with "auto".
    max_tokens : int, default=None
        Most positions of a training batch, source and target, padding included; long
        pairs make smaller batches.
    gradient_clip : float, default=5.0
        Largest norm of a step's gradient; None does not clip.
    gradient_accumulation_steps : int, default=1
        Batches whose gradients add up to one training step: the step of a larger batch,
        in the memory of one.
    warm_start : bool, default=False
        Whether `fit` continues the training of the last `fit`, for `max_epochs` more.

    Stopping

    max_time : float, default=None
        Seconds after which training ends, also within an epoch.
    validation_fraction : float, default=0.1
        Share of pairs, or groups, to hold out; at least one.
    n_iter_no_change : int, default=10
        Epochs without improvement after which to stop.
    tol : float, default=1e-4
        Improvement that counts.
    scoring : str, callable, list or dict, default="loss"
        The validation score: "loss", "exact_match" (of greedy decoding, at no cost), or
        any `scoring` of scikit-learn on decoded targets, including names of
        `sklearn_seq2seq.metrics.get_scorer_names`. The first of several decides. After
        `fit` the model is that of the best epoch.

    Decoding

    length_penalty : float, default=0.0
        Exponent a of the length penalty: hypotheses of n positions are ranked by
        log-probability over ``((5 + n) / 6) ** a`` [8]_.
    max_length : "auto", int or float, default="auto"
        Most tokens of a prediction. "auto" means 1.25 times the longest training
        target, proportionally more for sources longer than any in training, and 0 for
        empty sources unless training had some. A float is a multiple of the source's
        tokens. A warning counts the predictions that are cut.
    min_length : int, default=0
        Fewest tokens of a prediction, as far as `max_length` allows.
    no_repeat_ngram_size : int, default=None
        No n-gram of this size occurs twice in a prediction, before `replace_unknown`.
    banned_tokens : iterable of str (or of int, or tuples), default=None
        Target tokens never to predict; with a `ColumnVectorizer`, in every column, or
        given as ``(column, token)`` in one.
    allowed_outputs : iterable, default=None
        Closed set of targets, of the kind of `y`. Every prediction is one of them, as
        the target vectorizer writes it, regardless of `max_length` and
        `no_repeat_ngram_size`. Those shorter than `min_length` are left out, unless all
        are.
    replace_unknown : {"copy", "keep"}, default=None
        None never predicts the unknown token. "keep" allows it, and "copy" replaces it
        by the source token with most attention, as typed.
    min_confidence : float, default=0.0
        Predictions whose confidence, their probability, is lower become `abstain`.
    abstain : object, default=None
        The value that replaces predictions with too little confidence.

    Running

    device : str or torch.device, default="auto"
        "auto" uses CUDA, else MPS, else the CPU. "distributed" trains in all processes
        of `torch.distributed` together, each of which calls `fit` with the same pairs
        and takes its share of every batch.
    precision : {"float32", "bfloat16", "float16"}, default="float32"
        Precision of the arithmetic in training, if the device supports it.
    checkpoint : str or path, default=None
        File for the state of training, or a folder, in which each fit has its own file.
        The same call of `fit` again, whatever ended it, resumes there and ends as if it
        had never stopped; a finished fit returns at once. The file of another fit, or a
        damaged file, is left unchanged, with a ValueError. Your own `callbacks` start
        anew.
    checkpoint_interval : int, default=1
        Epochs between two writes.
    checkpoint_minutes : float, default=None
        The state is also written if the last write was this many minutes ago, also
        within an epoch.
    callbacks : list of skorch callbacks, default=None
        Called in training, for instance ``skorch.callbacks.TensorBoard(writer)``. Each
        fit uses shallow copies: the given callbacks do not change, but share a writer
        or a list that they hold.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch module.
    history_ : skorch.history.History
        One record an epoch: train_loss (the training objective, in nats a target
        position); with validation, valid_loss (the plain cross-entropy, without dropout
        and smoothing, so that the two cannot be compared) and valid_exact_match; dur
        (seconds) and more.
    source_vectorizer_, target_vectorizer_ : SequenceVectorizer or None
        The fitted vectorizers; None for ids.
    n_iter_ : int
        Number of epochs trained.
    max_epochs_, batch_size_ : int
        Most epochs of the last training, and pairs of a step: the values of "auto".
    num_layers_ : int
        Layers of the encoder and of the decoder: the value of "auto".
    attention_ : str or None
        Attention of the network: the value of "auto".
    copy_ : bool
        Whether the network copies.
    n_parameters_ : int
        Number of weights of the network.
    n_features_in_ : int
        Number of columns of `X`, if it was ids.

    See Also
    --------
    SequenceVectorizer : Text to token ids and back.
    ColumnVectorizer : Several columns as one source.
    DummySeq2Seq : Baselines that a model must beat.

    Notes
    -----
    Training takes time linear in the number of tokens; without `input_feeding` each
    layer runs over whole sequences in one call. Decoding takes one step a target token,
    for all rows of a batch at once. A row's result does not depend on the other rows.

    References
    ----------
    .. [1] Sutskever, Vinyals and Le, "Sequence to sequence learning with neural
       networks", NeurIPS, 2014. :arxiv:`1409.3215`
    .. [2] Cho et al., "Learning phrase representations using RNN encoder-decoder for
       statistical machine translation", EMNLP, 2014. :arxiv:`1406.1078`
    .. [3] Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to
       align and translate", ICLR, 2015. :arxiv:`1409.0473`
    .. [4] Luong, Pham and Manning, "Effective approaches to attention-based neural
       machine translation", EMNLP, 2015. :arxiv:`1508.04025`
    .. [5] See, Liu and Manning, "Get to the point: summarization with
       pointer-generator networks", ACL, 2017. :arxiv:`1704.04368`
    .. [6] Ma, Sun, Wang and Lin, "Bag-of-words as target for neural machine
       translation", ACL, 2018. :arxiv:`1805.04871`
    .. [7] Bengio, Vinyals, Jaitly and Shazeer, "Scheduled sampling for sequence
       prediction with recurrent neural networks", NeurIPS, 2015. :arxiv:`1506.03099`
    .. [8] Wu et al., "Google's neural machine translation system", 2016.
       :arxiv:`1609.08144`
    .. [9] Press and Wolf, "Using the output embedding to improve language models",
       EACL, 2017. :arxiv:`1608.05859`
    .. [10] Wu, Shapiro and Cotterell, "Hard non-monotonic attention for character-level
       transduction", EMNLP, 2018. :arxiv:`1808.10024`
    .. [11] Wu and Cotterell, "Exact hard monotonic attention for character-level
       transduction", ACL, 2019. :arxiv:`1905.06319`
    .. [12] Bowman, Vilnis, Vinyals, Dai, Jozefowicz and Bengio, "Generating sentences
       from a continuous space", CoNLL, 2016. :arxiv:`1511.06349`

    Examples
    --------
    >>> from sklearn_seq2seq import Seq2SeqTransformer
    >>> words = ["ab", "ba", "abb", "bab", "aab", "b"]
    >>> shouted = [word.upper() for word in words]
    >>> model = Seq2SeqTransformer(hidden_size=32, dropout=0, random_state=0)
    >>> model = model.set_params(learning_rate=0.01).fit(words, shouted)
    >>> model.predict(["ab", "bab"])
    array(['AB', 'BAB'], dtype=object)
    >>> model.transform(["ab", "bab"]).shape
    (2, 64)
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn's own form)
        "source_vectorizer": [HasMethods(["fit_transform", "transform"]), None],
        "target_vectorizer": [HasMethods(["fit_transform", "inverse_transform"]), None],
        "hidden_size": [positive()],
        "attention": [
            StrOptions({"auto", "dot", "general", "additive", "hard"}),
            None,
        ],
        "copy": ["boolean", StrOptions({"auto"})],
        "learning_rate": [positive(Real)],
        "max_epochs": [positive(), StrOptions({"auto"})],
        "early_stopping": ["boolean"],
        "random_state": ["random_state"],
        "share_embeddings": ["boolean"],
        "source_vectors": ["array-like", dict, HasMethods(["keys"]), None],
        "target_vectors": ["array-like", dict, HasMethods(["keys"]), None],
        "freeze_vectors": ["boolean"],
        "cell": [StrOptions(set(CELLS))],
        "decoder_cell": [StrOptions(set(CELLS)), None],
        "num_layers": [positive(), StrOptions({"auto"})],
        "embedding_size": [positive(), None],
        "bidirectional": ["boolean"],
        "reverse_source": ["boolean"],
        "attention_order": [Number(Integral, 0, 1, closed="both")],
        "monotonic": ["boolean"],
        "input_feeding": ["boolean"],
        "tie_output": ["boolean"],
        "dropout": [Number(Real, 0, 1, closed="left")],
        "pretrained": [BaseEstimator, None],
        "unknown_dropout": [
            Number(Real, 0, 1, closed="left"),
            tuple,
            StrOptions({"auto"}),
        ],
        "encoder_loss_weight": [Number(Real, 0, 1, closed="left")],
        "label_smoothing": [Number(Real, 0, 1, closed="left")],
        "teacher_forcing": [Number(Real, 0, 1, closed="both"), tuple],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "lr_schedule": [
            StrOptions({"constant", "cosine", "inverse_sqrt", "plateau"}),
            HasMethods(["on_train_begin"]),
            callable,
        ],
        "weight_decay": [non_negative(Real)],
        "max_tokens": [positive(), None],
        "gradient_clip": [positive(Real), None],
        "gradient_accumulation_steps": [positive()],
        "warm_start": ["boolean"],
        "max_time": [positive(Real), None],
        "validation_fraction": [Number(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [positive()],
        "tol": [non_negative(Real)],
        "scoring": [str, callable, list, tuple, dict],
        "device": [str, torch.device],
        "precision": [StrOptions(set(PRECISIONS))],
        "checkpoint": [str, HasMethods(["__fspath__"]), None],
        "checkpoint_interval": [positive()],
        "checkpoint_minutes": [positive(Real), None],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
        **DECODING_CONSTRAINTS,
        "batch_size": [positive(), StrOptions({"auto"})],
    }

    def __init__(
        self,
        *,
        source_vectorizer=None,
        target_vectorizer=None,
        hidden_size=192,
        attention="auto",
        copy="auto",
        learning_rate=0.002,
        max_epochs="auto",
        early_stopping=False,
        beam_width=1,
        random_state=None,
        max_source_length=None,
        long_source="error",
        share_embeddings=False,
        source_vectors=None,
        target_vectors=None,
        freeze_vectors=False,
        cell="lstm",
        decoder_cell=None,
        num_layers="auto",
        embedding_size=128,
        bidirectional=True,
        reverse_source=False,
        attention_order=1,
        monotonic=False,
        input_feeding=False,
        tie_output=False,
        dropout=0.3,
        pretrained=None,
        unknown_dropout="auto",
        encoder_loss_weight=0.0,
        label_smoothing=0.1,
        teacher_forcing=1.0,
        optimizer="adam",
        lr_schedule="cosine",
        weight_decay=0.0,
        batch_size="auto",
        max_tokens=None,
        gradient_clip=5.0,
        gradient_accumulation_steps=1,
        warm_start=False,
        max_time=None,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        scoring="loss",
        length_penalty=0.0,
        max_length="auto",
        min_length=0,
        no_repeat_ngram_size=None,
        banned_tokens=None,
        allowed_outputs=None,
        replace_unknown=None,
        min_confidence=0.0,
        abstain=None,
        device="auto",
        precision="float32",
        checkpoint=None,
        checkpoint_interval=1,
        checkpoint_minutes=None,
        callbacks=None,
        verbose=0,
    ):
        self.source_vectorizer = source_vectorizer
        self.target_vectorizer = target_vectorizer
        self.hidden_size = hidden_size
        self.attention = attention
        self.copy = copy
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.beam_width = beam_width
        self.random_state = random_state
        self.max_source_length = max_source_length
        self.long_source = long_source
        self.share_embeddings = share_embeddings
        self.source_vectors = source_vectors
        self.target_vectors = target_vectors
        self.freeze_vectors = freeze_vectors
        self.cell = cell
        self.decoder_cell = decoder_cell
        self.num_layers = num_layers
        self.embedding_size = embedding_size
        self.bidirectional = bidirectional
        self.reverse_source = reverse_source
        self.attention_order = attention_order
        self.monotonic = monotonic
        self.input_feeding = input_feeding
        self.tie_output = tie_output
        self.dropout = dropout
        self.pretrained = pretrained
        self.unknown_dropout = unknown_dropout
        self.encoder_loss_weight = encoder_loss_weight
        self.label_smoothing = label_smoothing
        self.teacher_forcing = teacher_forcing
        self.optimizer = optimizer
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.gradient_clip = gradient_clip
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.warm_start = warm_start
        self.max_time = max_time
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scoring = scoring
        self.length_penalty = length_penalty
        self.max_length = max_length
        self.min_length = min_length
        self.no_repeat_ngram_size = no_repeat_ngram_size
        self.banned_tokens = banned_tokens
        self.allowed_outputs = allowed_outputs
        self.replace_unknown = replace_unknown
        self.min_confidence = min_confidence
        self.abstain = abstain
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.checkpoint_interval = checkpoint_interval
        self.checkpoint_minutes = checkpoint_minutes
        self.callbacks = callbacks
        self.verbose = verbose

    # Learning

    @with_callbacks
    def fit(self, X, y=None, *, sample_weight=None, groups=None, validation_data=None):
        """Learn both vocabularies and train the network.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            The sources, or a `PairCorpus` of both sides. Text: a list, 1-D array,
            pandas or polars column, or, with a `ColumnVectorizer`, a frame. Ids: a
            dense or sparse array of shape (n_samples, width); 0 is not a token.
        y : iterable of str, of lists of str, or array of ids, default=None
            The targets, ids of shape (n_samples,) or (n_samples, width). None makes
            every source its own target: an autoencoder.
        sample_weight : array-like of float, shape (n_samples,), default=None
            How much each pair counts in the loss: 2 equals repeating it, 0 leaving it
            out, except that its tokens are still in the vocabularies.
        groups : array-like, shape (n_samples,) or (n_samples, k), default=None
            Pairs of one group stay on one side of the internal validation split. Pairs
            of several groups are left out if only some of these are held out. None
            means the groups that `PairAugmenter` gave to `X`, if any.
        validation_data : tuple (X, y), default=None
            Pairs to validate on after every epoch, instead of a part of `X` and `y`.

        Returns
        -------
        self : Seq2SeqTransformer
            This estimator, fitted.

        Raises
        ------
        ValueError
            If a row is invalid (the message names it), lengths differ, or parameters
            cannot be combined.

        Warns
        -----
        ConvergenceWarning
            If training was too short to reproduce the training pairs.
        """
        resume = hasattr(self, "net_") and self.warm_start
        extras = {
            "groups": groups_of(X, groups),
            "validation_data": validation_data,
        }
        return self._learn_and_train(resume, X, y, sample_weight, **extras)

    @with_callbacks
    def partial_fit(self, X, y=None, *, sample_weight=None):
        """Train `max_epochs` more on these pairs; "auto" means 30 here.

        The first call learns the vocabularies; new tokens in later calls are unknown,
        and a warning counts them. The optimiser's state is kept between calls, and
        changed parameters of training apply.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            The sources, as for `fit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            The targets, as for `fit`.
        sample_weight : array-like of float, shape (n_samples,), default=None
            As for `fit`.

        Returns
        -------
        self : Seq2SeqTransformer
            This estimator, fitted.

        Raises
        ------
        ValueError
            As `fit`.
        """
        resume = hasattr(self, "net_")
        return self._learn_and_train(resume, X, y, sample_weight, partial=True)

    def _learn_and_train(self, resume, X, y, sample_weight, **extras):
        self._check_parameters()
        with unchanged_on_failure(self):
            # Rows are read twice if a scorer validates on some of them.
            X, y = readable_twice(X), readable_twice(y)
            if hasattr(X, "_pairs_for"):
                rows, targets = None, None
                dataset = self._take_corpus(X, y, resume)
            elif resume:
                rows = self._reader.check_sources(X, self)
                targets = self._reader.check_targets(X if y is None else y)
                dataset = self._reader.pairs(rows, targets)
                self._reader.check_known(rows, targets)
            else:
                rows, targets, dataset = self._learn(X, y)
            pairs = (X, rows), (X if y is None else y, targets)
            self._train(pairs, dataset, sample_weight=sample_weight, **extras)
        return self

    def _check_parameters(self):
        """Validate each parameter, then their combinations."""
        check_names(self)
        self._validate_params()
        check_combinations(self)

    def _learn(self, X, y):
        """Learn how to read pairs; return them, checked, and their data set."""
        start = self._start()
        self._reader, rows, targets, dataset = learn_pairs(
            X,
            y,
            estimator=self,
            source_vectorizer=self.source_vectorizer,
            target_vectorizer=self.target_vectorizer,
            share_embeddings=self.share_embeddings,
            copies=self._copies(start),
            start=None if start is None else start._reader,
        )
        self.source_vectorizer_ = self._reader.source.vectorizer
        self.target_vectorizer_ = self._reader.target.vectorizer
        vars(self).pop("net_", None)
        return rows, targets, dataset

    def _take_corpus(self, corpus, y, resume):
        """Learn how to read a `PairCorpus`, or check it; return its data set."""
        if y is not None:
            raise ValueError("A PairCorpus holds the targets too: call fit(corpus).")
        self._reader, dataset = corpus._pairs_for(self, resume=resume)
        self.source_vectorizer_ = self._reader.source.vectorizer
        self.target_vectorizer_ = self._reader.target.vectorizer
        if not resume:
            for name in ("net_", "n_features_in_", "feature_names_in_"):
                vars(self).pop(name, None)
        return dataset

    def _copies(self, start):
        """Whether the network copies: a bool, or "auto" where the pairs decide."""
        if self.copy != "auto":
            return self.copy
        if self.attention is None:
            return False
        return "auto" if start is None else start._reader.copies is not None

    def _start(self):
        """The fitted estimator to start from, or None."""
        if self.pretrained is None:
            return None
        network = NetworkSettings.of(self)
        return check_pretrained(self.pretrained, network, Seq2SeqTransformer)

    def _train(
        self,
        pairs,
        dataset,
        *,
        sample_weight=None,
        groups=None,
        validation_data=None,
        partial=False,
    ):
        """Train `net_`, which is made if there is none.

        `pairs` are the sources and the targets, each as the user passed them and
        checked; `dataset` holds the same pairs.
        """
        net = getattr(self, "net_", None)
        start = self._start() if net is None else None
        if self.max_source_length != "auto":
            dataset = self._shorten_pairs(pairs[0][1], dataset)
        # The training data determine what "auto" means, and so are read first.
        self._reader = self._reader.having_seen(dataset)
        valid = None
        if validation_data is not None:
            validation_data, valid = self._read_validation_data(validation_data)
            self._reader = self._reader.knowing_empty(valid)
        stopping = StoppingRule.of(self)
        training = Training(
            self._network_settings(net, start, None if partial else dataset),
            OptimizationSettings.of(self),
            stopping.resolved() if partial else stopping,
            RunningSettings.of(self),
            dataset,
            seed=draw_seed(self.random_state),
            sample_weight=sample_weight,
            groups=groups,
            valid=valid,
            identity=self._identity(start),
            net=net if start is None else start.net_,
        )
        decoded = None
        if training.decodes:
            texts = validation_data
            if training.held is not None:
                texts = self._held_out(pairs, training.held)
            decoded = DecodedScore(self.scoring, self._with_net, *texts)
        # A deep copy, so that a failure leaves the fitted net as it was.
        net = self._new_net(training, start) if net is None else copy.deepcopy(net)
        context = self._init_callback_context(
            max_subtasks=int(training.stopping.max_epochs)
        )
        with FitTasks(context, self, pairs[0][0], pairs[1][0]) as tasks:
            training.run(net, decoded, tasks)
            self._take_net(net)
        if not partial and training.processes.is_first:
            training.warn_if_short(net)

    def _held_out(self, pairs, rows):
        """The texts of validation rows that were split off."""
        if pairs[0][1] is None:
            raise ValueError(
                f"scoring={self.scoring!r} compares texts, which a PairCorpus does not "
                "hold. Pass validation_data, or set scoring to 'loss' or "
                "'exact_match'."
            )
        sides = self._reader.source, self._reader.target
        return [
            held_out(*data, side, rows) for data, side in zip(pairs, sides, strict=True)
        ]

    def _network_settings(self, net, start, dataset):
        """Settings of `net`, or of a new network, for which `start` decides "auto".

        A start without attention leaves it to the pairs.
        """
        network = NetworkSettings.of(self)
        if net is not None:
            names = "attention", "input_feeding", "num_layers"
            kept = {name: getattr(net, f"module__{name}") for name in names}
            network = replace(network, **kept)
        elif start is not None:
            before = start.net_.module__attention
            refused = "hard" if self.input_feeding else None
            if network.attention == "auto" and before not in (None, refused):
                network = replace(network, attention=before)
            if network.num_layers == "auto":
                network = replace(network, num_layers=start.net_.module__num_layers)
        n_source, n_target = (longest + 1 for longest in self._reader.longest)
        size = OptimizationSettings.of(self).resolved().batch_size  # of a full batch
        n_emitted = size * n_source * n_target * self._reader.target.size
        copies = self._reader.copies is not None
        return network.resolved(copies, n_emitted, dataset)

    def _read_validation_data(self, validation_data):
        """Validation data that can be read again, and their data set."""
        pair = isinstance(validation_data, (tuple, list))
        if not pair or len(validation_data) != 2:
            kind = type(validation_data).__name__
            raise ValueError(
                "validation_data must be a pair (X, y) of sources and targets; got a "
                f"{kind}{f' of {len(validation_data)}' if pair else ''}."
            )
        X, y = map(readable_twice, validation_data)
        try:
            rows = self._reader.check_sources(X, self)
            targets = self._reader.check_targets(X if y is None else y)
            valid = self._shorten_pairs(rows, self._reader.pairs(rows, targets))
        except ValueError as error:
            raise ValueError(f"In validation_data: {error}") from error
        return (X, X if y is None else y), valid

    def _shorten_pairs(self, rows, dataset):
        """Training pairs with long sources shortened."""
        # Not cut into chunks: which part of a target belongs to which is unknown.
        if self.long_source == "chunk":
            return dataset
        limits = {"limit": self.max_source_length, "long_source": self.long_source}
        (dataset,), _ = shorten([self._reader], rows, [dataset], **limits)
        return dataset

    def _identity(self, start):
        """What determines a training beside its rows and initial weights, by name."""
        beside = {*RunningSettings.__dataclass_fields__, "pretrained"}
        params = self.get_params(deep=False)
        # Without a seed, or with numpy's global state, each fit draws a new one.
        if any(self.random_state is x for x in (None, np.random.mtrand._rand)):
            params["random_state"] = "drawn"
        models = [model for model in (self, start) if model is not None]
        sides = [
            side
            for model in models
            for side in (model._reader.source, model._reader.target)
        ]
        return {
            f"parameter {name}": plain(value)
            for name, value in params.items()
            if name not in beside
        } | {
            "tokens": [
                getattr(side.vectorizer, "vocabulary_", side.size) for side in sides
            ]
        }

    def _take_net(self, net):
        """Take a trained net, and set the attributes that follow from it."""
        self.net_ = net
        self.history_ = net.history
        self.n_iter_ = len(net.history)
        last = net.history[-1] if net.history else vars(net)
        # Old files lack both.
        self.max_epochs_ = last.get("max_epochs", self.n_iter_)
        self.batch_size_ = last.get("batch_size", net.batch_size)
        self.num_layers_ = net.module__num_layers
        self.attention_ = net.module__attention
        self.copy_ = net.module__copy
        self.n_parameters_ = sum(w.numel() for w in net.module_.parameters())

    def _new_net(self, training, start):
        source, target = self._reader.source, self._reader.target
        net = make_net(
            training.network,
            training.optimization,
            source_size=source.size,
            target_size=target.size,
            seed=training.seed,
        )
        start_from_counts(net, training.dataset)
        if start is not None:
            take_weights(
                net.module_,
                start.net_.module_,
                (source, start._reader.source),
                (target, start._reader.target),
            )
        self._load_vectors(net)
        factor = 2 if net.module_.decoder_cell == "lstm" else 1
        self._n_features_out = (
            factor * training.network.num_layers * training.network.hidden_size
        )
        return net

    def _load_vectors(self, net):
        for name in ("source", "target"):
            side, parameter = getattr(self._reader, name), f"{name}_vectors"
            vectors = getattr(self, parameter)
            if vectors is not None:
                ids, matrix = vectors_by_id(
                    vectors, side, self.embedding_size, parameter
                )
                load_vectors(net, name, ids, matrix, self.freeze_vectors)

    def _with_net(self, net):
        """Make a fitted estimator from a net in training, for a scorer."""
        fitted = copy.copy(self)
        fitted.net_ = net
        fitted._in_training = True
        return fitted

    def _fitted_model(self):
        """What decoding needs of this estimator."""
        member = Member(self, self.net_.module_, self._reader)
        return FittedModel([member], quiet=getattr(self, "_in_training", False))

    # Predicting

    def transform(self, X):
        """Encode each source into the fixed-length vector that the decoder starts from.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.

        Returns
        -------
        vectors : ndarray of float32, shape (n_samples, n_features_out)
            The decoder's first hidden state, layer by layer; for an LSTM followed by
            its cell state.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a row is invalid, or would be read in chunks.
        """
        model, params = self._to_decode()
        rows = self._reader.check_sources(X, self)
        dataset = self._reader.dataset(self._reader.read_sources(rows)[0])
        (dataset,), _ = params.shorten(model, rows, [dataset], whole="transform")
        return _inference.encode(
            self.net_.module_, dataset, batch_size=params.batch_size
        )

    @_WithoutAttention
    def inverse_transform(self, X):
        """Decode fixed-length vectors greedily; exists only with ``attention=None``.

        Parameters
        ----------
        X : array-like of float, shape (n_samples, n_features_out)
            Vectors of `transform`, or made from them.

        Returns
        -------
        y : ndarray, shape (n_samples,) or (n_samples, width)
            Targets, of the kind given to `fit`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the vectors are not of the length of `transform`'s, or not finite.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=np.float32)
        if X.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {X.shape[1]} features, but inverse_transform expects the "
                f"{self._n_features_out} of transform's vectors."
            )
        model, params = self._to_decode()
        n_source = [np.array([self._reader.longest[0]])]
        limit = int(params.limits(model, n_source)[0])
        tokens = _inference.decode_vectors(
            self.net_.module_,
            X,
            limit=limit,
            batch_size=params.batch_size,
            width=max(self._reader.target.width, limit),
        )
        return self._reader.target.write(tokens)

    def attention_weights(self, X, y=None):
        """Attention weights over the source, for each position of the target.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            Their targets; None means the predicted ones.

        Returns
        -------
        list of ndarray of float32, shape (n_target_tokens + 1, n_source_tokens + 1)
            In the order of `X`. Rows sum to 1; the last row and column are the ends.
            If `long_source` truncates, only the source tokens that are read count.

        Raises
        ------
        ValueError
            If the network has no attention.
        """
        model, params = self._to_decode()
        network, reader = self.net_.module_, self._reader
        if network.decoder.attention is None:
            raise ValueError(
                "attention_weights needs a network with attention; this one was fitted "
                "with attention=None."
            )
        if y is None:
            found = decode(model, params, X, whole="attention_weights")
            (data,) = found.datasets
            target = found.decoded.best
            dataset = reader.dataset(data.source, target, data.copies)
        else:
            rows = reader.check_sources(X, self)
            dataset = reader.pairs(rows, reader.check_targets(y))
            (dataset,), _ = params.shorten(
                model, rows, [dataset], whole="attention_weights"
            )
        return _inference.attention_weights(
            network, dataset, batch_size=params.batch_size
        )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    def _sk_visual_block_(self):
        """What a notebook shows: the vectorizers and the sizes of what was learned."""
        parts = {
            "source_vectorizer": self.source_vectorizer,
            "target_vectorizer": self.target_vectorizer,
        }
        if hasattr(self, "net_"):
            sides = (self._reader.source, self._reader.target)
            parts = {
                f"{name}_: vocabulary of {side.size:,}": side.vectorizer or "token ids"
                for name, side in zip(parts, sides, strict=True)
            }
            parts[f"net_: {self.n_parameters_:,} parameters"] = (
                f"{self.net_.module__cell} encoder-decoder, {self.n_iter_} of "
                f"{self.max_epochs_} epochs in batches of {self.batch_size_}"
            )
        parts = {name: part for name, part in parts.items() if part is not None}
        kind = "parallel" if parts else "single"
        return _VisualBlock(
            kind,
            list(parts.values()) or self,
            names=list(parts) or type(self).__name__,
            name_details=list(map(str, parts.values())) or str(self),
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        tags.transformer_tags.preserves_dtype = []
        return tags
