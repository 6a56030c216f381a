"""
A small service
===============

Sources in, targets out, over HTTP, with nothing but the standard library::

    python examples/serving.py model.s2s --port 8000
    curl localhost:8000/predict -d '{"sources": ["knight", "night"]}'

Every connection has a thread, and one more thread predicts: what arrives while a batch
is under way makes the next batch, so that many clients cost little more than one and a
single client never waits. ``docs/guide/serving.md`` says what is measured of it.
"""

import argparse
import json
import os
import queue
import threading
from concurrent.futures import Future
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Of one request; whatever is larger is refused before it costs anything.
MOST_BYTES = 1_000_000
MOST_SOURCES = 256
MOST_CHARACTERS = 1000


class Batcher:
    """Predict for many threads at once.

    Parameters
    ----------
    predict : callable
        From a list of sources to as many targets.
    most_rows : int, default=256
        Sources of a batch, unless a single request has more.
    most_waiting : int, default=1024
        Requests that may wait; others get `queue.Full`.
    """

    def __init__(self, predict, most_rows=256, most_waiting=1024):
        self.predict = predict
        self.most_rows = most_rows
        self.waiting = queue.Queue(most_waiting)
        threading.Thread(target=self._run, daemon=True).start()

    def __call__(self, sources):
        """Targets of the sources of one request, as a list."""
        future = Future()
        self.waiting.put_nowait((sources, future))
        return future.result()

    def _run(self):
        while True:
            requests = [self.waiting.get()]
            n_rows = len(requests[0][0])
            while n_rows < self.most_rows and not self.waiting.empty():
                requests.append(self.waiting.get())
                n_rows += len(requests[-1][0])
            self._answer(requests)

    def _answer(self, requests):
        rows = [source for sources, _ in requests for source in sources]
        try:
            targets = iter(list(self.predict(rows)))
        except Exception as error:
            if len(requests) == 1:
                requests[0][1].set_exception(error)
            else:  # one of them is wrong, and the others need not know
                for request in requests:
                    self._answer([request])
            return
        for sources, future in requests:
            future.set_result([next(targets) for _ in sources])


class Handler(BaseHTTPRequestHandler):
    """Answers ``POST /predict`` and ``GET /health``."""

    protocol_version = "HTTP/1.1"  # one connection, many requests
    timeout = 60  # seconds until a silent client's thread is free again
    # An answer leaves at once, and whole.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        known = self.path == "/health"
        self._send(*((200, {"status": "ok"}) if known else self._unknown()))

    def do_POST(self):
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > MOST_BYTES:
            # What is not read would be taken for the next request.
            self.close_connection = True
            return self._send(
                413, {"error": f"Content-Length must be at most {MOST_BYTES}."}
            )
        body = self.rfile.read(int(size))
        if self.path != "/predict":
            return self._send(*self._unknown())
        try:
            targets = self.server.predict(read_sources(body))
        except queue.Full:
            return self._send(503, {"error": "Too many requests are waiting."})
        except ValueError as error:
            return self._send(400, {"error": str(error)})
        except Exception as error:
            return self._send(500, {"error": type(error).__name__})
        return self._send(200, {"targets": targets})

    def _unknown(self):
        return 404, {"error": f"There is no {self.path}; try /predict or /health."}

    def _send(self, status, answer):
        data = json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        """Keep no log of every request."""


def read_sources(body):
    """Sources of a request's body; a ValueError if it is not what it must be."""
    document = json.loads(body)
    sources = document.get("sources") if isinstance(document, dict) else None
    if not (
        isinstance(sources, list)
        and 1 <= len(sources) <= MOST_SOURCES
        and all(isinstance(source, str) for source in sources)
        and max(map(len, sources)) <= MOST_CHARACTERS
    ):
        raise ValueError(
            f'The body must be {{"sources": [...]}} with 1 to {MOST_SOURCES} strings '
            f"of at most {MOST_CHARACTERS} characters."
        )
    return sources


class Server(ThreadingHTTPServer):
    """The service.

    Parameters
    ----------
    address : tuple of str and int
    predict : callable
        From a list of sources to a list of targets, for any thread.
    """

    request_queue_size = 256  # connections that wait to be accepted

    def __init__(self, address, predict):
        super().__init__(address, Handler)
        self.predict = predict


def main(argv=None):
    parser = argparse.ArgumentParser(description="Serve a saved model over HTTP.")
    parser.add_argument("model", help="a file of save, or of export_onnx with --onnx")
    parser.add_argument(
        "--onnx", action="store_true", help="run without torch and scikit-learn"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free one")
    parser.add_argument("--batch", type=int, default=256, help="most sources at once")
    args = parser.parse_args(argv)
    # oneDNN keeps what it prepares for the shape of a batch, of 1024 shapes if not told
    # otherwise: 50 MB that grow for tens of thousands of requests.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")
    if args.onnx:
        from sklearn_seq2seq.runtime import load
    else:
        from sklearn_seq2seq import load
    model = load(args.model)
    model.predict(["warm up"])
    with Server((args.host, args.port), Batcher(model.predict, args.batch)) as server:
        print("http://{}:{}".format(*server.server_address), flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
