"""The life of a stream: one suite, two libraries, the simulated PortAudio and the real one."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

CALLS = 3  # after which the callbacks of these tests end their stream
ENDINGS = {"stop": "CallbackStop", "abort": "CallbackAbort"}


class Life:
    """A stream, how often its callbacks were called, and by which threads."""

    def __init__(self, card, kind="InputStream", ending=None):
        self.calls, self.finished, self.threads = 0, 0, set()
        self.ended, self.called = threading.Event(), threading.Event()
        self._ending = ending
        self.stream = card.open(kind, self._callback, finished_callback=self._finish)

    def _callback(self, *arguments):
        self.calls += 1
        self.threads.add(threading.get_ident())
        arguments[0][:] = 0
        self.called.set()
        if self.calls == CALLS and self._ending is not None:
            raise self._ending

    def _finish(self):
        self.finished += 1
        self.threads.add(threading.get_ident())
        self.ended.set()

    @property
    def state(self):
        return {name for name in ("active", "stopped", "closed") if getattr(self.stream, name)}


@pytest.fixture(params=["InputStream", "OutputStream"])
def kind(request):
    """A stream in either direction."""
    return request.param


def test_an_open_stream_is_stopped_and_has_a_time(card, kind):
    """Opened: not active, stopped; `time` is valid; nobody was called."""
    life = Life(card, kind)
    assert life.state == {"stopped"}
    assert isinstance(life.stream.time, float)
    assert life.stream.time > 0
    card.go_on()
    assert (life.calls, life.finished) == (0, 0)


def test_a_started_stream_is_active(card, kind):
    """Started: active, not stopped; its callback is called; starting it again is ignored."""
    life = Life(card, kind)
    life.stream.start()
    assert life.state == {"active"}
    card.wait(life.called)
    life.stream.start()
    assert life.state == {"active"}
    assert life.finished == 0


def test_time_goes_on_whether_or_not_a_stream_runs(card):
    """`time` grows from the opening of a stream to its closing."""

    def measure():
        stream = card.open("InputStream", lambda *_: None)
        times = []
        for step in (card.go_on, stream.start, card.go_on, stream.stop, card.go_on):
            times.append(stream.time)
            step()
        times.append(stream.time)
        return times == sorted(times) and times[0] < times[1] and times[2] < times[3] and times[4] < times[5]

    card.expect(True, measure)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_callback_can_end_its_stream(card, kind, ending):
    """After CallbackStop or CallbackAbort: neither active nor stopped; `finished_callback` called once, by another thread than
    the program's, the callback no more."""
    life = Life(card, kind, getattr(card.sd, ENDINGS[ending]))
    life.stream.start()
    card.wait(life.ended)
    assert life.state == set()
    card.go_on()
    assert (life.calls, life.finished) == (CALLS, 1)
    assert threading.get_ident() not in life.threads


def test_an_error_in_a_callback_ends_its_stream(card, kind, monkeypatch):
    """As CallbackAbort, and the error is reported as one that nobody can catch."""
    errors = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: errors.append(report.exc_type))
    life = Life(card, kind, KeyError("a bug"))
    life.stream.start()
    card.wait(life.ended)
    assert life.state == set()
    card.go_on()
    assert (life.calls, life.finished) == (CALLS, 1)
    assert errors == [KeyError]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stream_that_has_ended_is_stopped_by_stop(card, ending):
    """stop() after the end: stopped, and `finished_callback` is not called again."""
    life = Life(card, ending=getattr(card.sd, ENDINGS[ending]))
    life.stream.start()
    card.wait(life.ended)
    life.stream.stop(ignore_errors=False)
    assert life.state == {"stopped"}
    assert life.finished == 1


@pytest.mark.parametrize("end", ["stop", "abort"])
def test_a_running_stream_can_be_ended(card, kind, end):
    """stop() and abort(): stopped, `finished_callback` was called once, the callback is called no more."""
    life = Life(card, kind)
    life.stream.start()
    card.wait(life.called)
    getattr(life.stream, end)()
    assert life.state == {"stopped"}
    assert life.finished == 1
    calls = life.calls
    card.go_on()
    assert (life.calls, life.finished) == (calls, 1)


@pytest.mark.parametrize("end", ["stop", "abort"])
def test_ending_twice_is_an_error_that_is_ignored(card, end):
    """A stream that is stopped cannot be stopped: -9983, if asked for."""
    life = Life(card)
    getattr(life.stream, end)()
    with pytest.raises(card.sd.PortAudioError, match="Stream is stopped") as caught:
        getattr(life.stream, end)(ignore_errors=False)
    assert caught.value.args[1] == -9983
    assert life.finished == 0


