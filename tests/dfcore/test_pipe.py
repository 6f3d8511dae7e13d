"""Messages and errors between processes: whole, in order, and with their origin."""

import os
import pickle
import threading

import numpy as np
import pytest

from dfcore.errors import NodeFailed
from dfcore.pipe import Inbox, RemoteError, pack_error, pipe, receive, send, unpack_error


@pytest.fixture
def ends():
    """Reading and writing end of a pipe, closed afterwards."""
    reader, writer = pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            pass  # the test closed it


MESSAGES = [("ready", {}), None, b"", "x" * 70_000, {"a": [1.5, (2,)]}, lambda x: x + 1]


def test_messages_arrive_whole_and_in_order(ends):
    """What was sent is what is received, lambdas included."""
    reader, writer = ends
    for message in MESSAGES:
        send(writer, message)
    received = [receive(reader) for _ in MESSAGES]
    assert MESSAGES[:-1] == received[:-1]
    assert 4 == received[-1](3)


def test_message_larger_than_the_pipe(ends):
    """Sending blocks until somebody reads; nothing is cut."""
    reader, writer = ends
    data = np.arange(1_000_000)
    sender = threading.Thread(target=send, args=(writer, data))
    sender.start()
    received = receive(reader)
    sender.join()
    assert (data == received).all()


def test_writer_gone_is_an_end_and_not_a_message(ends):
    """A pipe that ends inside a message says how much of it is missing."""
    reader, writer = ends
    os.write(writer, b"\x40" + bytes(7) + b"abc")
    os.close(writer)
    with pytest.raises(EOFError, match="needed 64 bytes, was the end of the pipe after 3"):
        receive(reader)


def test_inbox_never_blocks(ends):
    """Half a message is kept until the other half is there."""
    reader, writer = ends
    inbox = Inbox(reader)
    assert [] == list(inbox.read())
    body = pickle.dumps("hello")
    whole = len(body).to_bytes(8, "little") + body
    os.write(writer, whole + whole[:11])
    assert ["hello"] == list(inbox.read())
    assert [] == list(inbox.read())
    os.write(writer, whole[11:])
    assert ["hello"] == list(inbox.read())
    assert not inbox.ended


def test_inbox_reads_what_was_sent_before_the_end(ends):
    """The last words of a process that is gone are read, then the end is seen."""
    reader, writer = ends
    inbox = Inbox(reader)
    send(writer, "last words")
    os.close(writer)
    assert ["last words"] == list(inbox.read())
    assert inbox.ended
    inbox.close()
    inbox.close()


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """`error` with a traceback."""
    try:
        raise error from cause
    except BaseException as caught:  # noqa: BLE001 - whichever it is
        return caught


class Picky(Exception):
    """Cannot be made from its `args`."""

    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


def test_an_error_keeps_type_arguments_and_origin():
    """The exception that arrives is the one that was raised, with the place it came from."""
    error = unpack_error(pickle.loads(pickle.dumps(pack_error(raised(KeyError("k", 3))))), "context 'io', process 12")
    assert KeyError is type(error)
    assert ("k", 3) == error.args
    assert "in context 'io', process 12" in error.__notes__[0]
    assert "test_pipe.py" in error.__notes__[0]
    assert "raise error from cause" in error.__notes__[0]


def test_a_cause_travels_too():
    """NodeFailed arrives with its attributes, its cause, and the note on the cause."""
    failed = raised(NodeFailed("mixer: failed", node="mixer", firing=3), raised(ValueError("bad")))
    error = unpack_error(pack_error(failed), "context 'io'")
    assert ("mixer", 3, "compute") == (error.node, error.firing, error.method)
    assert "bad" == str(error.__cause__)
    assert ValueError is type(error.__cause__)
    assert not hasattr(error, "__notes__")
    assert 1 == len(error.__cause__.__notes__)


@pytest.mark.parametrize("error", [raised(Picky(1, 2)), raised(ValueError(threading.Lock()))])
def test_an_error_that_cannot_be_pickled_keeps_its_words(error):
    """Type name, message and traceback arrive whatever the exception holds."""
    arrived = unpack_error(pack_error(error), "context 'io'")
    assert RemoteError is type(arrived)
    assert f"{type(error).__qualname__}: {error}" == str(arrived)
    assert "test_pipe.py" in arrived.__notes__[0]
