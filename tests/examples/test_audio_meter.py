"""A level meter tested on simulated microphones. The meter is `audio_meter.Meter`, plain sounddevice."""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
from pathlib import Path

import audio_meter
import numpy as np
import pytest
from audio_meter import Level, Meter, MeterError, decibels, line, main
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import Unplug, World, Xrun, sine
from tests.programs import ENVIRONMENT

RATE, PERIOD = 48_000, 256
INTERVAL = 2400  # frames in 50 ms


def measure(source, count=20, faults=()):
    """`count` levels of a microphone that hears `source`, and the microphone."""
    with World() as world:
        heard = world.microphone("Microphone", source=source, faults=faults)
        with Meter("Microphone") as meter:
            return list(itertools.islice(meter.levels(), count)), heard


def test_a_tone_has_its_levels():
    """Of a sine of amplitude 0.5: rms -9.03 dBFS, peak -6.02, in every interval of whole periods; nothing clipped or lost."""
    levels, _ = measure(sine(440, 0.5))
    for level in levels:
        assert level.rms_db == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=1e-4)
        assert level.peak_db == pytest.approx(20 * math.log10(0.5), abs=1e-4)
        assert (level.clipped, level.losses, level.lost_s) == (0, 0, 0.0)
    assert ("-9.03", "-6.02") == (f"{levels[0].rms_db:.2f}", f"{levels[0].peak_db:.2f}")


def test_intervals_follow_each_other():
    """Each begins where the one before ended, on the card's clock."""
    levels, _ = measure(sine(440))
    assert [level.start_s for level in levels] == [k * INTERVAL / RATE for k in range(20)]


def test_silence_has_no_level():
    """Silence is -inf dBFS."""
    levels, _ = measure(None, 2)
    assert [(level.rms_db, level.peak_db) for level in levels] == [(-math.inf, -math.inf)] * 2


def test_clipped_samples_are_counted():
    """What is at full scale, either way, for a card of 16 bits."""
    sound = np.zeros(RATE)
    sound[[9_000, 9_001, 20_000]] = 1.0, -1.0, 32767 / 32768
    sound[30_000] = 32766 / 32768
    levels, _ = measure(sound, 18)
    assert sum(level.clipped for level in levels) == 3
    assert max(level.peak for level in levels) == 1.0


def test_a_block_that_came_too_late_is_reported():
    """One xrun: one interval tells of one loss of 256 frames, and the later ones begin so much later."""
    levels, heard = measure(sine(440), faults=[Xrun(block=100)])
    (at,) = [number for number, level in enumerate(levels) if level.losses]
    assert at == 100 * PERIOD // INTERVAL
    assert (levels[at].losses, levels[at].lost_s) == (1, PERIOD / RATE)
    assert heard.lost == PERIOD
    frames = [INTERVAL * number + (PERIOD if number > at else 0) for number in range(20)]
    assert [level.start_s for level in levels] == [frame / RATE for frame in frames]


def test_a_loss_between_two_intervals_is_in_the_second():
    """75 blocks are 8 intervals: when block 75 is lost the ninth begins one block late, and tells it."""
    levels, _ = measure(sine(440), 9, faults=[Xrun(block=75)])
    assert [level.losses for level in levels] == [0] * 8 + [1]
    assert levels[8].start_s == (8 * INTERVAL + PERIOD) / RATE


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(1, 150), max_size=20))
def test_what_the_meter_says_was_lost_is_what_the_card_lost(blocks):
    """Whichever blocks are lost, all of them are told, those that follow each other as one."""
    levels, heard = measure(sine(440), 20, faults=[Xrun(block=block) for block in sorted(blocks)])
    lost = [round(level.lost_s * RATE) for level in levels]
    assert sum(lost) == heard.lost == PERIOD * len(blocks)
    assert [level.start_s for level in levels] == sorted(level.start_s for level in levels)
    assert sum(level.losses for level in levels) == len([block for block in blocks if block - 1 not in blocks])


def test_a_plug_that_is_pulled_is_an_error():
    """What came is told, then that nothing comes: a card that is gone is not silence."""
    levels = []
    with World() as world:
        world.microphone("Microphone", source=sine(440), faults=[Unplug(at_s=0.5)])
        with Meter("Microphone") as meter, pytest.raises(MeterError, match=r"no sound for 1 s, after 0\.50 s of it"):
            levels.extend(meter.levels())
    assert len(levels) == 9
    assert {level.losses for level in levels} == {0}


def test_the_microphone_is_chosen_by_name():
    """Part of a name, or none for the default; one that is not there is sounddevice's error."""
    with World() as world:
        world.microphone("Built-in", source=sine(440, 0.25))
        world.microphone("USB podcast", source=sine(440, 0.5))
        for device, amplitude in ((None, 0.25), ("usb", 0.5)):
            with Meter(device) as meter:
                assert next(meter.levels()).peak == pytest.approx(amplitude, abs=1e-6)
        with pytest.raises(ValueError, match="No input device matching 'bluetooth'"):
            Meter("bluetooth")


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (Level(0.0, 0.0, 0.0, 0, 0, 0.0), "|" + "-" * 39),
        (Level(0.0, 1.0, 1.0, 0, 0, 0.0), "#" * 39 + "|"),
        (Level(0.0, 10 ** (-30 / 20), 0.5, 0, 0, 0.0), "#" * 20 + "-" * 16 + "|---"),
        (Level(0.0, 0.0, 0.0, 3, 1, 0.0053333), "|" + "-" * 39 + "  clipped 3  lost 5.3 ms"),
        (Level(0.0, 0.0, 0.0, 0, 1, 0.0), "|" + "-" * 39 + "  lost 0.0 ms"),
    ],
)
def test_an_interval_is_a_line(level, text):
    """The bar goes from -60 to 0 dBFS; what is wrong stands behind it."""
    assert line(level).partition("dBFS  ")[2] == text


def test_decibels():
    """20 log10, and -inf for nothing."""
    assert (decibels(1.0), decibels(0.1), decibels(0.0)) == (0.0, -20.0, -math.inf)


def run(*words):
    """The program, as a user starts it."""
    command = [sys.executable, "-W", "error", Path(audio_meter.__file__), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT)


def test_the_program_runs():
    """As it stands, on the twin."""
    finished = run()
    assert (0, "") == (finished.returncode, finished.stderr)
    assert finished.stdout.count(" rms  -9.03  peak  -6.02 dBFS ") == 40
    assert finished.stdout.endswith("intervals: 40, losses: 0 (0.0 ms), clipped samples: 0\n")


def test_the_program_says_what_was_lost(capsys):
    """Lost frames are in the line of their interval, in the summary and in the exit code; so is a plug that is pulled."""
    assert main(["--xrun", "100", "--xrun", "150", "--duration", "1"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("  lost 5.3 ms\n") == 2
    assert printed.endswith("intervals: 20, losses: 2 (10.7 ms), clipped samples: 0\n")
    assert main(["--unplug", "0.5"]) == 1
    told = capsys.readouterr()
    assert told.out.count("dBFS") == 9
    assert re.fullmatch(r"audio_meter: no sound for 1 s, after 0\.\d\d s of it; is the microphone plugged in\?\n", told.err)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--duration", "0"], "needed seconds above 0, was 0"),
        (["--duration", "nan"], "needed seconds above 0, was nan"),
        (["--xrun", "-1"], "needed blocks from 0, was -1"),
        (["--unplug", "-1"], "needed seconds from 0, was -1"),
    ],
)
def test_what_the_program_does_not_take(words, text, capsys):
    """Each says what was needed."""
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert text in capsys.readouterr().err
