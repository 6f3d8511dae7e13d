"""What a callback is given and when: one suite, two libraries, the simulated PortAudio and the real one."""

from __future__ import annotations

import itertools
import threading

import pytest

from tests.contracts.calls import record


@pytest.mark.parametrize("blocksize", [64, 480])
@pytest.mark.parametrize("kind", ["InputStream", "OutputStream", "Stream"])
def test_blocks_are_of_the_size_asked_for(card, kind, blocksize):
    """Every block has `blocksize` frames, one row each, one column per channel."""
    calls = record(card, kind, 6, blocksize=blocksize, channels=card.channels)
    assert {call.frames for call in calls} == {blocksize}
    assert {block.shape for call in calls for block in call.blocks} == {(blocksize, card.channels)}
    assert len(calls[0].blocks) == (2 if kind == "Stream" else 1)


def test_the_host_chooses_the_size(card):
    """With blocksize 0 a block is as long as `frames` says, here a host period."""
    calls = record(card, "Stream", 6, blocksize=0)
    assert {call.frames for call in calls} == {card.period}
    assert {block.shape for call in calls for block in call.blocks} == {(card.period, 1)}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "float32"])
def test_blocks_are_of_the_dtype_asked_for(card, dtype):
    """In both directions; the two may differ, and the channels too."""
    calls = record(card, "Stream", 2, dtype=(dtype, "float32"), channels=(1, 2))
    assert [block.dtype for block in calls[0].blocks] == [dtype, "float32"]
    assert [block.shape[1] for block in calls[0].blocks] == [1, 2]
    calls = record(card, "Stream", 2, dtype=("float32", dtype), channels=(2, 1))
    assert [block.dtype for block in calls[0].blocks] == ["float32", dtype]
    assert [block.shape[1] for block in calls[0].blocks] == [2, 1]


def test_raw_blocks_are_bytes(card):
    """A raw stream hands over buffers of `frames * channels * samplesize` bytes, also of 24-bit samples."""
    sizes, done = [], threading.Event()

    def callback(data, played, frames, times, status):
        sizes.append((frames, len(data), len(played)))
        played[:] = bytes(len(played))
        done.set()

    card.open("RawStream", callback, dtype=("int24", "int16"), channels=(1, 2)).start()
    card.wait(done)
    assert sizes[0] == (256, 256 * 3, 256 * 2 * 2)


def test_blocks_can_be_written_and_are_used_again(card):
    """Both blocks are writeable views of memory that the next callback finds again, so what is kept must be copied."""
    writeable, kept, done = [], [], threading.Event()

    def callback(data, played, frames, times, status):
        played[:] = 0
        writeable.append((data.flags.writeable, played.flags.writeable, data.flags.owndata, played.flags.owndata))
        kept.append((data.ctypes.data, played.ctypes.data))
        if len(kept) == 8:
            done.set()

    card.open("Stream", callback, blocksize=64).start()
    card.wait(done)
    assert set(writeable) == {(True, True, False, False)}
    assert len(set(kept)) < 8


def test_the_times_of_an_input(card):
    """A block was recorded before now; a stream that plays nothing has no time for it; time goes on."""
    calls = record(card, "InputStream", 6)
    assert all(call.adc_s <= call.current_s for call in calls)
    assert {call.dac_s for call in calls} == {0.0}
    assert all(first.current_s < second.current_s and first.adc_s < second.adc_s for first, second in itertools.pairwise(calls))


def test_the_times_of_an_output(card):
    """A block will be played after now; a stream that records nothing has no time for it; time goes on."""
    calls = record(card, "OutputStream", 6)
    assert all(call.dac_s >= call.current_s for call in calls)
    assert {call.adc_s for call in calls} == {0.0}
    assert all(first.current_s < second.current_s and first.dac_s < second.dac_s for first, second in itertools.pairwise(calls))


def test_the_times_of_both(card):
    """Recorded before now, played after now; on the clock of the stream."""
    times, done = [], threading.Event()

    def callback(data, played, frames, info, status):
        played[:] = 0
        times.append((info.inputBufferAdcTime, info.currentTime, stream.time, info.outputBufferDacTime))
        done.set()

    stream = card.open("Stream", callback)
    stream.start()
    card.wait(done)
    adc_s, current_s, stream_s, dac_s = times[0]
    assert adc_s <= current_s <= stream_s
    assert current_s < dac_s


def test_a_callback_may_be_compiled(card):
    """A C function in place of a Python one is called with the memory itself and with the user's pointer."""
    ffi, calls, finished = card.sd._ffi, [], threading.Event()

    @ffi.callback("PaStreamCallback")
    def callback(data, played, frames, times, flags, user):
        calls.append((frames, data != ffi.NULL, played != ffi.NULL, int(ffi.cast("intptr_t", user))))
        return card.sd._lib.paComplete if len(calls) == 3 else card.sd._lib.paContinue

    @ffi.callback("PaStreamFinishedCallback")
    def finish(user):
        calls.append(int(ffi.cast("intptr_t", user)))
        finished.set()

    unused = ("latency", "extra_settings", "clip_off", "dither_off", "never_drop_input", "prime_output_buffers_using_stream_callback")
    settings = {"device": card.input, "channels": 1, "blocksize": 256, "samplerate": card.rate, "dtype": "float32"}
    stream = card.sd._StreamBase(
        "input", callback=callback, finished_callback=finish, userdata=ffi.cast("void*", 1234), wrap_callback=None,
        **settings, **dict.fromkeys(unused),
    )  # fmt: skip
    stream.start()
    card.wait(finished)
    stream.close()
    assert calls == [(256, True, False, 1234)] * 3 + [1234]


def test_a_callback_that_takes_too_long_loses_what_was_before_the_next(card):
    """The next callback, and no other, is told of an overflow; the sound that it did not get is missing in the times."""
    slow = 4

    def measure():
        calls, done = [], threading.Event()

        def callback(data, frames, times, status):
            calls.append((times.inputBufferAdcTime, status.input_overflow))
            if len(calls) == slow:
                card.go_on()
            if len(calls) == 10:
                done.set()

        stream = card.open("InputStream", callback)
        stream.start()
        card.wait(done)
        stream.close()
        lost = round((calls[slow][0] - calls[slow - 1][0]) * card.rate / card.period) - 1
        return [number for number, call in enumerate(calls[:10]) if call[1]], lost > 0

    card.expect(([slow], True), measure)
