"""What the program sees of a run, when, and for how long the memory is kept for it."""

from __future__ import annotations

import threading

from dfcore import onlooker
from dfcore.compiler import compile
from dfcore.graph import Declaration
from dfcore.inline import Orders
from dfcore.memory import Memory
from dfcore.onlooker import Onlooker
from tests.nodes import log, noise


def looking():
    """An onlooker, and the memory of its run."""
    with Declaration() as graph:
        noise().to(log())
    plan = compile(graph)
    return Onlooker(plan, Orders(), clock="real", seed=3, digest=False, duration_ns=None), Memory.create(plan, shared=False)


def test_there_is_something_to_see_while_a_run_is_under_way():
    """The report from when every node is open, why a node waits from the beginning; nothing before and nothing after."""
    seen, memory = looking()
    assert (False, None, None) == (seen.under_way, seen.report_so_far(), seen.why(0))
    seen.begin(memory)
    assert (True, None, "log") == (seen.under_way, seen.report_so_far(), seen.why(1).chain[0].node)
    seen.opened.set()
    report = seen.report_so_far()
    assert ("running", 3, 0) == (report.ended, report.seed, report.nodes["noise"].firings)
    seen.end(memory.close)
    assert (False, None, None) == (seen.under_way, seen.report_so_far(), seen.why(0))
    assert seen.over.is_set()


def test_whoever_waits_for_the_nodes_of_a_run_that_never_began_goes_on():
    """The end sets `opened`, too."""
    seen, memory = looking()
    seen.end(memory.close)
    assert seen.opened.is_set()


def test_the_memory_is_not_let_go_under_an_onlookers_eyes(monkeypatch):
    """The end of the run waits for who looks."""
    seen, memory = looking()
    looks, go_on, left = threading.Event(), threading.Event(), threading.Event()

    def slowly(*args, **options):
        looks.set()
        go_on.wait()

    monkeypatch.setattr(onlooker, "make_report", slowly)
    seen.begin(memory)
    seen.opened.set()
    threads = [threading.Thread(target=seen.report_so_far), threading.Thread(target=seen.end, args=(left.set,))]
    threads[0].start()
    looks.wait()
    threads[1].start()
    threads[1].join(0.05)  # it would be over by then
    assert not left.is_set()
    go_on.set()
    for thread in threads:
        thread.join()
    assert left.is_set()
    memory.close()
