"""Which output feeds which input: the edges of a declaration, resolved, with everything that is wrong about them.

Laws: every input has exactly one edge, and both ends have the same dtype, byte for byte (L1); a parameter has one writer; an edge
option means something or is refused. Pure: declarations in, wires and problems out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import dtypes
from .declared import EDGE_OPTIONS, ERROR_OUTPUT, Declared
from .edge import Edge, input_names
from .errors import DtypeError, Problem, did_you_mean
from .exposed import outside_name
from .params import converted, fit
from .parts import Contents
from .plan import ANY, EVERY, LATEST, ONE, PARAMETER
from .signature import LONGEST_S, InputSpec, ParameterSpec, finite

ON_FULL = ("wait", "drop_new", "drop_oldest", "error")
ON_STALE = ("safe", "skip", "error")
DEFAULT_DEPTH, DEFAULT_RING_BYTES, LEAST_DEPTH = 16, 16 << 20, 2
_MAX_COUNT = 2**31 - 1
_MAX_BYTES = 2**31 - 1  # of one array that NumPy has a dtype for; a window is written twice, and one record more
#: Why an option of an edge does not go with `sync_s` at its reader.
_UNMATCHED = {
    "policy": "leave it out: what is overwritten is no partner",
    "batch": "match the records first, and collect batches behind",
    "window": "match the records first, and take windows behind",
    "max_age_s": "put it on an edge behind: records keep their origin_ns",
    "initial": "leave it out: an initial record is about no time",
}


@dataclass(slots=True)
class Wire:
    """An edge whose ends were found."""

    edge: Edge
    source: Declared
    output: str
    dtype: np.dtype[Any] | None  # of the output; None if it was refused
    target: Declared
    spec: InputSpec | ParameterSpec
    position: int  # among the triggering inputs; -1 for a parameter
    initial: tuple[Any, ...] = ()  # as they will be stored

    @property
    def is_parameter(self) -> bool:
        """Whether it feeds a parameter, which never triggers."""
        return self.position < 0

    @property
    def policy(self) -> str:
        """EVERY, LATEST or PARAMETER."""
        return PARAMETER if self.is_parameter else str(option(self.edge, "policy"))

    @property
    def may_start(self) -> bool:
        """Whether its reader can fire before its writer has: that makes it feedback inside a cycle."""
        given = option(self.edge, "initial")
        empty = given.size == 0 if isinstance(given, np.ndarray) else isinstance(given, (list, tuple)) and not given
        return not empty or (isinstance(self.spec, ParameterSpec) and self.spec.name in self.target.params._values)


def option(edge: Edge, name: str) -> Any:
    """An option of an edge as given, or its default."""
    return edge.options.get(name, EDGE_OPTIONS[name])


def wire(edges: Sequence[Edge], problems: list[Problem]) -> list[Wire]:
    """Find the ends of each edge; an edge that lacks one becomes a problem."""
    wires = []
    for edge in edges:
        output, entry = _find_output(edge, problems), _find_input(edge, problems)
        if output is not None and entry is not None:
            wires.append(Wire(edge, edge.source.book, output, edge.source.book.published[output], edge.target.book, *entry))
    return wires


def inside_and_out(graph: Contents) -> tuple[list[Edge], list[Problem]]:
    """The edges between nodes of a graph, and a problem for each that leads out of it: to something free that is no member yet."""
    inside, problems = [], []
    for edge in graph._edges:
        outer = [book for book in (edge.source.book, edge.target.book) if book.outermost is not graph._members]
        if outer:
            needed, found = f"both ends inside of graph `{graph.name}`", f"`{outer[0].name}` outside of it"
            problems.append(edge.problem("outside", needed, found, "add both to one graph"))
        else:
            inside.append(edge)
    return inside, problems


def check_wires(books: Sequence[Declared], edges: Sequence[Edge], wires: Sequence[Wire]) -> Iterator[Problem]:
    """Everything about edges but their loops; converts initial values."""
    for edge in edges:
        yield from _check_options(edge)
    feeding = defaultdict(list)
    for item in wires:
        feeding[item.target.serial, item.edge.target.name].append(item)
    for several in feeding.values():
        for extra in several[1:]:
            first = several[0].edge
            found = f"also fed by {first.name} ({first.file}:{first.line})"
            yield extra.edge.problem("doubly-connected", f"one edge into `{extra.spec.name}`", found, "remove one of them")
    for book in books:
        yield from _check_connected(book)
    for item in wires:
        yield from _check_dtype(item)
        yield from _check_combination(item)
        yield from _check_relay(item)
        yield from _check_sync(item)
        yield from _check_initial(item)
        yield from _check_writer(item)


def default_depth(dtype: np.dtype[Any]) -> int:
    """16 records, fewer if they are large: at most 16 MiB, at least 2 (RULES 38)."""
    return max(LEAST_DEPTH, min(DEFAULT_DEPTH, DEFAULT_RING_BYTES // dtype.itemsize))


def _find_output(edge: Edge, problems: list[Problem]) -> str | None:
    book, name = edge.source.book, edge.source.name
    names = list(book.outputs)
    if name in book.published:
        return name
    if name == ERROR_OUTPUT:
        found = f'`{name}`, which on_error="emit" adds'
        problems.append(edge.problem("unknown-output", f"an output of `{book.name}`", found, f'give {book.name} on_error="emit"'))
        return None
    if not names:
        if book.role == "collector":
            problems.append(edge.problem("source", "a node with outputs", f"the Collector `{book.name}`", "turn the edge round"))
    elif name is not None:
        problems.append(edge.problem("unknown-output", f"an output of `{book.name}`", f"`{name}`", did_you_mean(name, names)))
    elif len(names) > 1:
        ends = ", ".join(f'["{each}"]' for each in names)
        found = f"`{book.name}`, which has {len(names)}"
        problems.append(edge.problem("several-outputs", "one output", found, f"choose one of {ends}"))
    else:
        return names[0]
    return None


def _find_input(edge: Edge, problems: list[Problem]) -> tuple[InputSpec | ParameterSpec, int] | None:
    book, name = edge.target.book, edge.target.name
    signature, names = book.signature, input_names(book)
    if name in signature.parameters:
        return signature.parameters[name], -1
    if name in names:
        position = names.index(name)
        return (signature.inputs[position] if position < len(signature.inputs) else signature.variadic), position  # type: ignore[return-value]
    if signature.problems and not names:
        return None  # nothing is known of its inputs, and that is reported
    known = [*names, *signature.parameters]
    if name is not None:
        problems.append(edge.problem("unknown-input", f"an input of `{book.name}`", f"`{name}`", did_you_mean(name, known)))
    elif book.role == "emitter":
        problems.append(edge.problem("target", "a node with inputs", f"the Emitter `{book.name}`", "turn the edge round"))
    else:
        taken = ", ".join(f"`{end}`" for end in names)
        do = "name the input, or remove an edge"
        problems.append(edge.problem("doubly-connected", f"a free input of `{book.name}`", f"all connected: {taken}", do))
    return None


def _check_connected(book: Declared) -> Iterator[Problem]:
    fed = {edge.target.name for edge in book.edges if edge.target.node is book.node}
    for name in input_names(book):
        if name not in fed and book.role != "emitter":
            do = f"connect a node to {outside_name(book, name)}"
            yield book.problem("unconnected", f"an edge into its input `{name}`", "not connected", do)
    for name, spec in book.signature.parameters.items():
        if spec.required and name not in fed:
            do = f"connect a node to {outside_name(book, name)}, or give it a default"
            yield book.problem("unconnected", f"an edge into its parameter `{name}`, which has no default", "not connected", do)


def _check_dtype(item: Wire) -> Iterator[Problem]:
    edge, spec, found = item.edge, item.spec, item.dtype
    if isinstance(spec, ParameterSpec) and not spec.settable:
        what = f"`{spec.name}={spec.default!r}`, which is fixed while running"
        yield edge.problem("parameter-fixed", "a parameter that may change", what, "give it a number as default, or none")
    if found is None:
        return
    if isinstance(spec, ParameterSpec) and found.hasobject:
        yield edge.problem("parameter-object", f"a dtype for parameter `{spec.name}`", "object", "declare one; objects only trigger")
        return
    if isinstance(spec, ParameterSpec) and (spec.low, spec.high) != (None, None) and found.base.kind not in "biuf":
        yield edge.problem("bounds", f"numbers for `{spec.name}`, which has Bounds", dtypes.describe(found), "remove the Bounds")
    needed = item.target.passed_dtype() if item.target.passes_on else spec.dtype and dtypes.stored(spec.dtype)
    if needed is None or needed == found:
        return
    what = f"dtype {dtypes.describe(needed)} of `{item.target.name}.{spec.name}`"
    fields = "; ".join(dtypes.difference(needed, found).splitlines())
    do = f"make the two agree ({fields})" if needed.names and found.names else "make the two agree"
    yield edge.problem("dtype", what, f"{dtypes.describe(found)} of `{edge.source_name}`", do)


def _check_options(edge: Edge) -> Iterator[Problem]:
    """The options that mean the same wherever the edge ends."""
    policy, on_full = option(edge, "policy"), option(edge, "on_full")
    if policy not in (EVERY, LATEST):
        yield edge.problem("option", 'policy "every" or "latest"', repr(policy), "choose one")
    for name in ("depth", "decimate", "batch", "window"):
        value = option(edge, name)
        if name in edge.options and value is not EDGE_OPTIONS[name] and not _counts(value):
            yield edge.problem("option", f"{name} as an int of 1 to {_MAX_COUNT}", repr(value), f"leave {name} out for the default")
    partial = option(edge, "partial")
    if not isinstance(partial, (bool, np.bool_)):
        yield edge.problem("option", "partial True or False", repr(partial), "")
    elif partial and option(edge, "batch") == 1:
        yield edge.problem("option", "batch beside partial", "none", "add batch=, or leave partial out")
    if option(edge, "window") is not None and option(edge, "batch") != 1:
        found = f"window={option(edge, 'window')!r} and batch={option(edge, 'batch')!r}"
        do = "leave one of them out: a window moves on by one record, a batch by k"
        yield edge.problem("option", "either a window or a batch", found, do)
    if on_full is not None and on_full not in ON_FULL:
        yield edge.problem("option", f"on_full {_choices(ON_FULL)}", repr(on_full), "choose one")
    max_age, on_stale = option(edge, "max_age_s"), option(edge, "on_stale")
    if max_age is not None and not (finite(max_age) and 0 < max_age <= LONGEST_S):
        yield edge.problem("option", "max_age_s above 0 and at most 1e9", repr(max_age), "leave it out for no limit")
    if on_stale is not None and on_stale not in ON_STALE:
        yield edge.problem("option", f"on_stale {_choices(ON_STALE)}", repr(on_stale), "choose one")
    elif on_stale is not None and max_age is None:
        yield edge.problem("option", "max_age_s beside on_stale", "none", "add max_age_s=, or leave on_stale out")


def _choices(names: Sequence[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)


def _check_combination(item: Wire) -> Iterator[Problem]:
    """Options that mean nothing at this input, or beside each other."""
    edge, target = item.edge, item.target
    if item.is_parameter:
        for name in (name for name in edge.options if name != "initial"):
            found = f"{name}={option(edge, name)!r}"
            yield edge.problem("option", "no option but initial on a parameter", found, f"leave {name} out")
        return
    if item.policy == LATEST:
        for name in ("depth", "on_full", "decimate", "batch", "partial", "window"):
            if option(edge, name) != EDGE_OPTIONS[name]:
                found, do = f'"latest" and {name}={option(edge, name)!r}', f"leave {name} out, or policy"
                yield edge.problem("option", f'policy "every" beside {name}', found, do)
    for name in ("batch", "window"):
        if hasattr(target.node, "_sink_keep") and _counts(option(edge, name)) and option(edge, name) != EDGE_OPTIONS[name]:
            found, do = f"{name}={option(edge, name)!r}", f"leave {name} out: it keeps every record as it is"
            yield edge.problem("option", f"single records into `{target.name}`", found, do)
    for name, pieces, copies in (("batch", 0, 1), ("window", 1, 2)):
        value, size = option(edge, name), 0 if item.dtype is None or item.dtype.hasobject else item.dtype.itemsize
        if size and _counts(value) and copies * (int(value) + pieces) * size > _MAX_BYTES:
            needed = f"{name} of at most {_MAX_BYTES // (copies * size) - pieces} records of {size} bytes"
            yield edge.problem("option", needed, repr(value), "take fewer, or smaller records")
    if option(edge, "on_stale") == "safe" and not hasattr(target.node, "safe"):
        needed, do = f'a method `safe` of `{target.name}` for on_stale="safe"', f"define it in {type(target.node).__name__}"
        yield edge.problem("option", needed, "none", do)


def _counts(value: Any) -> bool:
    """Whether an option is a number of records."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and 1 <= int(value) <= _MAX_COUNT


