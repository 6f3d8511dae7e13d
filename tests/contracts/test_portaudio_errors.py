"""What PortAudio refuses, and how: one suite, two libraries, the simulated one and the real one."""

from __future__ import annotations

import numpy as np
import pytest

# Pa_GetErrorText of PortAudio 19.6
TEXTS = {
    0: "Success",
    1: "Invalid error code (value greater than zero)",
    -1: "Invalid error code",
    -10001: "Invalid error code",
    -10000: "PortAudio not initialized",
    -9999: "Unanticipated host error",
    -9998: "Invalid number of channels",
    -9997: "Invalid sample rate",
    -9996: "Invalid device",
    -9995: "Invalid flag",
    -9994: "Sample format not supported",
    -9993: "Illegal combination of I/O devices",
    -9992: "Insufficient memory",
    -9991: "Buffer too big",
    -9990: "Buffer too small",
    -9989: "No callback routine specified",
    -9988: "Invalid stream pointer",
    -9987: "Wait timed out",
    -9986: "Internal PortAudio error",
    -9985: "Device unavailable",
    -9984: "Incompatible host API specific stream info",
    -9983: "Stream is stopped",
    -9982: "Stream is not stopped",
    -9981: "Input overflowed",
    -9980: "Output underflowed",
    -9979: "Host API not found",
    -9978: "Invalid host API",
    -9977: "Can't read from a callback stream",
    -9976: "Can't write to a callback stream",
    -9975: "Can't read from an output only stream",
    -9974: "Can't write to an input only stream",
    -9973: "Incompatible stream host API",
    -9972: "Bad buffer pointer",
    -9971: "Invalid error code",
}

BAD_SETTINGS = {
    "no channels": ({"channels": 0}, -9998),
    "channels below none": ({"channels": -1}, -9998),
    "too many channels": ({"channels": 3}, -9998),
    "too slow": ({"samplerate": 999}, -9997),
    "too fast": ({"samplerate": 768_001}, -9997),
    "another rate": ({"samplerate": 44_100}, -9997),
    "no rate": ({"samplerate": 0}, -9997),
    "never drop": ({"never_drop_input": True}, -9995),
    "no channels before too slow": ({"channels": 0, "samplerate": 999}, -9998),
    "too slow before never drop": ({"samplerate": 999, "never_drop_input": True}, -9997),
    "never drop before too many channels": ({"never_drop_input": True, "channels": 3}, -9995),
    "too many channels before another rate": ({"channels": 3, "samplerate": 44_100}, -9998),
}


def test_each_code_has_its_text(card):
    """The table of the real library, codes that do not exist included."""
    assert {code: card.sd._ffi.string(card.sd._lib.Pa_GetErrorText(code)).decode() for code in TEXTS} == TEXTS


def test_the_library_says_which_it_is(card):
    """A version as a number and as text."""
    number, text = card.sd.get_portaudio_version()
    assert number >= 19 << 16
    assert text.startswith("PortAudio V19")


@pytest.mark.parametrize("kind", ["InputStream", "OutputStream"])
def test_settings_that_no_device_has(card, kind):
    """Each is refused on opening, with its code and text; of two, the first that PortAudio looks at is told."""
    told = {}
    for name, (settings, _) in BAD_SETTINGS.items():
        with pytest.raises(card.sd.PortAudioError) as caught:
            card.open(kind, **settings)
        told[name] = caught.value.args
    assert told == {name: (f"Error opening {kind}: {TEXTS[code]}", code) for name, (_, code) in BAD_SETTINGS.items()}


@pytest.mark.parametrize("kind", ["input", "output"])
def test_settings_can_be_checked(card, kind):
    """`check_input_settings` and `check_output_settings` refuse the same channels and rates, and open nothing."""
    check = getattr(card.sd, f"check_{kind}_settings")
    for dtype in ("int8", "uint8", "int16", "int24", "int32", "float32"):
        check(channels=2, dtype=dtype, samplerate=48_000)
    for name in ("no channels", "too many channels", "too slow", "too fast", "another rate"):
        settings, code = BAD_SETTINGS[name]
        with pytest.raises(card.sd.PortAudioError) as caught:
            check(**settings)
        assert caught.value.args == (TEXTS[code], code)


@pytest.mark.parametrize(("settings", "code"), [({"blocksize": 0}, None), ({"blocksize": 64}, -9995)])
def test_input_is_never_dropped_only_where_the_host_decides(card, settings, code):
    """`never_drop_input` wants a duplex callback stream with blocksize 0."""
    if code is None:
        card.open("Stream", lambda *_: None, never_drop_input=True, **settings)
    else:
        with pytest.raises(card.sd.PortAudioError) as caught:
            card.open("Stream", lambda *_: None, never_drop_input=True, **settings)
        assert caught.value.args[1] == code


def test_input_is_never_dropped_only_with_a_callback(card):
    """`never_drop_input` on a blocking stream is refused."""
    with pytest.raises(card.sd.PortAudioError) as caught:
        card.open("Stream", blocksize=0, never_drop_input=True)
    assert caught.value.args[1] == -9995


