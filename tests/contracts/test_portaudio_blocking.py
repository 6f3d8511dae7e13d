"""Streams that are read and written: one suite, two libraries, the simulated PortAudio and the real one.

The real one is asked for two channels of float32 only: for JACK it takes a frame to be two floats, whatever was asked for. That a
read or a write tells of frames that were lost or missing is not here, because with JACK it never does.
"""

from __future__ import annotations

import numpy as np
import pytest


def code(caught):
    """The number of a PortAudioError."""
    return caught.value.args[-1]


@pytest.mark.parametrize("frames", [0, 1, 256, 1000])
def test_a_read_gives_all_the_frames(card, frames):
    """A block of the asked length, one column per channel, and whether frames were lost before it."""
    with card.open("InputStream") as stream:
        data, overflowed = stream.read(frames)
    assert (data.shape, data.dtype, overflowed) == ((frames, card.channels), "float32", False)


def test_a_raw_read_gives_bytes(card):
    """A raw stream hands over a buffer."""
    with card.open("RawInputStream") as stream:
        data, overflowed = stream.read(300)
    assert (len(data), overflowed) == (300 * 2 * 4, False)
    assert bytes(data) == bytes(len(data))


def test_what_can_be_read_at_once(card):
    """`read_available` grows while nobody reads, up to the size of a buffer, and a read takes its frames."""
    with card.open("InputStream") as stream:
        stream.read(1)
        before = stream.read_available
        card.go_on()
        after = stream.read_available
        assert 0 <= before < after
        stream.read(after)
        for _ in range(4):
            card.go_on()
        full = stream.read_available
        card.go_on()
        assert stream.read_available == full


def test_what_can_be_written_at_once(card):
    """`write_available` is the room of a buffer, which a write fills."""
    with card.open("OutputStream") as stream:
        card.go_on()
        room = stream.write_available
        assert room > 0
        assert stream.write(np.zeros((room, 2), "float32")) is False
        assert stream.write_available < room


def test_a_write_takes_what_fits(card):
    """Rows of as many samples as there are channels, of the stream's dtype, in order in memory."""
    with card.open("OutputStream") as stream:
        assert stream.write(np.zeros((0, 2), "float32")) is False
        assert stream.write(np.zeros((1000, 2), "float32")) is False
        assert stream.write(np.zeros((4, 4), "float32")[:, :2].copy()) is False


BAD_DATA = {
    "channels": (np.zeros((4, 1), "float32"), ValueError, "number of channels must match"),
    "mono": (np.zeros(4, "float32"), ValueError, "number of channels must match"),
    "dimensions": (np.zeros((4, 2, 1), "float32"), ValueError, "data must be one- or two-dimensional"),
    "dtype": (np.zeros((4, 2)), TypeError, "dtype mismatch: 'float64' vs 'float32'"),
    "order": (np.zeros((2, 4), "float32").T, TypeError, "data must be C-contiguous"),
}


def test_a_write_refuses_what_does_not_fit(card):
    """Each in sounddevice's words."""
    with card.open("OutputStream") as stream:
        for data, kind, text in BAD_DATA.values():
            with pytest.raises(kind, match=text):
                stream.write(data)


def test_a_raw_write_takes_whole_frames(card):
    """A number of bytes that is no number of samples, or no number of frames, is refused."""
    with card.open("RawOutputStream") as stream:
        assert stream.write(bytes(16)) is False
        with pytest.raises(ValueError, match="not divisible by samplesize"):
            stream.write(bytes(17))
        with pytest.raises(ValueError, match="Number of samples not divisible by channels"):
            stream.write(bytes(12))


def test_a_read_of_fewer_than_no_frames(card):
    """sounddevice cannot make such a buffer."""
    with card.open("InputStream") as stream, pytest.raises(ValueError, match="negative array length"):
        stream.read(-1)


def test_a_stopped_stream_is_not_read_or_written(card):
    """Before start() and after stop(): -9983; no frames can always be had."""
    stream = card.open("Stream")
    for _ in range(2):
        with pytest.raises(card.sd.PortAudioError, match="Stream is stopped") as caught:
            stream.read(4)
        assert code(caught) == -9983
        with pytest.raises(card.sd.PortAudioError, match="Stream is stopped") as caught:
            stream.write(np.zeros((4, 2), "float32"))
        assert code(caught) == -9983
        assert stream.read(0)[0].shape == (0, 2)
        assert stream.write(np.zeros((0, 2), "float32")) is False
        stream.start()
        stream.stop()


def test_a_callback_stream_is_not_read_or_written(card):
    """Frames go to the callback: -9977, -9976, and the same for what is available."""

    def callback(data, played, *_):
        played[:] = 0

    with card.open("Stream", callback) as stream:
        for call in (lambda: stream.read(4), lambda: stream.read_available):
            with pytest.raises(card.sd.PortAudioError, match="Can't read from a callback stream") as caught:
                call()
            assert code(caught) == -9977
        for call in (lambda: stream.write(np.zeros((4, 1), "float32")), lambda: stream.write_available):
            with pytest.raises(card.sd.PortAudioError, match="Can't write to a callback stream") as caught:
                call()
            assert code(caught) == -9976
        assert stream.read(0)[0].shape == (0, 1)


def test_a_stream_without_callback_has_no_finish_and_no_load(card):
    """`cpu_load` of a blocking stream is 0."""
    with card.open("InputStream") as stream:
        stream.read(512)
        assert stream.cpu_load == 0.0


def test_what_is_written_is_heard_in_order(card):
    """Speaker led to microphone: a stream that writes a block and reads a block hears what it wrote, in order, nothing else."""
    ramp = np.arange(1, 8 * card.period + 1, dtype="float32") / 4096
    heard = []
    with card.open("Stream") as stream:
        card.join()
        for at in range(0, len(ramp), card.period):
            stream.write(np.stack([ramp[at : at + card.period]] * 2, axis=1))
            heard.append(stream.read(card.period)[0])
        for _ in range(16):
            heard.append(stream.read(card.period)[0])
    samples = np.concatenate(heard)
    assert (samples[:, 0] == samples[:, 1]).all()
    loud = samples[:, 0][samples[:, 0] != 0]
    assert len(loud) > 0
    assert set(loud) <= set(ramp)
    assert (np.diff(loud) > 0).all()