def _check_relay(item: Wire) -> Iterator[Problem]:
    """`merge` and `share` pass on records as they are, and `share` gives each to a reader with room, which waits for no other."""
    edge = item.edge
    for name in ("batch", "window") if item.target.passes_on else ():
        if _counts(option(edge, name)) and option(edge, name) != EDGE_OPTIONS[name]:
            found, do = f"{name}={option(edge, name)!r}", f"put {name} on the edge behind it"
            yield edge.problem("option", f"single records into `{item.target.name}`, which passes them on", found, do)
    if item.target.node._fires == ANY and option(edge, "max_age_s") is not None:
        found, do = f"max_age_s={option(edge, 'max_age_s')!r}", "put max_age_s on the edge behind it: records keep their origin_ns"
        yield edge.problem("option", f"no age into `{item.target.name}`", found, do)
    if item.source.node._fires == ONE and (item.policy != EVERY or option(edge, "on_full") not in (None, "wait")):
        kind = f"on_full={option(edge, 'on_full')!r}" if item.policy == EVERY else f"policy {item.policy!r}"
        found = kind if not item.is_parameter else f"the parameter `{item.spec.name}`"
        do = f"{'connect it to an input' if item.is_parameter else 'leave it out'}: a reader that never waits takes every record"
        yield edge.problem("option", f"an edge that waits behind `{item.source.name}`", found, do)