def test_settings_that_are_taken(card):
    """No clipping, no dither, priming, and latencies in seconds or by name are wishes."""
    for settings in ({"clip_off": True, "dither_off": True}, {"prime_output_buffers_using_stream_callback": True},
                     {"latency": "low"}, {"latency": "high"}, {"latency": 0.1}, {"latency": 5.0}):
        card.open("OutputStream", **settings).close()


@pytest.mark.parametrize("dtype", ["float64", "int64", "complex64", "text"])
def test_a_dtype_that_portaudio_has_not(card, dtype):
    """It is sounddevice that refuses it."""
    with pytest.raises(ValueError, match="Invalid input sample format"):
        card.open("InputStream", dtype=dtype)
    with pytest.raises(ValueError, match="Invalid output sample format"):
        card.open("OutputStream", dtype=dtype)


@pytest.mark.parametrize("number", [99, -2])
def test_a_device_number_that_is_not_there(card, number):
    """The number is in the text."""
    with pytest.raises(card.sd.PortAudioError, match=f"Error querying device {number}"):
        card.open("InputStream", device=number)
    with pytest.raises(card.sd.PortAudioError, match=f"Error querying device {number}"):
        card.sd.query_devices(number)


def test_a_device_name_that_is_not_there(card):
    """The name and the direction are in the text."""
    with pytest.raises(ValueError, match="No input device matching 'nobody'"):
        card.open("InputStream", device="nobody")
    with pytest.raises(ValueError, match="No output device matching 'nobody'"):
        card.open("OutputStream", device="nobody")
    with pytest.raises(ValueError, match="No input/output device matching 'nobody'"):
        card.sd.query_devices("nobody")


def test_a_host_that_is_not_there(card):
    """The number is in the text."""
    with pytest.raises(card.sd.PortAudioError, match="Error querying host API 99"):
        card.sd.query_hostapis(99)


def test_hosts_and_devices_know_each_other(card):
    """A device names its host API, which lists it and says which devices are its defaults."""
    for device, direction in ((card.input, "input"), (card.output, "output")):
        found = card.sd.query_devices(device)
        host = card.sd.query_hostapis(found["hostapi"])
        assert found["index"] in host["devices"]
        assert host[f"default_{direction}_device"] == found["index"]
        assert found[f"max_{direction}_channels"] == card.channels
        assert found["default_samplerate"] == card.rate
        assert 0 < found[f"default_low_{direction}_latency"] <= found[f"default_high_{direction}_latency"]
        assert card.sd.query_devices(device, direction) == found
        assert card.sd.query_devices()[found["index"]] == found


def test_an_index_belongs_to_its_list(card):
    """The devices are numbered in their order, and the list prints one line for each."""
    devices = card.sd.query_devices()
    assert [device["index"] for device in devices] == list(range(len(devices)))
    assert len(str(devices).splitlines()) == len(devices)


CLOSED = {
    "start": (lambda stream: stream.start(), ("Error starting stream: Invalid stream pointer", -9988)),
    "stop": (lambda stream: stream.stop(ignore_errors=False), ("Error stopping stream: Invalid stream pointer", -9988)),
    "abort": (lambda stream: stream.abort(ignore_errors=False), ("Error aborting stream: Invalid stream pointer", -9988)),
    "close": (lambda stream: stream.close(ignore_errors=False), ("Error closing stream: Invalid stream pointer", -9988)),
    "read": (lambda stream: stream.read(1), ("Invalid stream pointer", -9988)),
    "write": (lambda stream: stream.write(np.zeros((1, 2), "float32")), ("Invalid stream pointer", -9988)),
    "time": (lambda stream: stream.time, ("Error getting stream time",)),
}


@pytest.mark.parametrize("what", CLOSED)
def test_a_closed_stream(card, what):
    """Each use fails in its way; what can be ignored is ignored."""
    stream = card.open("Stream")
    stream.close()
    call, told = CLOSED[what]
    with pytest.raises(card.sd.PortAudioError) as caught:
        call(stream)
    assert caught.value.args == told
    stream.stop()
    stream.abort()
    stream.close()


def test_what_a_closed_stream_still_says(card):
    """Its load is 0 and nothing is available; what it was opened with stays."""
    stream = card.open("Stream")
    stream.close()
    assert (stream.cpu_load, stream.read_available, stream.write_available) == (0.0, 0, 0)
    assert (stream.samplerate, stream.blocksize) == (card.rate, card.period)


def test_using_an_ended_library(card):
    """After Pa_Terminate each call says so; initialising it again is all it takes."""
    stream = card.open("InputStream")
    stream.close()
    card.sd._terminate()
    try:
        with pytest.raises(card.sd.PortAudioError) as caught:
            card.sd.query_devices()
        assert caught.value.args[1] == -10000
    finally:
        card.sd._initialize()
    assert len(card.sd.query_devices()) > 0


def test_the_library_counts_who_uses_it(card):
    """Initialised twice, it is ended by the second Pa_Terminate."""
    card.sd._initialize()
    card.sd._terminate()
    assert len(card.sd.query_devices()) > 0