def test_closing_a_running_stream_ends_it(card, kind):
    """close() while active: as abort(), and `finished_callback` is called."""
    life = Life(card, kind)
    life.stream.start()
    card.wait(life.called)
    life.stream.close(ignore_errors=False)
    assert life.state == {"stopped", "closed"}
    assert life.finished == 1
    calls = life.calls
    card.go_on()
    assert life.calls == calls


def test_closing_a_stopped_stream_says_nothing(card):
    """close() of a stream that was never started does not call `finished_callback`."""
    life = Life(card)
    life.stream.close()
    assert life.state == {"stopped", "closed"}
    assert life.finished == 0


@pytest.mark.parametrize("end", ["stop", "abort", "CallbackStop"])
def test_a_stopped_stream_can_be_started_again(card, end):
    """It runs as before, and finishes again."""
    life = Life(card, ending=card.sd.CallbackStop if end == "CallbackStop" else None)
    life.stream.start()
    card.wait(life.ended if end == "CallbackStop" else life.called)
    getattr(life.stream, "abort" if end == "abort" else "stop")()
    life.called.clear()
    life.stream.start()
    card.wait(life.called)
    assert life.state == {"active"}
    life.stream.stop()
    assert life.state == {"stopped"}
    assert life.finished == 2


def test_an_ended_stream_must_be_stopped_before_it_starts(card):
    """A stream that its callback ended is not stopped: start() is ignored, and it stays ended."""
    life = Life(card, ending=card.sd.CallbackStop)
    life.stream.start()
    card.wait(life.ended)
    life.stream.start()
    card.go_on()
    assert life.state == set()
    assert life.calls == CALLS


def test_a_block_starts_stops_and_closes(card):
    """A stream is a context manager."""
    life = Life(card)
    with life.stream as stream:
        assert stream is life.stream
        assert life.state == {"active"}
        card.wait(life.called)
    assert life.state == {"stopped", "closed"}
    assert life.finished == 1


def test_a_stream_knows_what_it_is(card):
    """What it was opened with, as PortAudio took it."""
    stream = card.open("RawStream", lambda *_: None, dtype=("int24", "float32"), channels=(1, 2), blocksize=480)
    assert stream.samplerate == card.rate
    assert stream.blocksize == 480
    assert stream.channels == (1, 2)
    assert stream.dtype == ("int24", "float32")
    assert stream.samplesize == (3, 4)
    assert len(stream.latency) == 2
    assert stream.cpu_load == 0.0
    devices = [card.sd.query_devices(number) for number in stream.device]
    assert devices == [card.sd.query_devices(card.input), card.sd.query_devices(card.output)]


def loud_frames(card, play):
    """How many frames the microphone hears of what `play()` plays."""
    blocks = []
    ear = card.open("InputStream", lambda data, *_: blocks.append(data.copy()), channels=2)
    ear.start()
    play()
    card.go_on()
    ear.close()
    return int(np.count_nonzero(np.concatenate(blocks)[:, 0]))


@pytest.mark.parametrize(("ending", "blocks"), [("CallbackStop", 4), ("CallbackAbort", 3)])
@pytest.mark.parametrize("blocksize", [64, 1024])
def test_what_is_played_of_the_last_blocks(card, ending, blocks, blocksize):
    """The block in which the callback raises CallbackStop is played, that of CallbackAbort is not."""

    def play():
        played, ended, loud = 0, threading.Event(), threading.Event()

        def callback(data, *_):
            nonlocal played
            data[:] = 0.5 if loud.is_set() else 0
            played += loud.is_set()
            if played == 4:
                raise getattr(card.sd, ending)

        stream = card.open("OutputStream", callback, channels=2, blocksize=blocksize, finished_callback=ended.set)
        stream.start()
        card.join()
        loud.set()
        card.wait(ended)
        stream.close()

    card.expect(blocks * blocksize, lambda: loud_frames(card, play))


def test_stop_plays_what_was_written(card):
    """stop() of a stream that was written to returns when all of it has been played."""

    def play():
        stream = card.open("OutputStream")
        stream.start()
        card.join()
        stream.write(np.full((4800, 2), 0.5, "float32"))
        stream.stop()
        stream.close()

    card.expect(4800, lambda: loud_frames(card, play))