def _check_sync(item: Wire) -> Iterator[Problem]:
    """What is matched by its time must have one, and arrive."""
    edge, within = item.edge, item.target.options.get("sync_s")
    if within is None or item.is_parameter:
        return
    needed = f"every record, each with its time, into `{item.target.name}`, which has sync_s"
    for name in ("policy", "batch", "window", "max_age_s", "initial"):
        if item.may_start if name == "initial" else option(edge, name) != EDGE_OPTIONS[name]:
            yield edge.problem("option", needed, f"{name}={option(edge, name)!r}", _UNMATCHED[name])
    if option(edge, "on_full") in ("drop_new", "drop_oldest"):
        yield edge.problem("option", needed, f"on_full={option(edge, 'on_full')!r}", "give it depth: what is dropped is no partner")


def _check_initial(item: Wire) -> Iterator[Problem]:
    values = option(item.edge, "initial")
    most = None if item.policy == EVERY else 1
    if not isinstance(values, (list, tuple)) and not (isinstance(values, np.ndarray) and values.ndim):
        do = f"write initial=[{values!r}]" if not isinstance(values, np.ndarray) else "put it into a list"
        yield item.edge.problem("initial", "initial as a list of records", repr(values), do)
        return
    if most is not None and len(values) > most:
        kind = "a parameter" if item.is_parameter else 'an edge with policy "latest"'
        yield item.edge.problem("initial", f"at most one initial record on {kind}", str(len(values)), "keep the last one")
    kept = []
    for index, value in enumerate(values):
        try:
            kept.append(_converted(item, value, f"initial[{index}]"))
        except DtypeError as error:
            yield item.edge.problem("initial", "initial records that fit", str(error).rstrip("."), "")
    item.initial = tuple(kept)


def _converted(item: Wire, value: Any, where: str) -> Any:
    if item.dtype is None:
        return value
    if isinstance(item.spec, ParameterSpec):
        return fit(value, replace(item.spec, dtype=item.dtype), where)
    return converted(value, item.dtype, where)


def _check_writer(item: Wire) -> Iterator[Problem]:
    """A parameter that the program has set and an edge feeds; or whose starting value does not fit what the edge brings."""
    if not isinstance(item.spec, ParameterSpec):
        return
    values = item.target.params._values
    if item.spec.required and item.dtype is not None and item.spec.name in values:
        try:
            fit(values[item.spec.name], replace(item.spec, dtype=item.dtype), f"`{item.spec.name}`")
        except DtypeError as error:
            yield item.edge.problem("parameter-dtype", "a starting value that fits", str(error).rstrip("."), "")
    place = item.target.params._set.get(item.spec.name)
    if place is not None:
        found = f"also set by the program ({place[0]}:{place[1]})"
        do = "remove one of the two; a constructor may give the starting value"
        yield item.edge.problem("two-writers", f"one writer of parameter `{item.spec.name}`", found, do)
