"""How the simulated PortAudio comes under the real sounddevice, and that it goes again."""

from __future__ import annotations

import ctypes.util
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import sounddevice as sd

import sim
from sim import World

NO_PORTAUDIO = """
import ctypes.util
real = ctypes.util.find_library
ctypes.util.find_library = lambda name: None if name == "portaudio" else real(name)
"""
NO_SOUNDDEVICE = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *args: None if name in ("sounddevice", "_sounddevice", "_cffi_backend") else find(name, *args)
"""
LISTEN = """
with sim.World() as world:
    world.microphone("mic", source=sim.sine(440))
    import sounddevice as sd
    assert ["mic"] == [device["name"] for device in sd.query_devices()]
    print(abs(sd.rec(4800, channels=1, blocking=True)).max())
"""


def run(*parts):
    """What a program of these parts prints; it must succeed, and say nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(map(textwrap.dedent, parts))], capture_output=True, text=True, timeout=60, check=False
    )
    assert ("", 0) == (done.stderr, done.returncode), done.stderr
    return done.stdout


@pytest.mark.parametrize("before", ["", "import sounddevice"], ids=["in the world", "before"])
def test_it_works_without_portaudio(before):
    """sounddevice is imported after sim, in a world or before it."""
    assert 0.5 == pytest.approx(float(run(NO_PORTAUDIO, "import sim", before, LISTEN)), abs=1e-3)


def test_it_works_with_a_portaudio_that_was_loaded_before():
    """sounddevice was imported before sim."""
    if ctypes.util.find_library("portaudio") is None:
        pytest.skip("needs libportaudio2")
    assert 0.5 == pytest.approx(float(run("import sounddevice; before = sounddevice._lib; import sim", LISTEN)), abs=1e-3)


def test_outside_a_world_a_machine_without_portaudio_has_no_devices():
    """The import succeeds, and what is asked of it is refused as on a machine without sound cards."""
    program = """
        import sim, sounddevice as sd
        print(len(sd.query_devices()), list(sd.default.device))
        try:
            sd.rec(10, channels=1)
        except sd.PortAudioError as error:
            print(error)
        with sim.World() as world:
            world.speaker("speaker")
            print(len(sd.query_devices()))
        print(len(sd.query_devices()))
        sd.sleep(1)
    """
    assert "0 [-1, -1]\nError querying device -1\n1\n0\n" == run(NO_PORTAUDIO, program)


def test_without_sim_nothing_is_different():
    """The error of sounddevice itself; and afterwards the modules have what they had."""
    program = """
        try:
            import sounddevice
        except OSError as error:
            print(error)
        import sim, sounddevice, _sounddevice, inspect
        assert sounddevice._ffi is _sounddevice.ffi
        assert type(sounddevice.__loader__).__module__.startswith("_frozen_importlib"), sounddevice.__loader__
        assert sounddevice.__spec__.loader is sounddevice.__loader__
        assert "class Stream" in inspect.getsource(sounddevice)
        assert ctypes.util.find_library("portaudio") is None
    """
    assert "PortAudio library not found\n" == run(NO_PORTAUDIO, program)


def test_without_sounddevice_there_are_worlds_but_no_sound_cards():
    """sim imports, serial ports work, and a microphone says what to install."""
    program = """
        import sim
        with sim.World() as world:
            for make in (lambda: world.microphone("mic", source=None), lambda: world.speaker("speaker")):
                try:
                    make()
                except ModuleNotFoundError as error:
                    print(error, error.name)
        try:
            import sounddevice
        except ModuleNotFoundError as error:
            print(error)
    """
    text = "needed sounddevice, was not installed; do `pip install 'dfcore[audio]'` sounddevice\n"
    assert f"microphone 'mic': {text}speaker 'speaker': {text}No module named 'sounddevice'\n" == run(NO_SOUNDDEVICE, program)


def test_something_else_of_the_name_is_left_alone():
    """A program may have put its own stand-in for sounddevice there."""
    program = """
        import sys, types, unittest.mock
        for stand_in in (types.SimpleNamespace(), unittest.mock.MagicMock(), types.ModuleType("sounddevice")):
            sys.modules["sounddevice"] = stand_in
            for name in [name for name in sys.modules if name.split(".")[0] == "sim"]:
                del sys.modules[name]
            import sim
            with sim.World() as world:
                pass
            assert not isinstance(getattr(stand_in, "_lib", None), sim.audio.seam.Dispatcher)
    """
    assert "" == run(program)


