"""What can be wrong with a node or a context by itself. Pure: declarations in, problems out.

Law: a check reports everything it finds and never stops at the first; values are judged here, when all is said, not where they
were written. Edges are judged in `wiring.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from .blocks import Context
from .declared import ERROR_OUTPUT, NODE_OPTIONS, Declared, free_nodes
from .edge import End, input_names
from .errors import Problem
from .node import METHODS, Node, assigned_names
from .params import Params
from .parts import Contents
from .replicas import MOST_REPLICAS, count_of
from .signature import LONGEST_S, finite

INLINE = "inline"
OVERRUN = ("skip", "catch_up")
ON_DEADLINE = ("count", "safe", "error")
ON_ERROR = ("stop", "skip", "retry", "emit")
_MOST_RETRIES = 10**9
_FORBIDDEN = ("/", "->", ".", "[", "]", "\n")
_MAX_RATE_HZ = 1e9
LEAST_ARENA, MOST_ARENA = 4096, 128 << 30
_PARAMS_NAMES = frozenset(dir(Params))
_LEAST_MATCHED = 2
_OF_RELAYS = ("name", "deadline_s", "on_deadline", "cost_ns", "arena_bytes")
_MOST_LOOKED_AT = 1000  # items of a container: longer ones hold data


def check_part(graph: Contents) -> Problem | None:
    """A graph that is a part does not run by itself."""
    if graph._members.graph is None:
        return None
    whole = graph._whole.name
    do = f"run `{whole}`, or make it inside `with top_graph():`"
    return _graph_problem(graph, "part", "an outermost graph to run", f"a part of graph `{whole}`", do)


def check_graph(graph: Contents) -> Iterator[Problem]:
    """Nothing to run, and names that are not unique."""
    books = graph._books
    if not books:
        free = sorted((node._declared for node in free_nodes if isinstance(node, Node)), key=lambda book: book.serial)
        names = ", ".join(f"`{book.name}`" for book in free[:10]) + (", …" if len(free) > 10 else "")
        do = f"take these free nodes in: {names}" if free else "make nodes inside `with graph:`"
        yield _graph_problem(graph, "empty", "nodes to run", "empty", do)
    same = defaultdict(list)
    for book in books:
        same[book.name].append(book)
    for twins in same.values():
        for twin in twins[1:]:
            first = f"also the name of the node made in {twins[0].file}:{twins[0].line}"
            yield twin.problem("name", "a name of its own in the graph", first, f'rename it: name="{twin.base_name}_2"')
    for part in graph._parts:
        if any(sign in part._members.base_name for sign in _FORBIDDEN):
            needed = "a name without " + " ".join(repr(sign) for sign in _FORBIDDEN)
            yield _graph_problem(part, "name", needed, repr(part._members.base_name), "rename it")
    for each in (graph, *graph._parts):
        for label in sorted(each._members.exposed.keys() & each._names.values()):
            needed, found = "names of their own for the ends that it exposes, and for its nodes", f"`{label}` for both"
            yield _graph_problem(each, "name", needed, found, "rename one of the two")


def _graph_problem(graph: Contents, code: str, needed: str, found: str, do: str) -> Problem:
    members = graph._members
    where = f"graph {graph.name}"
    return Problem(code=code, where=where, needed=needed, found=found, do=do, file=members.file, line=members.line)


def check_node(book: Declared) -> Iterator[Problem]:
    """Everything about one node but its edges."""
    yield from book.problems
    yield from book.signature.problems
    yield from _check_role(book)
    yield from _check_methods(book)
    yield from _check_parameters(book)
    yield from _check_options(book)
    yield from _check_references(book)
    yield from _check_fed(book)


def check_context(context: Context, cpus: Collection[int]) -> Iterator[Problem]:
    """The options of a context. `cpus`: those that the machine has."""

    def problem(needed: str, found: Any, do: str) -> Problem:
        return Problem(code="context", where=f"context {context.name}", needed=needed, found=str(found), do=do,
                       file=context.file, line=context.line)  # fmt: skip

    if not isinstance(context.own_name, str) or context.own_name in ("", INLINE):
        yield problem("a name of its own", repr(context.own_name), f"rename it; nodes of no context are called `{INLINE}`")
    elif "/" in context.own_name:
        yield problem("a name without '/', which stands behind the name of a part", repr(context.own_name), "rename it")
    if context.kind not in ("process", "thread"):
        yield problem('kind "process" or "thread"', repr(context.kind), "choose one; nodes of no context run in the caller")
    numbers = cpu_numbers(context.cpu)
    if numbers is None:
        yield problem("cpu as an int or a sequence of them", repr(context.cpu), "write cpu=0 or cpu=[0, 1]")
    elif lost := [number for number in numbers if number not in cpus]:
        has = ", ".join(map(str, sorted(cpus)))
        yield problem("a cpu of this machine", ", ".join(map(str, lost)), f"choose from {has}")
    if context.priority is not None and not (_whole(context.priority) and 1 <= context.priority <= 99):
        yield problem("priority 1 to 99", repr(context.priority), "choose one, or leave it out for an ordinary process")
    if not finite(context.spin_us) or not 0 <= context.spin_us <= LONGEST_S:
        yield problem("spin_us of 0 to 1e9", repr(context.spin_us), "0 does not spin")


def cpu_numbers(cpu: Any) -> tuple[int, ...] | None:
    """What `cpu=` says as numbers; None if it says nothing sensible; empty if nothing was asked for."""
    if cpu is None:
        return ()
    numbers = (cpu,) if _whole(cpu) else cpu
    if not isinstance(numbers, Iterable) or isinstance(numbers, (str, bytes)):
        return None
    numbers = tuple(numbers)
    return tuple(int(number) for number in numbers) if numbers and all(map(_whole, numbers)) else None


def period_ns(rate_hz: Any) -> tuple[int, int]:
    """The exact period of a rate, numerator and denominator: 0.1 Hz is one in ten seconds, not its nearest double."""
    rate = Fraction(rate_hz)
    short = rate.limit_denominator(10**6)
    if float(short) == float(rate):
        rate = short
    period = 10**9 / rate
    return period.numerator, period.denominator


def option(book: Declared, name: str) -> Any:
    """An option of a node as given, or its default."""
    return book.options.get(name, NODE_OPTIONS[name])


def _whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _check_role(book: Declared) -> Iterator[Problem]:
    inputs, has_compute = input_names(book), hasattr(book.node, "compute")
    kind = type(book.node).__name__
    if book.role == "emitter" and inputs and has_compute:
        found = ", ".join(f"`{name}`" for name in inputs)
        yield book.problem("role", "an Emitter without inputs", found, "put them behind `*`, or make it a Router")
    if book.role != "emitter" and not inputs and has_compute:
        base = book.role.capitalize()
        yield book.problem("role", f"a {base} with inputs", "`compute` without any", "add an input, or make it an Emitter")
    if book.role != "collector" and not book.outputs and not any(problem.code == "outputs" for problem in book.problems):
        found = "none"
        do = f"call super().__init__(dtype) in {kind}.__init__, or {kind}(dtype)"
        yield book.problem("dtype", "a dtype for its output", found, do)
    sources = [edge.source.book for edge in book.edges if edge.target.node is book.node]
    if book.passes_on and sources and all(source.passes_on for source in sources) and book.passed_dtype() is None:
        yield book.problem("dtype", "a dtype of what it passes on", "only itself upstream", "connect a node that has one")
    if book.role == "collector" and book.signature.style.endswith("generator"):
        do = "remove its `yield`: a Collector publishes nothing"
        yield book.problem("role", "a Collector whose `compute` is no generator", "a generator function", do)


def _check_methods(book: Declared) -> Iterator[Problem]:
    kind = type(book.node).__name__
    for name in assigned_names(book.node):
        if name in METHODS:
            yield book.problem("reserved", f"`{name}` as a method", "assigned on the object", f"write `def {name}` in {kind}")
        else:
            yield book.problem("reserved", "attributes with names of their own", f"`{name}`, which every node has", "rename it")
    for name in METHODS:
        if hasattr(book.node, name) and not callable(getattr(book.node, name)):
            yield book.problem("method", f"`{name}` as a method", repr(getattr(book.node, name)), f"write `def {name}`")


def _check_parameters(book: Declared) -> Iterator[Problem]:
    for name in book.signature.parameters:
        if name in NODE_OPTIONS:
            yield book.problem("parameter-name", "parameters with names of their own", f"`{name}`, an option", "rename it")
        elif name in _PARAMS_NAMES:
            yield book.problem("parameter-name", "parameters with names of their own", f"`{name}`, used by params", "rename it")


def _check_options(book: Declared) -> Iterator[Problem]:
    name, rate = option(book, "name"), option(book, "rate_hz")
    if name is not None and (not isinstance(name, str) or not name.strip() or any(part in name for part in _FORBIDDEN)):
        needed = "a name without " + " ".join(repr(part) for part in _FORBIDDEN)
        yield book.problem("name", needed, repr(name), "rename it")
    if rate is not None and book.role != "emitter":
        yield book.problem("option", "rate_hz on an Emitter only", f"a {book.role.capitalize()}", "leave it out")
    elif rate is not None and not ((isinstance(rate, Fraction) or finite(rate)) and 0 < rate <= _MAX_RATE_HZ):
        yield book.problem(
            "option", "rate_hz above 0 and at most 1e9", repr(rate), "leave it out to fire as fast as there is room"
        )
    yield from _check_choice(book, "overrun", OVERRUN, "rate_hz")
    yield from _check_choice(book, "on_deadline", ON_DEADLINE, "deadline_s")
    deadline = option(book, "deadline_s")
    if deadline is not None and not (finite(deadline) and 0 < deadline <= LONGEST_S):
        yield book.problem("option", "deadline_s above 0 and at most 1e9", repr(deadline), "leave it out for no deadline")
    if option(book, "on_deadline") == "safe" and not hasattr(book.node, "safe"):
        yield book.problem("option", 'a method `safe` for on_deadline="safe"', "none", "define it")
    yield from _check_relay(book)
    yield from _check_sync(book, option(book, "sync_s"))
    if not isinstance(option(book, "zero"), (bool, np.bool_)):
        yield book.problem("option", "zero True or False", repr(option(book, "zero")), "")
    yield from _check_arena(book, option(book, "arena_bytes"))
    yield from _check_cost(book, option(book, "cost_ns"))
    yield from _check_on_error(book)
    replicas = option(book, "replicas")
    if not _whole(replicas) or not 1 <= replicas <= MOST_REPLICAS:
        yield book.problem("option", f"replicas as an int of 1 to {MOST_REPLICAS}", repr(replicas), "1 is a node by itself")
    if not isinstance(option(book, "ordered"), (bool, np.bool_)):
        yield book.problem("option", "ordered True or False", repr(option(book, "ordered")), "")
    elif "ordered" in book.options and "replicas" not in book.options:
        yield book.problem("option", "replicas beside ordered", "none", "add replicas=, or leave ordered out")


def _check_on_error(book: Declared) -> Iterator[Problem]:
    action, errors = option(book, "on_error"), option(book, "errors")
    if action not in ON_ERROR:
        yield book.problem("option", f"on_error {' or '.join(map(repr, ON_ERROR))}", repr(action), "choose one")
    kinds = errors if isinstance(errors, (tuple, list)) else ()
    if not kinds or not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        do = "name them in a tuple: errors=(ValueError,); what is no Exception ends the run in any case"
        yield book.problem("option", "errors as a tuple of subclasses of Exception", repr(errors), do)
    if not _whole(option(book, "retries")) or not 1 <= option(book, "retries") <= _MOST_RETRIES:
        yield book.problem("option", "retries as an int of 1 to 1e9", repr(option(book, "retries")), 'or on_error="stop"')
    delay = option(book, "retry_delay_s")
    if not finite(delay) or not 0 <= delay <= LONGEST_S:
        yield book.problem("option", "retry_delay_s of 0 to 1e9", repr(delay), "0 tries again at once")
    for name, needs in (("errors", ON_ERROR[1:]), ("retries", ("retry",)), ("retry_delay_s", ("retry",))):
        if name in book.options and action in ON_ERROR and action not in needs:
            needed = f"on_error {' or '.join(map(repr, needs))} beside {name}"
            yield book.problem("option", needed, repr(action), f"leave {name} out, or choose another on_error")
    if action == "retry" and book.role == "emitter" and book.signature.style.endswith("generator"):
        do = "make `compute` a plain function that returns one record"
        yield book.problem("option", 'an emitter that can be taken up again for on_error="retry"', "a generator", do)
    if action == "emit" and ERROR_OUTPUT in book.outputs:
        needed = f'no output `{ERROR_OUTPUT}` beside on_error="emit", which adds one'
        yield book.problem("option", needed, f"an output `{ERROR_OUTPUT}`", "rename it")


def _check_relay(book: Declared) -> Iterator[Problem]:
    """`merge` and `share` raise nothing, compute nothing and write whole records."""
    for name in book.options if book.passes_on else ():
        if name not in _OF_RELAYS and book.options[name] != NODE_OPTIONS[name]:
            needed = f"one of {', '.join(_OF_RELAYS)} as option of a {type(book.node).__name__}"
            yield book.problem("option", needed, f"{name}={book.options[name]!r}", f"leave {name} out")


def _check_sync(book: Declared, within: Any) -> Iterator[Problem]:
    if within is None:
        return
    if not (finite(within) and 0 <= within <= LONGEST_S):
        yield book.problem("option", "sync_s of 0 to 1e9", repr(within), "0 matches records about one time")
    if not book.passes_on and len(input_names(book)) < _LEAST_MATCHED:
        found = f"{len(input_names(book))}"
        yield book.problem("option", "several inputs to match by sync_s", found, "leave it out, or connect more")


def _check_choice(book: Declared, name: str, choices: tuple[str, ...], with_option: str) -> Iterator[Problem]:
    value = option(book, name)
    if value not in choices:
        listed = " or ".join(f'"{choice}"' for choice in choices)
        yield book.problem("option", f"{name} {listed}", repr(value), "choose one")
    elif value != choices[0] and option(book, with_option) is None:
        yield book.problem("option", f"{with_option} beside {name}", "none", f"add {with_option}=, or leave {name} out")


def _check_arena(book: Declared, size: Any) -> Iterator[Problem]:
    if not _whole(size) or not LEAST_ARENA <= size <= MOST_ARENA:
        yield book.problem("option", f"arena_bytes as an int of {LEAST_ARENA} to {MOST_ARENA}", repr(size), "leave it out for 64 MiB")
    if "arena_bytes" in book.options and not any(dtype is not None and dtype.hasobject for dtype in book.published.values()):
        yield book.problem("option", "an output of dtype object beside arena_bytes", "none", "leave it out: records need no arena")


def _check_cost(book: Declared, cost: Any) -> Iterator[Problem]:
    good = callable(cost) or finite(cost) and 0 <= cost <= LONGEST_S * 1e9
    if not good and isinstance(cost, Iterable) and not isinstance(cost, (str, bytes)):
        costs = list(cost)
        good = bool(costs) and all(finite(item) and 0 <= item <= LONGEST_S * 1e9 for item in costs)
    if not good:
        needed = "cost_ns as a number of 0 to 1e18, a sequence of them, or a function of the rng"
        yield book.problem("option", needed, repr(cost), "0 costs nothing")


def _check_references(book: Declared) -> Iterator[Problem]:
    """Nodes travel by context: what a node refers to must travel with it."""
    for attribute, value in vars(book.node).items():
        if isinstance(value, (Contents, Context)) and book.context is not None and book.context.kind == "process":
            needed = f"`{attribute}` to be something that can go to the process `{book.context.name}`"
            yield book.problem("reference", needed, repr(value), "keep graphs out of nodes")
        for other in _nodes_in(value):
            there = other._declared
            if there.outermost is book.outermost and there.context is not book.context:
                needed = f"`{attribute}` to refer to nodes of its own context `{_context_name(book)}`"
                found = f"`{there.name}` of context `{_context_name(there)}`"
                yield book.problem("reference", needed, found, "connect them with an edge, or put them in one context")
            elif there is not book and max(count_of(book), count_of(there)) > 1:
                needed = f"`{attribute}` not to refer to another node, where one of the two has replicas"
                yield book.problem("reference", needed, f"`{there.name}`", "connect them with an edge")


def _check_fed(book: Declared) -> Iterator[Problem]:
    """What the program feeds is where the program is, and fires when it does."""
    if not getattr(book.node, "_fed", False):
        return
    if book.context is not None and book.context.kind == "process":
        do = 'put it into no context, or one of kind="thread", or give it an iterable'
        yield book.problem("fed", "an emit() without iterable in the program's own process", f"in process context `{book.context.name}`", do)
    if option(book, "rate_hz") is not None:
        yield book.problem("fed", "no rate_hz on an emit() without iterable", "one", "the program sets the pace: put at that rate")


def _context_name(book: Declared) -> str:
    return book.context.name if book.context is not None else INLINE


def _nodes_in(value: Any) -> Iterator[Node]:
    """The nodes that `value` is or holds, one level deep."""
    if isinstance(value, (dict, list, tuple, set, frozenset)) and len(value) > _MOST_LOOKED_AT:
        return
    held = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple, set, frozenset)) else (value,)
    for item in held:
        if isinstance(item, Node):
            yield item
        elif isinstance(item, End):
            yield item.node
