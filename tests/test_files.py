"""What stands at the path of a file: links, modes, pipes, full disks."""

import errno
import os
import stat
import threading

import pytest

from sklearn_seq2seq import ModelFileError, SequenceVectorizer, load, save
from sklearn_seq2seq._files import read_whole, write_whole


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.model"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o444, 0o664])
def test_a_file_that_is_replaced_keeps_its_mode(bits, path):
    path.write_bytes(b"old")
    path.chmod(bits)
    save(SequenceVectorizer(), path)
    assert mode(path) == bits
    load(path)


def test_nobody_else_can_read_a_private_file_while_it_is_written(path, monkeypatch):
    path.write_bytes(b"old")
    path.chmod(0o600)
    seen = []

    def look(handle):
        seen.extend(mode(part) for part in path.parent.glob(".*.part"))

    monkeypatch.setattr(os, "fsync", look)
    write_whole(path, b"new")
    assert seen == [0o600]


@pytest.mark.skipif(not hasattr(os, "chown"), reason="files have no owner on Windows")
def test_a_file_keeps_its_owner(path):
    path.write_bytes(b"old")
    # Root may give a file to anyone, others to any of their own groups.
    owner = (12345, 54321) if os.geteuid() == 0 else (os.geteuid(), min(os.getgroups()))
    os.chown(path, *owner)
    write_whole(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == owner


def test_a_link_stays_and_what_it_points_to_is_replaced(path):
    path.parent.joinpath("models").mkdir()
    real = path.parent / "models" / "real.model"
    second = path.parent / "second"
    path.symlink_to("models/real.model")
    second.symlink_to(path)
    for link in (path, second):
        save(SequenceVectorizer(), link)
        assert link.is_symlink()
        assert not real.is_symlink()
        load(link)
    assert os.listdir(real.parent) == ["real.model"]


@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "folder"])
def test_nothing_but_a_file_is_replaced(kind, path):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = path.parent / os.path.relpath(os.devnull, path.parent)
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.mkdir()
    before = path.lstat().st_mode
    with pytest.raises(OSError, match=r"file|directory") as caught:
        save(SequenceVectorizer(), path)
    assert caught.value.filename == str(path)
    assert path.lstat().st_mode == before


@pytest.mark.parametrize("written_to", [False, True])
def test_a_pipe_is_refused_at_once(written_to, path):
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR) if written_to else None
    ended = []

    def read():
        with pytest.raises(ModelFileError, match="not a regular file"):
            load(path)
        vectorizer = SequenceVectorizer(analyzer="subword", tokenizer=path)
        with pytest.raises(ValueError, match="not a regular file"):
            vectorizer.fit(["ab"])
        ended.append(True)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(20)
    assert ended
    if written_to:
        os.close(writer)


def test_names_of_the_greatest_length(tmp_path):
    for name in ("a" * 255, "\U0001f600" * 63, "a" * 251 + ".mod"):
        write_whole(tmp_path / name, b"x")
        assert read_whole(tmp_path / name) == b"x"
    assert len(os.listdir(tmp_path)) == 3


@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_is_named_and_leaves_nothing(exists, path):
    resource = pytest.importorskip("resource")
    if exists:
        path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="large") as caught:
            save(SequenceVectorizer(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert str(caught.value).endswith(f": {str(path)!r}")
    assert os.listdir(path.parent) == (["a.model"] if exists else [])
    assert not exists or path.read_bytes() == b"old"
    save(SequenceVectorizer(), path)
    load(path)


def test_a_folder_that_cannot_be_flushed_is_no_failure(path, monkeypatch):
    flush = os.fsync

    def refuse(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        flush(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    write_whole(path, b"x")
    assert path.read_bytes() == b"x"
