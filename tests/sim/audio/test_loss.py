"""Devices that are pulled out while they are used."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import sounddevice as sd

from sim import SimDeadlock, Unplug, World

PERIOD_MS = 256 / 48


def test_callbacks_cease():
    """The stream still says that it is active; stopping and closing it works, and finishes it once."""
    times, finished = [], []
    with World() as world:
        world.microphone("mic", source=None, faults=[Unplug(0.05)])
        stream = sd.InputStream(
            channels=1, callback=lambda *_: times.append(world.now_ns), finished_callback=lambda: finished.append(1)
        )
        stream.start()
        sd.sleep(200)
        assert (True, False) == (stream.active, stream.stopped)
        assert not finished
        stream.stop()
        assert (False, True) == (stream.active, stream.stopped)
        stream.close()
    assert max(times) <= 50_000_000
    assert len(times) == int(50 / PERIOD_MS)
    assert [1] == finished


def test_one_name_is_one_plug():
    """A fault of the microphone takes the speaker of the same name along, and both come back."""
    with World() as world:
        microphone, speaker = world.microphone("card", source=None, faults=[Unplug(0.1, 0.1)]), world.speaker("card")
        stream = sd.OutputStream(device="card", callback=lambda out, *_: out.fill(0.5))
        stream.start()
        sd.sleep(150)
        assert (False, False) == (microphone.plugged, speaker.plugged)
        assert speaker.times_ns[-1] < 100_000_000 + PERIOD_MS * 1e6  # of the block under way
        sd.sleep(100)
        assert (True, True) == (microphone.plugged, speaker.plugged)
        stream.close()


@pytest.mark.parametrize(("option", "value"), [("rate", 44_100), ("period", 128)])
def test_one_name_is_one_clock(option, value):
    """Rate and period are those of the device; another name is another device."""
    with World() as world:
        world.speaker("card", **{option: value})
        with pytest.raises(ValueError, match=f"microphone 'card': needed the {option} of the speaker of this name, {value}, was"):
            world.microphone("card", source=None)
        world.microphone("mic", source=None)
        world.microphone("card", source=None, **{option: value})


@pytest.mark.parametrize("end", ["stop", "abort", "close"])
@pytest.mark.parametrize("callback", [None, lambda *_: None], ids=["blocking", "callback"])
def test_every_end_of_a_lost_stream_works(end, callback):
    """None waits for a device that is gone, even with output pending."""
    with World() as world:
        world.microphone("card", source=None)
        speaker = world.speaker("card")
        stream = sd.Stream(callback=callback)
        stream.start()
        if callback is None:
            stream.write(np.zeros((100, 2), "float32"))
        speaker.unplug()
        getattr(stream, end)()
        stream.close()


@pytest.mark.parametrize("wait_ms", [0, 20])
def test_reading_and_writing_fail(wait_ms):
    """Also the call that is under way: error -9999, with what the host says."""
    with World() as world:
        mic, speaker = world.microphone("mic", source=None), world.speaker("speaker")
        reader, writer = sd.InputStream(channels=1), sd.OutputStream()
        reader.start()
        writer.start()
        for device in (mic, speaker):
            world.after(wait_ms / 1000, device.unplug)
        sd.sleep(0 if wait_ms else 10)
        with pytest.raises(sd.PortAudioError) as caught:
            reader.read(48_000)
        assert -9999 == caught.value.args[1]
        assert "No such device" in str(caught.value)
        with pytest.raises(sd.PortAudioError, match="-9999"):
            writer.write(np.zeros((48_000, 2), "float32"))
        for stream in (reader, writer):
            stream.close()


def test_a_lost_device_is_there_again_after_replug():
    """An old stream stays dead; a new one works. Before, opening and starting fail."""
    with World() as world:
        mic = world.microphone("mic", source=np.ones(48_000))
        closed = sd.InputStream(channels=1, callback=lambda *_: None)
        calls, called, read = [], sd.InputStream(channels=1, callback=lambda *_: calls.append(1)), sd.InputStream(channels=1)
        called.start()
        read.start()
        mic.unplug()
        calls.clear()
        with pytest.raises(sd.PortAudioError, match="-9985"):
            sd.InputStream(channels=1)
        with pytest.raises(sd.PortAudioError, match="-9999"):
            closed.start()
        assert closed.stopped
        mic.replug()
        sd.sleep(100)
        assert [] == calls
        for call in (closed.start, lambda: read.read(1)):
            with pytest.raises(sd.PortAudioError, match="-9999"):
                call()
        for stream in (closed, called, read):
            stream.close()
        assert sd.rec(100, channels=1, blocking=True).all()


def test_plugged_in_again_by_the_schedule():
    """`replug_s` after it was pulled."""
    with World() as world:
        mic = world.microphone("mic", source=None, faults=[Unplug(0.1, replug_s=0.2)])
        sd.sleep(150)
        assert not mic.plugged
        sd.sleep(200)
        assert mic.plugged
    assert ["fault", "unplug", "replug"] == [event.kind for event in world.trace]


def test_a_lost_device_leaves_the_table_when_portaudio_is_initialised_anew():
    """As in reality; until then it keeps its place."""
    with World() as world:
        world.microphone("first", source=None).unplug()
        world.microphone("second", source=None)
        assert ["first", "second"] == [device["name"] for device in sd.query_devices()]
        sd._terminate()
        sd._initialize()
        assert ["second"] == [device["name"] for device in sd.query_devices()]


def test_waiting_for_a_recording_of_a_lost_device_is_a_deadlock():
    """PortAudio never says that it is over."""
    with World() as world:
        world.microphone("mic", source=None, faults=[Unplug(0.01)])
        sd.rec(48_000, channels=1)
        with pytest.raises(SimDeadlock):
            sd.wait()


def test_a_device_that_goes_while_a_stream_starts():
    """`start` fails, and the stream is stopped."""
    with World() as world:
        mic = world.microphone("mic", source=None, period=48_000)
        stream = sd.InputStream(channels=1, callback=lambda *_: None)
        pull = threading.Timer(0.5, mic.unplug)
        pull.start()
        with pytest.raises(sd.PortAudioError, match="-9999"):
            stream.start()
        assert stream.stopped
        stream.close()


def test_a_deadlock_shows_the_program_only():
    """Of each thread the frames of the program, without those that start it; of a stream whose card is gone, its name."""

    def wait_for_ever():
        threading.Event().wait()

    with World() as world:
        world.speaker("card", faults=[Unplug(0.1)])
        threading.Thread(target=wait_for_ever, name="worker").start()
        with pytest.raises(SimDeadlock) as caught:
            sd.play(np.zeros(48_000), blocking=True)
    stacks = {text.partition(" (")[0]: text for text in str(caught.value).split("\ntask ")[1:]}
    assert "PortAudio stream 1 of 'card' (parked):\n    (inside sim)\n" == stacks["PortAudio stream 1 of 'card'"]
    assert "in wait_for_ever\n" in stacks["worker"].splitlines(keepends=True)[1]
