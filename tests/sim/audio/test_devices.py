"""What microphones hear, what speakers play, and what lies between them."""

from __future__ import annotations

import wave

import numpy as np
import pytest
import sounddevice as sd
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import Drift, Drop, Insert, World, sine

RATE = 48_000
EXACT_NS = 10**9


def ramp(count):
    """Samples that say which they are, exactly, in float32."""
    return (np.arange(count) % 4096) / 4096


def test_a_recording_from_the_opening_is_the_source_from_its_first_sample():
    """Sample n is the function at n / rate."""
    with World() as world:
        world.microphone("mic", source=sine(440, amplitude=0.25))
        recorded = sd.rec(1_000, channels=1)
        sd.wait()
    expected = 0.25 * np.sin(2 * np.pi * 440 * (np.arange(1_000) / RATE))
    np.testing.assert_array_equal(expected.astype("float32"), recorded[:, 0])


def test_a_stream_that_starts_later_hears_what_is_there_then():
    """The first sample is the one at the time that the callback is told."""
    heard = []
    with World() as world:
        world.microphone("mic", source=lambda times: times % 1.0)
        sd.sleep(345)
        with sd.InputStream(
            channels=1, callback=lambda data, frames, time, status: heard.append((time.inputBufferAdcTime, data[0, 0]))
        ):
            sd.sleep(50)
    assert heard[0][0] == pytest.approx(0.345, abs=256 / RATE)
    assert [time_s for time_s, _ in heard] == pytest.approx([value for _, value in heard], abs=1e-7)


def test_an_array_begins_with_the_world_and_silence_follows_it():
    """One column per channel, or one for all of them."""
    samples = ramp(700).reshape(-1, 2)
    with World() as world:
        world.microphone("stereo", source=samples, channels=2)
        world.microphone("mono", source=samples[:, 0], channels=2)
        stereo = sd.rec(400, channels=2, device="stereo", blocking=True)
    assert samples.astype("float32").tolist() == stereo[:350].tolist()
    assert not stereo[350:].any()
    with World() as world:
        world.microphone("mono", source=samples[:, 0], channels=2)
        mono = sd.rec(350, channels=2, blocking=True)
    assert [[value, value] for value in samples[:, 0].astype("float32").tolist()] == mono.tolist()


