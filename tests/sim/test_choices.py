"""Which task runs next is data: a list of numbers finds what a first-in-first-out order hides, and shrinks."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import find, given, settings

from sim import SimDeadlock, World
from sim.strategies import schedule_choices


def counted(choices):
    """Two threads add one each, without a lock around reading and writing."""
    total = [0]

    def add():
        before = total[0]
        time.sleep(0)  # any call that may let others run
        total[0] = before + 1

    with World(choices=choices):
        threads = [threading.Thread(target=add) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return total[0]


def embraced(choices):
    """Two threads take two locks, each in an order of its own; whether they end."""
    with World(choices=choices):
        first, second = threading.Lock(), threading.Lock()

        def work(one, other):
            with one, other:
                pass

        threads = [threading.Thread(target=work, args=pair) for pair in ((first, second), (second, first))]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except SimDeadlock:
            return False
    return True


def interleaved(choices):
    """The order in which three threads of four steps each ran."""
    log = []

    def work(name):
        for _ in range(4):
            log.append(name)
            time.sleep(0)

    with World(choices=choices):
        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return "".join(log)


FIND = settings(max_examples=2000, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize(("program", "good", "most"), [(counted, 2, 1), (embraced, True, 3)])
def test_a_race_is_found_and_shrinks(program, good, most):
    """The ordinary order hides it; the smallest list that shows it deviates seldom, and by little."""
    assert program([]) == good
    smallest = find(schedule_choices(), lambda choices: program(choices) != good, settings=FIND)
    deviations = [choice for choice in smallest if choice]
    assert 1 <= len(deviations) <= most
    assert max(deviations) <= 2
    assert program(smallest) != good


def test_zeros_and_the_end_of_the_list_are_the_ordinary_order():
    """Only a number above zero changes anything."""
    assert interleaved([0] * 100) == interleaved([]) == interleaved([0])


@settings(max_examples=50, deadline=None)
@given(schedule_choices())
def test_a_list_is_a_run(choices):
    """The same list gives the same order; every thread still does its four steps."""
    log = interleaved(choices)
    assert log == interleaved(choices)
    assert sorted(log) == sorted("aaaabbbbcccc")


def test_orders_differ():
    """Lists lead to many orders."""
    assert len({interleaved([number // 3**place % 3 for place in range(5)] * 4) for number in range(3**5)}) > 20


@pytest.mark.parametrize("choices", ["01", b"01", 3, None])
def test_choices_are_a_list(choices):
    """A string is no list of numbers, and neither is a number."""
    with pytest.raises(TypeError, match=r"needed choices as a list of whole numbers"):
        World(choices=choices)


@pytest.mark.parametrize("choice", [-1, 0.5, True, "1", None, float("nan")])
def test_a_choice_is_a_whole_number_from_0(choice):
    """The message shows which one is not."""
    with pytest.raises(ValueError, match=r"needed choices of whole numbers from 0, was .* among them"):
        World(choices=[0, choice])


def test_a_world_tells_its_choices():
    """As a tuple, whatever they were given as, and where it is printed."""
    assert World(choices=iter([1, 2])).choices == (1, 2)
    assert repr(World(choices=[0, 1])) == "<World, seed 0, clock virtual, choices [0, 1], new, 0.000000000 s>"