def test_sim_alone_imports_neither_sounddevice_nor_cffi():
    """A program of serial ports pays nothing."""
    program = """
        import sys, sim
        with sim.World() as world:
            world.serial("port")
        print(sorted({"sounddevice", "_sounddevice", "_cffi_backend"} & set(sys.modules)))
    """
    assert "[]\n" == run(program)


def test_a_thread_outside_the_world_gets_the_library_outside():
    """It sees none of the devices."""
    begin, seen = threading.Event(), []
    done = threading.Event()

    def outside():
        begin.wait()
        seen.append([device["name"] for device in sd.query_devices()])
        done.set()

    thread = threading.Thread(target=outside)
    thread.start()
    with World() as world:
        world.microphone("only here", source=None)
        begin.set()
        while not done.is_set():
            pass
    thread.join()
    assert "only here" not in seen[0]


def test_what_sounddevice_remembers_is_forgotten():
    """The last recording, and how often it was initialised; also what the program before had."""
    before = sd._last_callback, sd._initialized
    with World() as world:
        world.microphone("mic", source=None)
        with pytest.raises(RuntimeError, match="not called yet"):
            sd.get_stream()
        sd.rec(48_000, channels=1)
        sd._initialize()
    assert before == (sd._last_callback, sd._initialized)
    with World(), pytest.raises(RuntimeError, match="not called yet"):
        sd.get_status()


def test_what_a_program_sets_in_a_world_does_not_outlive_it():
    """A default device is a number of that world; what was set before holds in the world and after it."""
    sd.default.samplerate, sd.default.channels = 44_100, (None, 1)
    try:
        with World() as world:
            world.speaker("speaker")
            assert (44_100, 1) == (sd.default.samplerate, sd.default.channels["output"])
            sd.default.samplerate, sd.default.device, sd.default.clip_off = 48_000, 0, True
            sd.default.channels["output"] = 2
        assert (44_100, 1, False) == (sd.default.samplerate, sd.default.channels["output"], sd.default.clip_off)
        assert [None, None] == sd.default.device._pair
    finally:
        sd.default.reset()


def test_a_stream_of_a_world_that_is_over_is_nobodys():
    """Every call is answered with an error, outside and in the next world."""
    with World() as world:
        world.microphone("mic", source=None)
        stream = sd.InputStream(channels=1, callback=lambda *_: None)
        stream.start()
    for _ in range(2):
        for call in (
            stream.start,
            lambda: stream.stop(ignore_errors=False),
            lambda: stream.active,
            lambda: stream.stopped,
            lambda: stream.time,
        ):
            with pytest.raises(sd.PortAudioError):
                call()
        assert 0.0 == stream.cpu_load
        with World() as world:
            world.microphone("mic", source=None)
            with pytest.raises(sd.PortAudioError, match="-9988"):
                stream.start()
    stream.close()
    assert stream.closed


def test_leaving_a_world_ends_its_streams(capfd):
    """Running, waiting in a callback, or ended by one: no thread is left, and nothing is printed."""
    finished = []
    with World() as world:
        world.microphone("card", source=None)
        world.speaker("card")
        wait = threading.Event()
        streams = [
            sd.Stream(callback=lambda *_: None),
            sd.InputStream(callback=lambda *_: wait.wait()),
            sd.OutputStream(),
            sd.Stream(),
        ]
        streams.append(sd.InputStream(callback=lambda *_: None, finished_callback=lambda: finished.append(1)))
        for stream in streams:
            stream.start()
        sd.sleep(100)
        streams[2].write(np.zeros((100, 2), "float32"))
    assert not [thread for thread in threading.enumerate() if "PortAudio" in thread.name]
    assert ("", "") == capfd.readouterr()
    assert 5 == sum(event.kind == "close" for event in world.trace)
    assert not finished


def test_an_error_in_the_block_of_a_world_ends_its_streams_too():
    """The error comes out as it was."""
    with pytest.raises(ZeroDivisionError), World() as world:
        world.microphone("mic", source=None)
        sd.rec(48_000, channels=1)
        1 / 0  # noqa: B018
    assert sd._last_callback is None
    with World() as world:
        world.microphone("mic", source=None)
        assert (10, 1) == sd.rec(10, channels=1, blocking=True).shape


def test_a_world_has_the_exports_that_a_program_needs():
    """All of it by name."""
    assert {"Microphone", "Speaker", "Room", "sine", "Xrun", "Drift"} <= set(sim.__all__)
