"""What a failing test is told, and that it is enough to make the failure happen again."""

from __future__ import annotations

import re
import shlex

import pytest

import sim

TALK = """
def talk(name):
    s = serial.Serial(name, 115200, timeout=1)
    for k in range(3):
        s.write(b"%d" % k)
        assert s.read(1) == b"%d" % k
"""


def section(result: pytest.RunResult) -> list[str]:
    """The lines of the only section about a world."""
    text = result.stdout.str()
    found = re.findall(r"^-+ simulated world -+\n(.*?)^again: .*?$", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, text
    return found[0].splitlines()


def again(result: pytest.RunResult) -> str:
    return re.search(r"^again: (.*)$", result.stdout.str(), re.MULTILINE)[1]


def test_a_failure_shows_seed_time_faults_and_events(suite):
    """All that the world knows: the test was in it."""
    result = suite(
        TALK
        + """
def test_talk(world, port):
    port("other")
    talk(port("imu", Echo(), faults=[Drop(frame=1)]))
""",
        "--sim-seed=4",
    )
    assert section(result) == [
        "seed 1839084159 (from --sim-seed=4 and the name of the test), clock virtual, now 1.000173610 s",
        "other: faults=[]",
        "imu: faults=[Drop(frame=1)]",
        "the last 11 of 11 events:",
        "  0.000000000 s  imu  open",
        "  0.000000000 s  imu  lines  (True, True, False)",
        "  0.000000000 s  imu  settings  (115200, 8, 'N', 1, False, False)",
        "  0.000000000 s  imu  write  b'0'",
        "  0.000086805 s  imu  sent  b'0'",
        "  0.000086805 s  imu  frame  b'0'",
        "  0.000173610 s  imu  read  b'0'",
        "  0.000173610 s  imu  write  b'1'",
        "  0.000260415 s  imu  sent  b'1'",
        "  0.000260415 s  imu  frame  b'1'",
        "  0.000260415 s  imu  fault  Drop(frame=1)",
    ]


def test_a_world_of_the_test_itself_is_shown_too(suite):
    """It need not be a fixture's, nor open any more when the assertion fails."""
    result = suite("""
def test_own():
    with World(5) as world:
        with serial.Serial(world.serial("gps", Echo()).name, 115200, timeout=1) as s:
            s.write(b"a")
            received = s.read(2)
    assert received == b"aa"
""")
    lines = section(result)
    assert lines[0] == "seed 5, clock virtual, now 1.000000000 s"
    assert "  0.000086805 s  gps  frame  b'a'" in lines


def test_the_schedule_shown_can_be_pasted(suite):
    """It is the value that the port had, as Python."""
    schedule = "[Flip(byte=3, mask=8), Insert(frame=2, data=b'\\x00!'), Jitter([1, 20]), Unplug(at_s=0.5, replug_s=0.1)]"
    result = suite(
        f"from sim import *\ndef test_faults(port):\n    port('imu', Echo(), faults=FaultSchedule({schedule}))\n    assert 0\n"
    )
    shown = next(line for line in section(result) if line.startswith("imu: faults="))
    assert eval(shown.removeprefix("imu: faults="), vars(sim)) == eval(schedule, vars(sim))


def test_long_traces_are_cut(suite):
    """The last thirty events, and how many there were; long data is cut too."""
    result = suite("""
def test_long(world, port):
    s = serial.Serial(port("plug"), 115200, timeout=10)
    for k in range(20):
        s.write(b"%d" % k)
        s.read(2)
    s.write(bytes(1000))
    assert 0
""")
    lines = section(result)
    head = next(number for number, line in enumerate(lines) if line.startswith("the last"))
    assert re.fullmatch(r"the last 30 of 44 events .*:", lines[head])
    assert len(lines) - head - 1 == 30
    assert lines[-1].endswith("... (1000 in all)")


def test_the_world_of_the_smallest_failing_example_is_shown(suite):
    """Hypothesis runs it last."""
    result = suite(
        TALK
        + """
@settings(database=None, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=3))
def test_given(frames):
    with World(5) as world:
        talk(world.serial("gps", Echo(), faults=[Drop(frame=k) for k in frames]).name)
"""
    )
    lines = section(result)
    assert re.fullmatch(r"the last of \d+ worlds: seed 5, clock virtual, now .*", lines[0])
    assert lines[1] == "gps: faults=[Drop(frame=0)]"
    assert sum("write" in line for line in lines) == 1


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_a_fixture_that_fails_is_told_as_well(suite, when):
    """The report of the set-up or of the tear-down has the section."""
    place = {"setup": "assert 0\n    yield", "teardown": "yield\n    assert 0"}[when]
    result = suite(f"@pytest.fixture\ndef driver(world):\n    {place}\n\ndef test_driver(driver):\n    pass\n")
    assert result.parseoutcomes()["errors"] == 1
    assert section(result)[-1] == "no events"


def test_who_fails_without_a_world_is_told_nothing(suite):
    """Also after a test that had one; and who passes is told nothing."""
    result = suite("def test_one(world):\n    pass\n\ndef test_two():\n    assert 0\n", "-rA")
    result.assert_outcomes(passed=1, failed=1)
    assert "simulated world" not in result.stdout.str()


def test_a_world_of_a_module_belongs_to_all_its_tests(suite):
    """While it is open, whoever fails is told about it."""
    result = suite("""
@pytest.fixture(scope="module")
def shared():
    with World(9) as world:
        yield world

def test_one(shared):
    pass

def test_two(shared):
    assert 0

def test_three(shared):
    pass
""")
    result.assert_outcomes(passed=2, failed=1)
    assert section(result)[0] == "seed 9, clock virtual, now 0.000000000 s"


def test_the_command_runs_this_test_again(suite, pytester, monkeypatch):
    """Pasted into a shell it selects this test alone, with its seed, whatever its name has in it."""
    text = """
@pytest.mark.parametrize("text", ["a b", "c'd", "e"])
def test_text(world, text):
    assert "'" not in text, world.seed
"""
    first = suite(text, "--sim-seed=12", "--sim-clock=x1000")
    first.assert_outcomes(passed=2, failed=1)
    words = shlex.split(again(first))
    assert words[0] == "pytest"
    second = pytester.runpytest_inprocess("-p", "sim.pytest_plugin", "-p", "no:cacheprovider", *words[1:])
    second.assert_outcomes(failed=1)
    assert section(second)[0].partition(", now")[0] == section(first)[0].partition(", now")[0]
    assert again(second) == again(first)
    monkeypatch.setenv("PYTHONHASHSEED", "3")
    assert again(suite(text)).startswith("PYTHONHASHSEED=3 pytest ")


def test_the_command_is_for_the_folder_it_was_started_in(suite, pytester, monkeypatch):
    """Paths are relative to it, as the ones that were given."""
    suite("")
    pytester.makeini("[pytest]\n")
    below = pytester.mkdir("below")
    (below / "test_below.py").write_text("def test_it(world):\n    assert 0\n")
    monkeypatch.chdir(below)
    result = pytester.runpytest_inprocess("-p", "sim.pytest_plugin", "-p", "no:cacheprovider")
    assert again(result) == "pytest test_below.py::test_it --sim-seed=0"


def test_a_test_that_imports_sim_in_its_body_is_watched_too(pytester):
    """Nobody has imported `sim` before it."""
    pytester.makepyfile("def test_late():\n    from sim import World\n    with World(8):\n        assert 0\n")
    result = pytester.runpytest_subprocess("-p", "sim.pytest_plugin", "-p", "no:cacheprovider")
    assert section(result)[0] == "seed 8, clock virtual, now 0.000000000 s"


def test_reads_that_follow_each_other_are_one_line(suite):
    """`readline` reads byte by byte: of each device it is one line, from the first byte to the last, until anything else happens."""
    result = suite(
        """
def test_lines(world):
    world.serial("imu", Echo())
    world.serial("gps", Echo())
    with serial.Serial("imu", 10_000, timeout=1) as imu, serial.Serial("gps", 10_000, timeout=1) as gps:
        imu.write(b"ab\\nc\\n")
        gps.write(b"xy")
        world.wait(world.bell(), 8_500_000)
        gps.read(1)
        imu.readline()
        gps.read(1)
        imu.readline()
        gps.write(b"!")
        gps.read(1)
        assert 0
"""
    )
    reads = [line.split("  ")[1:] for line in section(result) if "  read  " in line]
    assert reads == [
        ["0.008500000 s", "gps", "read", "b'xy'"],
        ["0.008500000 s", "imu", "read", "b'ab\\nc\\n' until 0.010000000 s"],
        ["0.012000000 s", "gps", "read", "b'!'"],
    ]


def test_a_cut_trace_counts_its_events_and_says_where_all_of_them_are(suite, tmp_path):
    """Lines that hold many reads count as many; without `--sim-trace` the report names the option, with it the folder."""
    text = """
def test_many(world, port):
    s = serial.Serial(port("imu", Echo()), 115200, timeout=1)
    for _ in range(20):
        s.write(b"abc")
        for _ in range(3):
            s.read(1)
    assert 0
"""
    heads = [[line for line in section(suite(text, *arguments)) if "events" in line] for arguments in ((), (f"--sim-trace={tmp_path}",))]
    assert [
        ["the last 46 of 123 events (--sim-trace=DIR writes all of them to a file):"],
        [f"the last 46 of 123 events (all of them are in {tmp_path}):"],
    ] == heads


def test_a_rate_that_spoils_bytes_is_shown_however_long_ago_it_was_told(suite):
    """What is wrong from the beginning is not cut away with it."""
    result = suite("""
class Twin(Echo):
    baudrate = 19200

def test_garbage(port):
    s = serial.Serial(port("imu", Twin()), 9600, timeout=1)
    for _ in range(20):
        s.write(b"ping")
        s.read(4)
    assert 0
""")
    lines = section(result)
    assert "earlier: 0.004166666 s  imu  mismatch  device 19200 8N1, port 9600 8N1" in lines
    assert 1 == sum("mismatch" in line for line in lines)


BROKEN = """
class Broken(SerialDevice):
    def on_data(self, data):
        {}["boo"]

@pytest.fixture
def driver(port):
    with serial.Serial(port("imu", Broken()), 9600, timeout=1) as driver:
        yield driver
        time.sleep(1)
"""
BOO = "DeviceError: device imu: Broken.on_data: needed hooks that return, KeyError was raised ('boo') at 0.001041666 s; mend the device"


@pytest.mark.parametrize("call", ["read(1)", "flush(), time.sleep(1)"])
def test_what_a_device_raised_is_told_once_and_by_its_own_name(suite, call, monkeypatch):
    """The test fails with it, whatever pyserial made of it; closing fixtures and the world does not bring it up again."""
    monkeypatch.setenv("COLUMNS", "200")
    result = suite(f"import time\n{BROKEN}\ndef test_read(driver):\n    driver.write(b'a')\n    driver.{call}\n")
    result.assert_outcomes(failed=1)
    assert f"FAILED test_it.py::test_read - {BOO}" in result.stdout.str().replace("dfcore.errors.", "")


def test_what_a_device_raised_unseen_fails_the_teardown(suite):
    """A failure of the test that has nothing to do with it does not hide it."""
    result = suite(f"import time\n{BROKEN}\ndef test_own(port):\n    s = serial.Serial(port('imu', Broken()), 9600)\n    s.write(b'a')\n"
                   "    try:\n        s.read(1)\n    except Exception:\n        pass\n    assert 0\n")
    result.assert_outcomes(failed=1, errors=1)


def test_the_report_of_a_device_that_raised_shows_no_code_of_sim(suite):
    """The hook, the test, and the driver: what sim did between them is left out; `--full-trace` brings it back."""
    text = f"import time\n{BROKEN}\ndef test_read(driver):\n    driver.write(b'a')\n    time.sleep(1)\n"
    shown = ["sim/kernel.py" in suite(text, *arguments).stdout.str() for arguments in ((), ("--full-trace",))]
    assert [False, True] == shown


def test_choices_are_shown(suite):
    """The order of tasks of the failing example, to be pasted into `World(choices=...)`."""
    result = suite("def test_own():\n    with World(5, choices=[0, 2]):\n        assert 0\n")
    assert "seed 5, clock virtual, choices [0, 2], now 0.000000000 s" == section(result)[0]
