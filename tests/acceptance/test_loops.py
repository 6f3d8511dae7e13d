"""Acceptance: cycles, and edges that fill. A11, A17 and A30."""

import pytest

from dfcore import SKIP, STOP, DfcoreError, Graph, GraphError, Router, collect, emit, router


@router("i8")
def observer(readout, control):
    return readout + control


@router("i8")
def controller(estimate):
    return -estimate


def loop(driver, **feedback):
    """The graph of the cart-pole in integers, and its three collectors."""
    with Graph() as graph:
        with driver.at(graph, "io"):
            sensor, logger = emit(range(1, 6), "i8", name="sensor"), collect(name="logger")
        with driver.at(graph, "control"):
            observe, control = observer(), controller()
            estimates, controls = collect(name="estimates"), collect(name="controls")
    sensor.to(observe["readout"])
    sensor.to(logger)
    observe.to(control).to(observe["control"], **feedback)
    observe.to(estimates)
    control.to(controls)
    return graph, logger, estimates, controls


def test_a11_a_cycle_needs_initial_records(driver):
    """A11 (a): a cycle that could never fire is refused when it is built, and named."""
    graph, *_ = loop(driver)
    with pytest.raises(GraphError) as error:
        driver.run(graph)
    assert "observer" in str(error.value)
    assert "controller" in str(error.value)


def test_a11_the_loop_with_its_first_control(driver):
    """A11 (b): from control 0 the estimates are 1 1 2 2 3, and the logger sees the sensor's records only."""
    graph, logger, estimates, controls = loop(driver, initial=[0])
    driver.run(graph)
    assert [1, 1, 2, 2, 3] == estimates.records.tolist()
    assert [-1, -1, -2, -2, -3] == controls.records.tolist()
    assert [1, 2, 3, 4, 5] == logger.records.tolist()


class Fibonacci(Router):
    """Two outputs fed back to its own inputs; brings home what it saw."""

    def __init__(self):
        super().__init__(outputs={"a": "i8", "b": "i8"})

    def open(self):
        self.seen = []

    def compute(self, x1, x2, *, limit=1000):
        self.seen.append(x1)
        return STOP if x2 >= limit else (x2, x1 + x2)

    def close(self):
        return self.seen


def test_a17_fibonacci_ends_by_itself_and_runs_again(driver):
    """A17: two feedback edges with an initial record each; both runs begin alike."""
    expected = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987]
    with Graph() as graph, driver.at(graph, "a"):
        fib = Fibonacci()
    fib["a"].to(fib["x1"], initial=[0])
    fib["b"].to(fib["x2"], initial=[1])
    driver.run(graph)
    assert expected == fib.result
    driver.run(graph)
    assert expected == fib.result


@router("i8")
def total(batch):
    return int(batch.sum())


@router("i8")
def both(x, y):
    return x + y


def reconvergent(driver, depth):
    """a -> b takes 100 at a time, b -> c and a -> c one: c needs b's first, while a -> c fills."""
    with Graph() as graph:
        with driver.at(graph, "one"):
            a = emit(range(100), "i8", name="a")
        with driver.at(graph, "two"):
            b = total(name="b")
        with driver.at(graph, "three"):
            c, out = both(name="c"), collect(name="out")
    a.to(b, batch=100, depth=3)
    b.to(c["x"], depth=3)
    a.to(c["y"], depth=depth)
    c.to(out)
    return graph, out


def test_a30_a_deadlock_of_full_edges_is_an_error(driver):
    """A30: the run ends with an error that names the edge and the depth that it needs, as the compiler foretold."""
    graph, _ = reconvergent(driver, 3)
    with pytest.warns(RuntimeWarning, match="a -> c.y: needed depth 100"), pytest.raises(DfcoreError) as error:
        driver.run(graph)
    assert "a -> c" in str(error.value)
    assert "100" in str(error.value)


def test_a30_the_depth_it_asked_for_is_enough(driver):
    """A30: with depth 100 the join fires once, and 99 records are left over and counted."""
    graph, out = reconvergent(driver, 100)
    report = driver.run(graph)
    assert [sum(range(100))] == out.records.tolist()
    assert 1 == report.nodes["c"].firings
    assert 99 == report.edges["a -> c.y"].unread


@pytest.mark.parametrize("kept_open", [False, True], ids=["the stream ends", "stop"])
def test_a30_a_loop_that_lost_its_record_is_an_error(driver, kept_open):
    """A node that skips once in a loop waits for ever for what only it can write: found when the others have ended, or at `stop`."""

    @router("i8")
    def skips(x, previous):
        return SKIP if x == 3 else x + previous

    with Graph() as graph:
        with driver.at(graph, "io"):
            numbers = emit(range(8), "i8")
        with driver.at(graph, "loop"):
            summed, out = skips(name="summed"), collect()
    numbers.to(summed["x"], depth=16)
    summed.to(summed["previous"], initial=[0])
    summed.to(out)
    if kept_open:
        emit(dtype="i8", name="open").to(collect())
    with pytest.raises(GraphError, match="summed -> summed.previous: needed a record, was empty, and nobody can write one"):
        driver.run(graph, **({"duration_s": 0.2} if kept_open else {}))
