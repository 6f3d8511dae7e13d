"""What the machine allows is applied; what it refuses is one sentence and changes nothing."""

import os
import resource
import select
import subprocess
import sys

import pytest

from dfcore import machine


def child(code: str, **options) -> str:
    """What a fresh Python prints when it runs `code`; limits set in it stay there."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, **options).stdout.strip()


@pytest.mark.parametrize(("ranges", "numbers"), [("0-3,8", {0, 1, 2, 3, 8}), ("5\n", {5}), ("", set())])
def test_core_lists_are_read_as_the_kernel_writes_them(ranges, numbers):
    """Ranges and single numbers, comma-separated."""
    assert numbers == machine.cpus(ranges)


def test_this_machine_has_the_cores_it_runs_on():
    """A mask never holds a core that does not exist."""
    assert machine.allowed_cpus() <= machine.cpus()


@pytest.mark.parametrize(
    ("wanted", "cores", "refused"),
    [((), {0, 1}, False), ((1,), {1}, False), ((1, 5), {1}, True), ((7,), {0, 1}, True)],
)
def test_a_context_runs_where_it_may_of_what_it_wanted(wanted, cores, refused):
    """Cores outside the mask are one sentence, not an error."""
    chosen, sentence = machine.choose_cpus(wanted, {0, 1})
    assert cores == chosen
    assert refused == (sentence is not None)


def test_the_refusal_of_a_core_says_what_there_is():
    """Where, needed, was, do."""
    _, sentence = machine.choose_cpus([7], [0, 1])
    assert "cpu 7: needed to be in this process's affinity mask or cgroup, which allow 0, 1; runs unpinned" == sentence


@pytest.mark.parametrize(
    ("name", "found"),
    [("alone", None), ("free", "was not pinned"), ("a", "was shared with context 'b'"), ("b", "was shared with context 'a'")],
)
def test_spinning_needs_a_core_of_its_own(name, found):
    """Two contexts that spin on one core would starve each other."""
    places = [("alone", frozenset({3})), ("free", None), ("a", frozenset({0, 1})), ("b", frozenset({1}))]
    sentence = machine.shared_cores(places, name)
    assert sentence is None if found is None else found in sentence


def test_pinning_keeps_the_thread_on_its_core():
    """A pinned process may run nowhere else."""
    core = min(machine.allowed_cpus())
    code = f"from dfcore import machine; print(machine.pin([{core}]), sorted(machine.allowed_cpus()))"
    assert f"None [{core}]" == child(code)


def test_an_impossible_core_is_refused():
    """The kernel's no is a sentence."""
    before = os.sched_getaffinity(0)
    assert "cpu 1000: the machine refused (Invalid argument); runs unpinned" == machine.pin([1000])
    assert before == os.sched_getaffinity(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a right away")
def test_without_the_right_a_priority_is_refused():
    """Without CAP_SYS_NICE a context runs with normal priority and says what would allow more."""
    code = (
        "import ctypes, os; from dfcore import machine; ctypes.CDLL(None).setuid(65534);"
        "print(machine.set_priority(50)); print(os.sched_getscheduler(0) == os.SCHED_OTHER)"
    )
    sentence, normal = child(code).splitlines()
    assert sentence.startswith("priority 50: the machine refused (Operation not permitted); runs with normal priority")
    assert "`ulimit -r 50` (was 0)" in sentence
    assert "True" == normal


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a right away")
def test_a_small_limit_refuses_the_memory_lock():
    """A limit that the process already exceeds leaves it unlocked, in one sentence with the limit."""
    code = "import ctypes; from dfcore import machine; ctypes.CDLL(None).setuid(65534); print(machine.keep_in_memory())"

    def limit():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))

    sentence = child(code, preexec_fn=limit)
    assert sentence.startswith("memory lock: the machine refused (")
    assert sentence.endswith("(was 64 KiB)")


def test_timers_can_be_sharp():
    """The slack asked for is the slack the kernel has."""
    code = "from dfcore import machine; print(machine.sharpen_timers()); print(open('/proc/self/timerslack_ns').read().strip())"
    assert ["None", str(machine.TIMER_SLACK_NS)] == child(code).splitlines()


def test_there_is_memory_left():
    """The figure is positive and no greater than what the machine calls available."""
    left, limiter = machine.available_memory()
    assert 0 < left < 1 << 50
    assert limiter == "the machine" or limiter.startswith("the cgroup /")


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"memory.max": "1000", "memory.current": "400", "memory.stat": "anon 1\ninactive_file 50\n"}, 650),
        ({"memory.max": "max", "memory.current": "400", "memory.stat": ""}, None),
        ({"memory.limit_in_bytes": "1000", "memory.usage_in_bytes": "900", "memory.stat": "total_inactive_file 7\n"}, 107),
        ({}, None),
    ],
)
def test_both_versions_of_cgroups_are_understood(tmp_path, files, left):
    """Limit less usage, page cache counted as left; no limit is None."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert left == machine._left_in(tmp_path)


def test_room_for_files_is_asked_before_it_is_needed():
    """The sentence says how many are needed, in use and allowed, and what allows more."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd")) - 1
    assert machine.room_for_files(limit - used) is None
    expected = f"needed {limit} more open files, was {used} of {limit} in use; allow more with `ulimit -n {used + limit}`"
    assert expected == machine.room_for_files(limit)


PARENT_DIES = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import os, sys
from dfcore._process import die_with_parent
assert die_with_parent(os.getppid(), 1)
print(os.getpid(), flush=True)
while True:
    pass
'''])
time.sleep(3600)
"""


def test_an_orphan_that_hangs_dies_without_its_interpreter():
    """The parent is killed while the child loops: the child is gone after its grace, by its alarm."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT_DIES], stdout=subprocess.PIPE, text=True)
    orphan = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert [orphan] == select.select([orphan], [], [], 10)[0]
    os.close(orphan)


def test_a_group_wide_sigterm_does_not_kill_a_context():
    """While the parent lives, SIGTERM is the parent's to answer."""
    code = (
        "import os, signal; from dfcore._process import die_with_parent; die_with_parent(os.getppid(), 1);"
        "os.kill(os.getpid(), signal.SIGTERM); print('alive', signal.alarm(0))"
    )
    assert "alive 0" == child(code)
