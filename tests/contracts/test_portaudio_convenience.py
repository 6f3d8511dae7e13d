"""play, rec, playrec, wait and stop: one suite, two libraries, the simulated PortAudio and the real one."""

from __future__ import annotations

import threading

import numpy as np
import pytest

FRAMES = 1000


def test_before_the_first_there_is_nothing_to_ask(card):
    """No stream and no status; wait() and stop() do nothing."""
    for ask in (card.sd.get_stream, card.sd.get_status):
        with pytest.raises(RuntimeError, match="not called yet"):
            ask()
    assert card.sd.wait() is None
    card.sd.stop()


def test_a_recording_is_filled_while_the_program_goes_on(card):
    """rec() returns the array that is being filled; wait() closes the stream, and returns None where nothing was lost."""

    def measure():
        data = card.sd.rec(FRAMES, channels=2)
        assert (data.shape, data.dtype) == ((FRAMES, 2), "float32")
        assert card.sd.get_stream().active
        status = card.sd.wait()
        assert card.sd.get_stream().closed
        assert not data.any()
        return status

    card.expect(None, measure)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "float32", "float64"])
def test_a_recording_has_the_dtype_asked_for(card, dtype):
    """Of float64 the samples are those of float32."""
    data = card.sd.rec(100, channels=1, dtype=dtype, blocking=True)
    assert (data.shape, data.dtype) == ((100, 1), dtype)
    assert set(np.unique(data)) == {128 if dtype == "uint8" else 0}


def test_a_recording_into_an_array(card):
    """`out` says the length, the channels and the dtype."""
    out = np.full((300, 2), 7, "int16")
    assert card.sd.rec(out=out) is out
    card.sd.wait()
    assert not out.any()


def test_a_recording_of_chosen_channels(card):
    """`mapping` counts channels from 1, in the order asked for."""
    assert card.sd.rec(100, mapping=[2, 1], blocking=True).shape == (100, 2)
    with pytest.raises(ValueError, match="channel numbers must not be < 1"):
        card.sd.rec(100, mapping=[0])
    with pytest.raises(card.sd.PortAudioError, match="Invalid number of channels"):
        card.sd.rec(100, mapping=[3])


@pytest.mark.parametrize(("blocks", "rest", "calls"), [(1, 0, 2), (4, 0, 5), (3, 10, 5)])
def test_a_recording_ends_one_block_late(card, blocks, rest, calls, monkeypatch):
    """k full blocks take k + 1 callbacks: the last finds nothing left to do, and ends the stream."""
    count, leave = [], card.sd._CallbackContext.callback_exit
    monkeypatch.setattr(card.sd._CallbackContext, "callback_exit", lambda context: (count.append(1), leave(context)))
    card.sd.rec(blocks * card.period + rest, channels=1, blocksize=card.period, blocking=True)
    assert len(count) == calls


def test_each_stops_the_one_before(card):
    """There is one stream at a time: the one of before is closed."""
    card.sd.play(np.zeros((48_000, 2), "float32"))
    first = card.sd.get_stream()
    assert first.active
    card.sd.rec(48_000, channels=1)
    assert first.closed
    second = card.sd.get_stream()
    assert second.active
    card.sd.stop()
    assert second.closed
    card.sd.stop()


def test_playing_ends_by_itself(card):
    """play() returns at once, wait() when all was played; integers and float64 can be played, and one channel to both."""
    played = np.zeros((FRAMES, 2), "int16"), np.zeros((FRAMES, 2)), np.zeros(FRAMES, "float32"), [0.0, 0.0]
    for data in played:
        card.sd.play(data, blocking=data is not played[0])
        card.sd.wait()
        assert card.sd.get_stream().closed


def test_a_loop_is_played_until_it_is_stopped(card):
    """play(loop=True) does not end."""
    card.sd.play(np.zeros((10, 2), "float32"), loop=True)
    card.go_on()
    assert card.sd.get_stream().active
    card.sd.stop()
    assert card.sd.get_stream().closed


def test_a_loop_has_no_seam(card):
    """play(loop=True): behind the last sample comes the first, in the middle of a block."""
    ramp = np.arange(1, 301, dtype="float32") / 512

    def measure():
        heard = []
        card.sd.play(ramp, loop=True)
        ear = card.open("InputStream", lambda data, *_: heard.append(data[:, 0].copy()))
        ear.start()
        card.join()
        card.go_on()
        card.sd.stop()
        ear.close()
        sound = np.concatenate(heard) * 512
        loud = np.flatnonzero(sound)
        return len(loud) and set(np.diff(sound[loud[0] : loud[-1] + 1]))

    card.expect({1.0, -299.0}, measure)


BAD_DATA = {
    "dimensions": (np.zeros((2, 2, 2)), ValueError, "audio data to be played back must be one- or two-dimensional"),
    "channels": (np.zeros((10, 3), "float32"), None, "Error opening OutputStream: Invalid number of channels"),
    "dtype": (np.zeros(10, "int64"), TypeError, "Unsupported data type: 'int64'"),
}


def test_what_cannot_be_played(card):
    """Each in sounddevice's words or the library's."""
    for data, kind, text in BAD_DATA.values():
        with pytest.raises(kind or card.sd.PortAudioError, match=text):
            card.sd.play(data)


def test_what_cannot_be_recorded(card):
    """A length, and channels, are needed."""
    with pytest.raises(TypeError, match="frames must be specified"):
        card.sd.rec()
    with pytest.raises(TypeError, match="Unable to determine number of input channels"):
        card.sd.rec(10)
    with pytest.raises(TypeError, match="Unsupported data type: 'int64'"):
        card.sd.rec(10, channels=1, dtype="int64")


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_what_is_recorded_while_playing_follows_what_is_played(card, dtype):
    """playrec() has the length and the dtype of its data, unless told otherwise."""
    data = card.sd.playrec(np.zeros((FRAMES, 2), dtype), channels=1)
    card.sd.wait()
    assert (data.shape, data.dtype) == ((FRAMES, 1), dtype)
    assert not data.any()
    data = card.sd.playrec(np.zeros((10, 2), dtype), channels=2, dtype="int32", blocking=True)
    assert (data.shape, data.dtype) == ((10, 2), "int32")


def test_playrec_hears_what_it_plays(card):
    """Speaker led to microphone: the ramp comes back one loop delay later."""
    ramp = np.arange(1, 1001, dtype="float32") / 4096

    def measure():
        data = card.sd.playrec(np.concatenate([np.zeros(4800, "float32"), ramp, np.zeros(512, "float32")]), channels=1)
        card.join()
        card.sd.wait()
        loud = np.flatnonzero(data[:, 0])
        return len(loud) and (int(loud[0]) - 4800, data[loud, 0].tolist() == ramp.tolist())

    card.expect((256, True), measure)


def test_the_status_of_the_last(card):
    """get_status() is what its callbacks were told: false where nothing was lost."""

    def measure():
        card.sd.rec(FRAMES, channels=1, blocking=True)
        return bool(card.sd.get_status())

    card.expect(False, measure)
    assert isinstance(card.sd.get_status(), card.sd.CallbackFlags)


def test_an_ended_stream_calls_back_once(card):
    """The streams of play() finish like others: their event is set by the library's thread."""
    card.sd.play(np.zeros((FRAMES, 2), "float32"))
    waiting = threading.Thread(target=card.sd.wait)
    waiting.start()
    waiting.join()
    assert card.sd.get_stream().closed


def test_sleeping(card):
    """sleep() of milliseconds returns."""
    assert card.sd.sleep(5) is None
