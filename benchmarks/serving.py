"""A service under load, on this machine alone.

    python -m benchmarks.serving

trains a model (or takes ``--model``), starts ``examples/serving.py`` with it in another
process, and sends it words from 1, 8 and 64 clients that each wait for an answer before
they ask again. Every answer is compared with what the model predicts here. A line for
each: requests a second, latency, wrong answers, and the server's resident memory at the
beginning, halfway and at the end. Then the same for the model exported to ONNX, which
needs the extra ``onnx``; and for the ratio without batches, a fifth as long.
"""

import argparse
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from sklearn_seq2seq import (
    Seq2SeqTransformer,
    SequenceVectorizer,
    export_onnx,
    load,
)
from sklearn_seq2seq.datasets import load_pronunciations

SERVICE = Path(__file__).parents[1] / "examples" / "serving.py"
ROUNDS = {1: 1000, 8: 4000, 64: 10_000}  # clients: requests


def train(path, n_words=3000, **params):
    """Save a model of pronunciations and return words that it has not seen."""
    X, y = load_pronunciations(n_words=2 * n_words, random_state=0, return_X_y=True)
    model = Seq2SeqTransformer(
        target_vectorizer=SequenceVectorizer(analyzer="word"),
        random_state=0,
        **{"max_epochs": 5} | params,
    )
    model.fit(X[:n_words], y[:n_words]).save(path)
    return X[n_words:].tolist()


@contextmanager
def serving(path, *options):
    """Start the service with a model; ``(process, host, port)``."""
    command = [sys.executable, "-W", "ignore", SERVICE, path, "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = urlsplit(process.stdout.readline().strip())
        yield process, address.hostname, address.port
    finally:
        process.terminate()
        process.communicate()


def ask(connection, sources):
    """One request; ``(status, answer)``."""
    connection.request("POST", "/predict", json.dumps({"sources": sources}))
    response = connection.getresponse()
    return response.status, json.loads(response.read())


class Load:
    """Clients that ask a service, each in a thread of its own.

    Parameters
    ----------
    host, port : str, int
    expected : dict of str to str
        The right answer for each word.

    Attributes
    ----------
    latencies : list of float
        In seconds, of every request.
    n_wrong : int
        Answers that were not what was expected.
    """

    def __init__(self, host, port, expected):
        self.address = host, port
        self.expected = expected
        self.words = list(expected)
        self.latencies, self.n_wrong = [], 0
        self._lock = threading.Lock()

    def run(self, n_clients, n_requests):
        """Send so many requests; return the seconds that took."""
        each, more = divmod(n_requests, n_clients)
        threads = [
            threading.Thread(target=self._client, args=(k, each + (k < more)))
            for k in range(n_clients)
        ]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    def _client(self, seed, n_requests):
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        draw = random.Random(seed)
        latencies, n_wrong = [], 0
        for _ in range(n_requests):
            word = draw.choice(self.words)
            start = time.perf_counter()
            answer = ask(connection, [word])
            latencies.append(time.perf_counter() - start)
            n_wrong += answer != (200, {"targets": [self.expected[word]]})
        connection.close()
        with self._lock:
            self.latencies += latencies
            self.n_wrong += n_wrong


def resident(process):
    """Resident memory of another process, in MB; None where /proc has no such file."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    except OSError:
        return None
    (kib,) = [line.split()[1] for line in status.splitlines() if "VmRSS" in line]
    return int(kib) * 1024 / 1e6


def measure(service, expected, n_clients, n_requests):
    """Load a running service: a line of the table, as a dict."""
    process, *address = service
    Load(*address, expected).run(n_clients, n_requests // 10)
    load, seconds, memory = Load(*address, expected), 0.0, [resident(process)]
    for half in (n_requests // 2, n_requests - n_requests // 2):
        seconds += load.run(n_clients, half)
        memory.append(resident(process))
    n = len(load.latencies)
    return {
        "clients": n_clients,
        "requests": n,
        "per_second": n / seconds,
        "median_ms": 1e3 * median(load.latencies),
        "p99_ms": 1e3 * quantiles(load.latencies, n=100)[98],
        "wrong": load.n_wrong,
        "memory": memory,
    }


def line(name, row):
    """One line of the table."""
    cells = "{clients:>8}{requests:>10,}{per_second:>12,.0f}{median_ms:>10.1f}"
    cells = (cells + "{p99_ms:>8.1f}{wrong:>7}  ").format(**row)
    memory = ", ".join("" if mb is None else f"{mb:.0f}" for mb in row["memory"])
    return f"{name:<16}{cells}{memory}"


def main(argv=None):
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--model", type=Path, help="a saved model that reads words")
    parser.add_argument("--words", type=Path, help="words for it, one a line")
    parser.add_argument(
        "--quick", action="store_true", help="few requests; shows that all works"
    )
    args = parser.parse_args(argv)
    if (args.model is None) != (args.words is None):
        parser.error("--model and --words go together")
    names = ("clients", "requests", "requests/s", "median ms", "p99 ms", "wrong")
    print("{:<16}{:>8}{:>10}{:>12}{:>10}{:>8}{:>7}  memory MB".format("", *names))
    rows = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of outputs that did not end
        path = args.model or Path(folder) / "model.s2s"
        if args.model is None:
            sizes = {"n_words": 100, "max_epochs": 1} if args.quick else {}
            words = train(path, **sizes)
        else:
            words = args.words.read_text("utf-8").split("\n")[:-1]
        expected = dict(zip(words, load(path).predict(words).tolist(), strict=True))
        ways = [
            ("in batches", path, 1, ()),
            ("exported", Path(folder) / "model.onnx.zip", 1, ("--onnx",)),
            ("one by one", path, 5, ("--batch", "1")),
        ]
        if not args.quick:
            export_onnx(load(path), ways[1][1])
        for name, file, fewer, options in ways[: 1 if args.quick else 3]:
            with serving(file, *options) as service:
                for n_clients, n_requests in ROUNDS.items():
                    n_requests //= 50 if args.quick else fewer
                    row = measure(service, expected, n_clients, n_requests)
                    rows.append({"name": name, **row})
                    print(line(name, row), flush=True)
    return rows


if __name__ == "__main__":
    main()