@pytest.mark.parametrize(("dtype", "scale"), [("int8", 128), ("int16", 32_768), ("int32", 2**31)])
def test_integer_samples_are_of_their_full_scale(dtype, scale):
    """The least integer is -1."""
    with World() as world:
        world.microphone("mic", source=np.array([0, scale // 2, -scale], dtype))
        recorded = sd.rec(3, channels=1, blocking=True)
    assert [0, 0.5, -1] == recorded[:, 0].tolist()


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_file_is_heard_as_it_is(tmp_path, width):
    """WAV of every integer width."""
    values = [0, 64, -128, 127]
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(width)
        file.setframerate(8_000)
        data = b"".join(
            (value + 128 if width == 1 else value << 8 * (width - 1)).to_bytes(width, "little", signed=width > 1)
            for value in values
        )
        file.writeframes(data)
    with World() as world:
        world.microphone("mic", source=path, rate=8_000, channels=2)
        recorded = sd.rec(2, channels=2, blocking=True)
    assert [[0, 0.5], [-1, 127 / 128]] == recorded.tolist()


def test_a_speaker_remembers_what_it_played_and_when():
    """Frames in order, each with the time at which it left the converter."""
    samples = np.column_stack([ramp(600), -ramp(600)]).astype("float32")
    with World() as world:
        speaker = world.speaker("speaker")
        sd.sleep(100)
        began_ns = world.now_ns
        sd.play(samples, blocking=True)
        played, times_ns = speaker.played, speaker.times_ns
    assert samples.tolist() == played[:600].tolist()
    assert not played[600:].any()
    first = round(times_ns[0] * RATE / 1e9)
    assert began_ns < times_ns[0] <= began_ns + 256 * EXACT_NS // RATE + 1
    assert [(first + index) * EXACT_NS // RATE for index in range(len(played))] == times_ns.tolist()


def test_a_speaker_that_nobody_uses_has_played_nothing():
    """Empty, of the right shape and type."""
    with World() as world:
        speaker = world.speaker("speaker", channels=3)
    assert ((0, 3), np.float32) == (speaker.played.shape, speaker.played.dtype)
    assert ((0,), np.int64) == (speaker.times_ns.shape, speaker.times_ns.dtype)


def test_fewer_channels_than_the_speaker_has_leave_the_others_silent():
    """A mono stream plays on the first."""
    with World() as world:
        speaker = world.speaker("speaker", channels=2)
        sd.play(np.full(256, 0.5, "float32"), blocking=True)
    assert [0.5, 0.0] == speaker.played[:256].max(axis=0).tolist()


def test_what_two_streams_play_together_is_added():
    """And each frame has one time."""

    def constant(value):
        def callback(outdata, frames, time, status):
            outdata[:] = value

        return callback

    with World() as world:
        speaker = world.speaker("speaker", channels=1)
        with sd.OutputStream(callback=constant(0.25)):
            sd.sleep(20)
            with sd.OutputStream(callback=constant(0.5)):
                sd.sleep(20)
            sd.sleep(20)
    played = speaker.played[:, 0]
    assert {0.25, 0.75} == set(played.tolist()) - {0.0}
    assert (np.diff(np.flatnonzero(played == 0.75)) == 1).all()
    assert (np.diff(speaker.times_ns) > 0).all()


def test_a_microphone_and_a_speaker_of_one_name_are_one_device():
    """With both directions; others have one each, and the first of each is the default."""
    with World() as world:
        world.speaker("other")
        world.microphone("headset", source=None, channels=1)
        world.speaker("headset", channels=2)
        devices = [(device["name"], device["max_input_channels"], device["max_output_channels"]) for device in sd.query_devices()]
        assert [1, 0] == list(sd.default.device)
        with sd.Stream(device="headset", callback=lambda *_: None) as stream:
            assert (1, 1) == stream.device
            assert (1, 2) == stream.channels
        with sd.Stream(device=("headset", "other"), callback=lambda *_: None) as stream:
            assert (1, 0) == stream.device
    assert [("other", 0, 2), ("headset", 1, 2)] == devices


@pytest.mark.parametrize("channels", [(1, 1), (2, 2), (2, 1), (1, 2)])
def test_a_room_leads_channels_as_a_cable_or_adds_them(channels):
    """As many on both sides: each for itself. Else each of the microphone hears them all."""
    outputs, inputs = channels
    sent = np.arange(1, outputs + 1) / 8
    with World() as world:
        world.room(world.speaker("speaker", channels=outputs), world.microphone("mic", source=None, channels=inputs), gain=0.5)
        heard = sd.playrec(np.tile(sent, (1024, 1)).astype("float32"), channels=inputs)
        sd.wait()
    expected = sent / 2 if outputs == inputs else [sum(sent) / 2] * inputs
    assert list(expected) == heard[-1].tolist()


def test_a_room_is_added_to_the_source_and_to_other_rooms():
    """Two speakers and a tone."""
    with World() as world:
        mic = world.microphone("mic", source=lambda times: np.full(len(times), 0.125))
        for name in ("left", "right"):
            world.room(world.speaker(name, channels=1), mic, gain=0.5)
        with sd.OutputStream(device="left", callback=lambda outdata, *_: outdata.fill(0.5)):
            sd.sleep(20)
            heard = sd.rec(256, channels=1, blocking=True)
    assert 0.375 == heard[-1, 0]


def test_noise_has_its_power_and_its_seed():
    """White, of the rms asked for; the same for one seed, another for another, and whoever listens when."""

    def listen(seed, wait_ms=0):
        with World(seed=seed) as world:
            world.room(world.speaker("speaker"), world.microphone("mic", source=None), noise=0.1)
            sd.sleep(wait_ms)
            return sd.rec(48_000, channels=1, blocking=True)[:, 0]

    noise = listen(1)
    assert 0.1 == pytest.approx(np.sqrt(np.mean(noise**2)), rel=0.02)
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.02
    np.testing.assert_array_equal(noise, listen(1))
    np.testing.assert_array_equal(noise[480 * 16 :][:40_000], listen(1, wait_ms=160)[:40_000])
    assert (noise != listen(2)).any()


@pytest.mark.parametrize(("ppm", "frames"), [(50, 8_000 * 3600 + 1440), (0, 8_000 * 3600), (-50, 8_000 * 3600 - 1440)])
def test_a_drifting_clock_gives_its_frames_in_an_hour(ppm, frames):
    """50 parts per million fast: 1440 samples more in an hour of 8 kHz."""
    count = 0

    def callback(indata, frames, time, status):
        nonlocal count
        count += frames

    with World() as world:
        world.microphone("mic", source=None, rate=8_000, period=1_440, faults=[Drift(ppm)] if ppm else [])
        stream = sd.InputStream(channels=1, callback=callback)
        stream.start()
        sd.sleep(3_600_001 - world.now_ns // 10**6)
        stream.close()
    assert frames == count


@given(st.lists(st.integers(0, 900), max_size=3, unique=True), st.lists(st.integers(0, 900), max_size=3, unique=True))
@settings(max_examples=25, deadline=None)
def test_dropped_samples_are_missing_and_inserted_ones_are_silence(drops, inserts):
    """Everything else is there, in order."""
    samples = (np.arange(2_000) + 1) / 4096
    expected = []
    for number, sample in enumerate(samples):
        expected += [0.0] * (number in inserts) + [sample] * (number not in drops)
    with World() as world:
        world.microphone("mic", source=samples, faults=[*(Drop(frame=at) for at in drops), *(Insert(frame=at) for at in inserts)])
        recorded = sd.rec(1_500, channels=1, blocking=True)
    assert expected[:1_500] == recorded[:, 0].tolist()


def test_a_callback_must_copy_what_it_keeps():
    """The block, the times and what was not written are poison afterwards."""
    kept, times, first = [], [], []

    def callback(indata, outdata, frames, time, status):
        first.append(np.isnan(outdata).all())
        kept.append(indata)
        times.append(time)
        outdata[: frames // 2] = 0

    with World() as world:
        speaker = world.speaker("card", channels=1)
        world.microphone("card", source=lambda times: np.full(len(times), 0.5))
        with sd.Stream(callback=callback):
            sd.sleep(20)
        assert all(np.isnan(block).all() for block in kept)
        assert np.isnan(times[0].currentTime)
    assert all(first)
    assert [False, True] == np.isnan(speaker.played[:256, 0]).reshape(2, 128).all(axis=1).tolist()


@pytest.mark.parametrize(("dtype", "poison"), [("int16", -32_640), ("int32", -2_139_062_144), ("int8", -128), ("uint8", 255)])
def test_poison_is_loud_in_every_format(dtype, poison):
    """Far from silence."""
    seen = []

    def callback(outdata, frames, time, status):
        seen.append(outdata.copy())
        raise sd.CallbackAbort

    with World() as world:
        world.speaker("speaker", channels=1)
        with sd.OutputStream(dtype=dtype, callback=callback):
            sd.sleep(20)
    assert {poison} == set(seen[0][:, 0].tolist())
