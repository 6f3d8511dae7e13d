"""Two runs are alike, on every clock; whoever does what cannot work hears of it."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import threading
import wave

import numpy as np
import pytest
import sounddevice as sd

from sim import Delay, Drift, Drop, FaultSchedule, Flip, Insert, Stall, Unplug, World, Xrun
from sim.audio.portaudio import PortAudio
from sim.seam import DeviceError

PROGRAM = """
import hashlib, numpy as np, sim, sounddevice as sd
with sim.World(seed=3) as world:
    mic = world.microphone("card", source=sim.sine(440), faults=[sim.Xrun(4), sim.Drift(30)])
    speaker = world.speaker("card", faults=[sim.Xrun(9)])
    world.room(speaker, mic, delay_s=0.001, noise=0.01)
    heard = sd.playrec(np.ones((5000, 2), "float32") / 4, channels=1, blocking=True)
    with sd.Stream(channels=1, blocksize=100, callback=lambda data, out, *_: np.copyto(out, data)):
        sd.sleep(50)
    with sd.Stream(channels=1) as stream:
        stream.write(stream.read(3000)[0])
print(world.trace.hash, hashlib.sha256(heard.tobytes() + speaker.played.tobytes() + speaker.times_ns.tobytes()).hexdigest())
"""


def test_two_runs_are_alike_whatever_the_hashes():
    """Trace, samples and times, byte for byte, in processes with different hash seeds."""
    outputs = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        outputs.add(
            subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment).stdout
        )
    assert 1 == len(outputs)


def trace_of(clock="virtual", value=0.25):
    """The trace and the statuses of a short duplex stream."""
    calls = []

    def callback(indata, outdata, frames, time, status):
        calls.append((frames, str(status)))
        outdata[:] = value
        if len(calls) == 8:
            raise sd.CallbackStop

    with World(clock=clock) as world:
        world.microphone("card", source=None, period=2_400, faults=[Xrun(3)])
        speaker = world.speaker("card", period=2_400)
        finished = threading.Event()
        with sd.Stream(channels=1, blocksize=2_400, callback=callback, finished_callback=finished.set):
            finished.wait()
    return [(event.kind, event.data) for event in world.trace], calls, speaker.played.tobytes(), world


@pytest.mark.parametrize("clock", ["wall", "x4"])
def test_on_every_clock_the_same_happens(clock):
    """Events, callbacks and what is played, in this order, however late the machine is."""
    assert trace_of()[:3] == trace_of(clock)[:3]


def test_one_sample_that_differs_changes_the_hash():
    """The trace holds a digest of what was exchanged."""
    assert trace_of()[3].trace.hash == trace_of()[3].trace.hash
    assert trace_of()[3].trace.hash != trace_of(value=0.26)[3].trace.hash


def test_a_callback_runs_in_a_thread_of_its_stream():
    """Which is a task of the world: it may wait, and use locks."""
    names, lock = [], None

    def callback(indata, frames, time, status):
        with lock:
            names.append((threading.current_thread().name, threading.current_thread() is threading.main_thread()))

    with World() as world:
        lock = threading.Lock()
        world.microphone("mic", source=None)
        with sd.InputStream(callback=callback), sd.InputStream(callback=callback):
            with lock:
                sd.sleep(8)
            sd.sleep(20)
    assert {(f"PortAudio stream {number} of 'mic'", False) for number in (1, 2)} == set(names)


def test_busy_waiting_goes_on():
    """Each question to a stream costs a microsecond after the free ones, so a program that asks again and again gets on."""
    with World() as world:
        world.microphone("card", source=None)
        world.speaker("card")
        ends = []

        def callback(*_):
            ends.append(world.now_ns)
            if len(ends) == 3:
                raise sd.CallbackAbort

        with sd.InputStream(callback=callback) as stream:
            while stream.active:
                pass
        with sd.Stream(channels=1) as stream:
            while stream.read_available < 512 or stream.write_available < 512 or stream.time < 0.05:
                pass
        assert ends[2] <= world.now_ns


def test_a_callback_may_be_a_pointer():
    """As those of libraries that process sound in C; `userdata` comes back."""
    seen = []

    @sd._ffi.callback("PaStreamCallback")
    def callback(indata, outdata, frames, times, flags, userdata):
        seen.append((frames, outdata == sd._ffi.NULL, sd._ffi.from_handle(userdata), sd._ffi.cast("float*", indata)[1]))
        return sd._lib.paContinue

    handle = sd._ffi.new_handle("mine")
    with World() as world:
        world.microphone("mic", source=np.array([0.0, 0.25]))
        with sd._StreamBase(kind="input", channels=1, dtype="float32", callback=callback, userdata=handle, wrap_callback=None):
            sd.sleep(10)
    assert (256, True, "mine", 0.25) == seen[0]


def test_there_is_every_function_that_sounddevice_calls():
    """Under its name, in the library of the world."""
    called = set(re.findall(r"_lib\.(Pa_\w+)", pathlib.Path(sd.__file__).read_text()))
    assert 33 <= len(called)
    assert set() == called - set(dir(PortAudio))


def test_a_host_period_costs_one_turn_of_the_kernel():
    """A task that waits for the end of a recording is not woken for each block."""
    with World() as world:
        world.microphone("mic", source=None)
        before = world.kernel.calls
        sd.rec(48_000, channels=1, blocking=True)
        assert world.kernel.calls - before <= 48_000 // 256 + 30


def test_a_long_read_is_one_wait():
    """However many host periods it takes."""
    with World() as world:
        world.microphone("mic", source=None)
        with sd.InputStream(channels=1) as stream:
            before = world.kernel.calls
            stream.read(480_000)
            assert world.kernel.calls - before <= 3


# what cannot work -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0}, "microphone 'mic': needed rate from 1000 to 768000, was 0"),
        ({"rate": 44_100.0}, "needed rate from 1000 to 768000, was 44100.0; give a whole number"),
        ({"channels": 0}, "needed channels from 1 to 128, was 0"),
        ({"channels": True}, "needed channels from 1 to 128, was True"),
        ({"period": 0}, "needed period from 1 to 1048576, was 0"),
        ({"source": np.zeros((5, 2))}, r"needed samples \[n\] or \[n, 1\], was shape \(5, 2\)"),
        ({"source": [1.0, float("nan")]}, "needed finite samples, .* was nan"),
        ({"faults": [Flip(byte=3)]}, r"microphone 'mic': needed faults of Xrun, Drift, Unplug, Drop, Insert, was Flip\(byte=3\)"),
        ({"faults": [Stall(0.1)]}, "it means nothing here"),
        ({"faults": [Delay(frame=1)]}, "it means nothing here"),
        ({"faults": [Drop(byte=1)]}, "needed frame="),
        ({"faults": [Drop(frame=1, towards="device")]}, "needed frame="),
        ({"faults": [Insert(frame=1, data=b"abc")]}, "for Insert no data"),
        ({"faults": [Drift(1), Drift(2)]}, "needed one Drift, was 2"),
    ],
)
def test_a_microphone_that_cannot_be(settings, message):
    """Each value is named, with what was needed."""
    with World() as world:
        with pytest.raises(ValueError, match=message):
            world.microphone("mic", **{"source": None, **settings})
        assert 0 == len(sd.query_devices())
        world.microphone("mic", source=None)


@pytest.mark.parametrize("source", [3.5, object(), np.zeros(5, "complex64"), ["a"], np.array([True]), [[1.0], [1.0, 2.0]]])
def test_a_source_that_is_none(source):
    """The error names the microphone and what may be given."""
    with World() as world, pytest.raises((TypeError, ValueError), match="microphone 'mic': needed"):
        world.microphone("mic", source=source)


def test_files_that_do_not_fit(tmp_path):
    """Missing, no WAV, of another rate or other channels."""
    path = tmp_path / "sound.wav"
    with World() as world:
        with pytest.raises(FileNotFoundError, match="microphone 'mic': needed a WAV file, there was none"):
            world.microphone("mic", source=path)
        path.write_bytes(b"no sound")
        with pytest.raises(ValueError, match="needed a WAV file of integer samples"):
            world.microphone("mic", source=str(path))
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(44_100)
            file.writeframes(bytes(40))
        with pytest.raises(
            ValueError, match="needed a WAV file of 48000 samples per second, .*sound.wav' was 44100; .* rate=44100"
        ):
            world.microphone("mic", source=path)
        with pytest.raises(ValueError, match=r"needed samples \[n\] or \[n, 1\], was shape \(10, 2\)"):
            world.microphone("mic", source=path, rate=44_100)
        whole = path.read_bytes()
        for count in len(whole) - 1, len(whole) - 20, 44:
            path.write_bytes(whole[:count])
            with pytest.raises(ValueError, match=f"microphone 'mic': needed a whole WAV file, .* had {count - 44} of 40 bytes"):
                world.microphone("mic", source=path, rate=44_100)
        with pytest.raises(IsADirectoryError, match="microphone 'mic': needed a WAV file, cannot read it"):
            world.microphone("mic", source=tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda times: 1 / 0, "microphone 'mic': source.*ZeroDivisionError"),
        (lambda times: np.zeros(3), r"microphone 'mic': source.*needed shape \(256,\) or \(256, 1\), was \(3,\)"),
        (lambda times: 1j * times, "microphone 'mic': source.*needed samples that are real numbers, was complex128"),
        (lambda times: times + 1e300, r"microphone 'mic': source.*needed finite samples, .*, was 1e\+300"),
        (lambda times: times * np.nan, "microphone 'mic': source.*needed finite samples, .* was nan"),
        (lambda times: None, "microphone 'mic': source"),
        (lambda: 0, "microphone 'mic': source.*TypeError"),
        (lambda times: sd.sleep(1), "microphone 'mic': source.*waited"),
    ],
)
@pytest.mark.parametrize("blocking", [True, False])
def test_a_source_that_fails_ends_the_run(source, message, blocking):
    """In the main task, as an error of the device, whoever asked for samples."""
    with pytest.raises(DeviceError, match=message), World() as world:
        world.microphone("mic", source=source)
        with sd.InputStream(channels=1, callback=None if blocking else lambda *_: None) as stream:
            stream.read(1_000) if blocking else sd.sleep(1_000)


def test_blocks_that_no_memory_holds():
    """Refused at once, and the device knows nothing of it. What only waits has no block."""
    with World() as world:
        microphone = world.microphone("mic", source=None)
        for blocksize in (1 << 28) + 1, 1 << 40:
            with pytest.raises(sd.PortAudioError, match="-9992"):
                sd.InputStream(blocksize=blocksize, callback=lambda *_: None)
        sd.InputStream(blocksize=1 << 40).close()
        assert [] == microphone.streams


def test_sleeping_takes_whole_milliseconds():
    """As the real function."""
    with World() as world:
        sd.sleep(2)
        assert 2_000_000 == world.now_ns
        with pytest.raises(TypeError):
            sd.sleep(1.5)


def test_names():
    """Taken, empty, no text; but a microphone and a speaker may share one."""
    with World() as world:
        world.microphone("a", source=None)
        world.speaker("a")
        for make in (lambda: world.microphone("a", source=None), lambda: world.speaker("a")):
            with pytest.raises(ValueError, match="needed a name that is free"):
                make()
        for name in ("", "  ", "a\0b", "a\nb", "\ud800", None, 3):
            with pytest.raises((TypeError, ValueError), match="needed a name"):
                world.speaker(name)
        with pytest.raises(ValueError, match="No input device matching 'b'"):
            sd.InputStream(device="b")


def test_numbers_of_numpy():
    """A whole number is one whatever its type."""
    with World() as world:
        microphone = world.microphone("mic", source=None, rate=np.int64(44_100), channels=np.uint8(2), period=np.int32(441))
        assert (882, 2) == sd.rec(882, samplerate=44_100, channels=2, blocking=True).shape
        assert {int} == {type(value) for value in (microphone.rate, microphone.channels, microphone.period)}


def test_a_world_that_is_closed():
    """Makes no more devices."""
    with World() as world:
        speaker, mic = world.speaker("speaker"), world.microphone("mic", source=None)
    for make in (lambda: world.microphone("x", source=None), lambda: world.speaker("x"), lambda: world.room(speaker, mic)):
        with pytest.raises(RuntimeError, match="needed an open world"):
            make()


def test_a_world_that_is_not_open_yet_can_be_furnished():
    """As with serial ports."""
    world = World()
    world.microphone("mic", source=None)
    with world:
        assert 1 == len(sd.query_devices())


def test_a_room_that_cannot_be():
    """Of other things, of another world, or with values that mean nothing."""
    with World() as other:
        strange = other.speaker("speaker")
    with World() as world:
        speaker, mic = world.speaker("speaker"), world.microphone("mic", source=None)
        with pytest.raises(TypeError, match="needed a speaker and a microphone, in this order"):
            world.room(mic, speaker)
        with pytest.raises(ValueError, match="needed devices of this world"):
            world.room(strange, mic)
        for settings in ({"delay_s": -1}, {"noise": -0.1}, {"gain": float("inf")}, {"delay_s": "1"}, {"noise": True}):
            with pytest.raises(ValueError, match=f"needed a finite {next(iter(settings))}"):
                world.room(speaker, mic, **settings)


@pytest.mark.parametrize(
    "make", [lambda: Xrun(-1), lambda: Xrun(1.5), lambda: Drift("1"), lambda: Drift(float("nan")), lambda: Drift(200_000)]
)
def test_faults_that_cannot_be(make):
    """They say so where they are written."""
    with pytest.raises(ValueError, match="needed"):
        make()


def test_faults_of_sound_cards_mean_nothing_on_a_serial_line():
    """And the reverse."""
    with World() as world:
        with pytest.raises(ValueError, match=r"serial 'port': needed faults of .*, was Xrun\(block=1\)"):
            world.serial("port", lambda device: (yield), faults=[Xrun(1)])
        with pytest.raises(ValueError, match=r"speaker 'speaker': needed faults of Xrun, Drift, Unplug, was Drop\(frame=1\)"):
            world.speaker("speaker", faults=FaultSchedule([Drop(frame=1)]))


def test_a_schedule_of_all_kinds_is_a_value():
    """It prints as Python and goes through JSON."""
    schedule = FaultSchedule([Xrun(block=3), Drift(-12.5), Unplug(0.5, replug_s=1.0), Drop(frame=2), Insert(frame=4)])
    names = {kind.__name__: kind for kind in (Xrun, Drift, Unplug, Drop, Insert, FaultSchedule)}
    assert schedule == eval(repr(schedule), names)
    assert schedule == FaultSchedule.from_json(schedule.to_json())


@pytest.mark.parametrize("end", ["stop", "abort", "close"])
def test_stopping_from_inside_the_callback_ends_the_run(end):
    """PortAudio would wait for itself; the error says what to do."""
    with (
        pytest.raises(DeviceError, match=r"'mic': needed stop, abort and close from outside.*raise CallbackStop"),
        World() as world,
    ):
        world.microphone("mic", source=None)
        stream = sd.InputStream(callback=lambda *_: getattr(stream, end)())
        stream.start()
        sd.sleep(1_000)


def test_the_finished_callback_may_stop_and_close():
    """It runs in the thread of the stream, after the last callback."""
    with World() as world:
        world.microphone("mic", source=None)

        def callback(*_):
            raise sd.CallbackStop

        stream = sd.InputStream(callback=callback, finished_callback=lambda: stream.close())
        stream.start()
        sd.sleep(50)
        assert stream.closed
