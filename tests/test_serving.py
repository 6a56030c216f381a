"""The service of the guide: right answers to many at once, errors to the wrong."""

import http.client
import importlib.util
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import serving as benchmark

PATH = Path(__file__).parents[1] / "examples" / "serving.py"
_spec = importlib.util.spec_from_file_location("serving", PATH)
service = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(service)


@contextmanager
def serving(predict, **options):
    """The service in a thread: its address."""
    batcher = service.Batcher(predict, **options)
    with service.Server(("127.0.0.1", 0), batcher) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address
        finally:
            server.shutdown()
            thread.join()


def ask(address, body, path="/predict", method="POST"):
    connection = http.client.HTTPConnection(*address, timeout=30)
    connection.request(method, path, body)
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


@pytest.mark.filterwarnings("ignore:.*ended by max_length")
def test_many_clients_get_their_own_answers(fitted, words):
    batches = []

    def predict(sources):
        batches.append(len(sources))
        return fitted.predict(sources)

    expected = dict(zip(words, fitted.predict(words).tolist(), strict=True))
    with serving(predict, most_rows=8) as address:
        load = benchmark.Load(*address, expected)
        load.run(n_clients=16, n_requests=401)
    assert len(load.latencies) == 401
    assert load.n_wrong == 0
    assert sum(batches) == 401
    assert 1 < max(batches) <= 8


@pytest.mark.filterwarnings("ignore:.*ended by max_length")
def test_threads_do_not_disturb_one_another(fitted, words):
    expected = fitted.predict(words).tolist() * 3
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda word: fitted.predict([word])[0], words * 3)
        assert list(found) == expected


def test_a_request_may_have_several_sources():
    with serving(lambda rows: [row[::-1] for row in rows]) as address:
        body = json.dumps({"sources": ["ab", "", "ß\ud800"]})
        assert ask(address, body) == (200, {"targets": ["ba", "", "?ß"]})
        assert ask(address, None, "/health", "GET") == (200, {"status": "ok"})


def test_a_wrong_request_does_not_spoil_the_batch():
    begun, go_on = threading.Event(), threading.Event()

    def predict(sources):
        begun.set()
        assert go_on.wait(30)
        if "wrong" in sources:
            raise ValueError(f"Row {sources.index('wrong')} of X is wrong.")
        if "broken" in sources:
            raise RuntimeError("secret")
        return [source.upper() for source in sources]

    answers = {}

    def client(*sources):
        answers[sources] = ask(address, json.dumps({"sources": sources}))

    with serving(predict) as address:
        requests = [("first",), ("a",), ("b", "wrong"), ("broken",), ("c", "d")]
        clients = [threading.Thread(target=client, args=r) for r in requests]
        clients[0].start()
        assert begun.wait(30)  # the others wait together
        for thread in clients[1:]:
            thread.start()
        go_on.set()
        for thread in clients:
            thread.join()
    assert answers == {
        ("first",): (200, {"targets": ["FIRST"]}),
        ("a",): (200, {"targets": ["A"]}),
        ("b", "wrong"): (400, {"error": "Row 1 of X is wrong."}),
        ("broken",): (500, {"error": "RuntimeError"}),
        ("c", "d"): (200, {"targets": ["C", "D"]}),
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        (b"\xff", 400),
        ("[]", 400),
        ('{"sources": []}', 400),
        ('{"sources": "ab"}', 400),
        ('{"sources": ["ab", 3]}', 400),
        (json.dumps({"sources": ["a"] * 257}), 400),
        (json.dumps({"sources": ["a" * 1001]}), 400),
    ],
)
def test_wrong_bodies_are_refused(body, status):
    with serving(None) as address:
        got, answer = ask(address, body)
    assert got == status
    assert list(answer) == ["error"]


def test_other_requests_are_refused():
    with serving(None) as address:
        assert ask(address, "{}", "/other")[0] == 404
        assert ask(address, None, "/", "GET")[0] == 404
        # Refused before the body is read, which a client may still be sending.
        for length in (b"", b"Content-Length: 1000001\r\n"):
            with socket.create_connection(address, timeout=30) as client:
                client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\n%b\r\n" % length)
                assert b" 413 " in client.recv(1000)


def test_too_many_waiting_requests_are_refused():
    begun, go_on = threading.Event(), threading.Event()

    def predict(sources):
        begun.set()
        assert go_on.wait(30)
        return sources

    batcher = service.Batcher(predict, most_waiting=1)
    clients = [threading.Thread(target=batcher, args=(["a"],)) for _ in range(2)]
    clients[0].start()
    assert begun.wait(30)
    clients[1].start()
    while not batcher.waiting.full():
        pass
    with pytest.raises(service.queue.Full):
        batcher(["b"])
    go_on.set()
    for thread in clients:
        thread.join()


def test_benchmark_of_the_service(fitted, words, tmp_path, capsys):
    fitted.save(tmp_path / "model.s2s")
    (tmp_path / "words").write_text("".join(f"{word}\n" for word in words))
    files = ["--model", tmp_path / "model.s2s", "--words", tmp_path / "words"]
    rows = benchmark.main([*map(str, files), "--quick"])
    assert [row["clients"] for row in rows] == [1, 8, 64]
    assert [row["requests"] for row in rows] == [20, 80, 200]
    assert all(row["wrong"] == 0 for row in rows)
    assert all(row["per_second"] > 0 and row["p99_ms"] > 0 for row in rows)
    assert len(capsys.readouterr().out.splitlines()) == 4
