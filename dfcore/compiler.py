"""Graph -> Plan, in pure passes: check, wire, order, place, lay out.

Laws: every mistake of a declaration is found and all are reported together, as one `GraphError`, before anything is allocated;
the same declaration always gives the same plan. Knows how many numbers a plan holds, not how any of them is used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import dtypes, machine
from .advice import advise, advise_for_real_time
from .blocks import Context
from .checks import INLINE, check_context, check_graph, check_node, check_part, cpu_numbers, option, period_ns
from .declared import ONLY_OUTPUT, Declared
from .errors import GraphError, Problem
from .graph import Declaration
from .layout import LINE, lay_out
from .loops import cycles, feedback, ranks
from .plan import EVERY, KEEP, ONE, PARAMETER, ContextPlan, EdgePlan, NodePlan, OutputPlan, ParameterPlan, Plan
from .replicas import check as check_replicas
from .replicas import expand, in_turn
from .requirements import check_machine
from .signature import ParameterSpec
from .tombstones import carriers, own_indices
from .tombstones import check as check_tombstones
from .wiring import Wire, check_wires, default_depth, inside_and_out, wire
from .wiring import option as edge_option

SETTINGS = "settings"
LEAST_SLOTS = 3


def compile(graph: Declaration) -> Plan:
    """The plan of a declaration.

    Raises:
        GraphError: everything that is wrong with it.
    """
    draft = _checked(graph)
    contexts, nodes, edges = draft.contexts(), draft.nodes(), draft.edges()
    outputs = draft.outputs(edges)
    loops = list(check_tombstones(nodes, outputs, edges))
    warnings = advise(nodes, outputs, edges), advise_for_real_time(contexts, nodes, outputs, edges)
    edges = own_indices(carriers(nodes, outputs, edges), edges)
    outputs = tuple(replace(output, slots=_slots([edges[edge] for edge in output.edges])) for output in outputs)
    contexts, nodes, outputs, edges = expand(contexts, nodes, outputs, edges, _slots)
    gaps = carriers(nodes, outputs, edges) | in_turn(nodes)
    outputs = tuple(replace(output, gaps=output.index in gaps, arena=_arena(output, contexts, edges)) for output in outputs)
    layout = lay_out(contexts, nodes, outputs, edges)
    plan = Plan(
        name=graph.name,
        contexts=contexts,
        nodes=nodes,
        outputs=outputs,
        edges=edges,
        layout=layout,
        warnings=warnings[0],
        real_time_warnings=warnings[1],
    )
    if problems := [*loops, *check_machine(graph, plan)]:
        raise GraphError(problems)
    return plan


def _arena(output: OutputPlan, contexts: Sequence[ContextPlan], edges: Sequence[EdgePlan]) -> int:
    """Bytes of the arena of an output: none unless an instance of a reader is in another process than the instance that writes."""
    places = {output.context, *(edges[edge].context for edge in output.edges)}
    return output.arena if len({place if contexts[place].kind == "process" else 0 for place in places}) > 1 else 0


def _checked(graph: Declaration) -> _Draft:
    if (part := check_part(graph)) is not None:
        raise GraphError(part)
    books, problems = graph._books, list(check_graph(graph))
    for context in graph._contexts:
        problems += check_context(context, machine.cpus())
    for book in books:
        problems += check_node(book)
    edges, outside = inside_and_out(graph)
    problems += outside
    wires = wire(edges, problems)
    problems += check_wires(books, edges, wires)
    problems += check_replicas(books, wires)
    draft = _Draft(books, [context for context in graph._contexts if any(book.context is context for book in books)], wires)
    problems += _check_loops(draft)
    if problems:
        raise GraphError(dict.fromkeys(problems))  # what is wrong with a class is said once, however many nodes it has
    return draft


def _check_loops(draft: _Draft) -> list[Problem]:
    """Find feedback and ranks; a cycle in which nobody can fire first is a problem."""
    count, arcs = len(draft.books), [draft.arc(item) for item in draft.wires]
    draft.feedback = feedback(count, arcs, [item.may_start for item in draft.wires])
    forward = [arc for arc, back in zip(arcs, draft.feedback, strict=True) if not back]
    problems = []
    for path in cycles(count, forward):
        steps = set(zip(path, [*path[1:], path[0]], strict=True))
        last = max((item for item in draft.wires if draft.arc(item) in steps), key=lambda item: item.edge.serial).edge
        route = " -> ".join(draft.books[index].name for index in [*path, path[0]])
        do = f"give one of its edges initial records, for example {last.name}: initial=[...]"
        problem = Problem(code="cycle", where=route, needed="an edge with initial records in the cycle", found="none", do=do,
                          file=last.file, line=last.line)  # fmt: skip
        problems.append(problem)
    if not problems:
        draft.ranks = ranks(count, forward)
    return problems


@dataclass(slots=True)
class _Draft:
    """A checked declaration with its numbers. Indices are those of the plan."""

    books: Sequence[Declared]
    used: list[Context]  # contexts that have nodes; in the plan they follow the inline one
    wires: list[Wire]
    feedback: list[bool] = field(default_factory=list)  # of each wire
    ranks: list[int] = field(default_factory=list)  # of each node
    number: dict[int, int] = field(init=False)  # serial of a node -> its index
    place: dict[int, int] = field(init=False)  # id of a context -> its index
    ends: dict[tuple[int, str], int] = field(init=False)  # (node, output) -> index of the output
    dealt: dict[int, str] = field(init=False)  # wire of a node that gives to one reader -> the output made for it
    settings: dict[int, int] = field(init=False)  # node -> index of the output that carries its settings

    def __post_init__(self) -> None:
        self.number = {book.serial: index for index, book in enumerate(self.books)}
        self.place = {id(None): 0, **{id(context): index for index, context in enumerate(self.used, 1)}}
        counts: dict[int, int] = defaultdict(int)
        self.dealt = {}
        for index, item in enumerate(self.wires):
            if item.source.node._fires == ONE:
                self.dealt[index] = f"{item.output}[{counts[item.source.serial]}]"
                counts[item.source.serial] += 1
        ends = [(index, name) for index, book in enumerate(self.books) for name in self.outputs_of(book)]
        self.ends = {end: index for index, end in enumerate(ends)}
        nodes = [index for index, book in enumerate(self.books) if self.settable(book)]
        self.settings = {node: len(ends) + index for index, node in enumerate(nodes)}

    def outputs_of(self, book: Declared) -> dict[str, np.dtype[Any] | None]:
        """Name -> dtype of the outputs of a node in the plan: those declared, or one for each reader (`share`)."""
        if book.node._fires != ONE:
            return book.published
        names = [self.dealt[index] for index, item in enumerate(self.wires) if item.source is book]
        return dict.fromkeys(names or [ONLY_OUTPUT], book.passed_dtype())

    def arc(self, item: Wire) -> tuple[int, int]:
        """Writer and reader of a wire."""
        return self.number[item.source.serial], self.number[item.target.serial]

    def context_of(self, book: Declared) -> int:
        """Index of a node's context."""
        return self.place[id(book.context)]

    def settable(self, book: Declared) -> list[ParameterSpec]:
        """The parameters that the program writes: those that may change and have no edge."""
        return [spec for spec in book.signature.parameters.values()
                if spec.dtype is not None and not spec.required and book.fed_by(spec.name) is None]  # fmt: skip

    # -- contexts and nodes -------------------------------------------------------------------------------------------------

    def contexts(self) -> tuple[ContextPlan, ...]:
        """The inline context, then the declared ones, in order of creation."""
        members = defaultdict(list)
        for index, book in enumerate(self.books):
            members[self.context_of(book)].append(index)
        inline = ContextPlan(index=0, name=INLINE, kind=INLINE, cpu=None, priority=None, spin_us=0.0, nodes=tuple(members[0]))
        return inline, *(
            ContextPlan(
                index=index,
                name=context.name,
                kind=context.kind,
                cpu=cpu_numbers(context.cpu) or None,
                priority=context.priority,
                spin_us=float(context.spin_us),
                nodes=tuple(members[index]),
            )
            for index, context in enumerate(self.used, 1)
        )

    def nodes(self) -> tuple[NodePlan, ...]:
        """In order of creation."""
        into: dict[int, list[int]] = defaultdict(list)
        for index, item in enumerate(self.wires):
            into[self.number[item.target.serial]].append(index)
        return tuple(self._node(index, book, into[index]) for index, book in enumerate(self.books))

    def _node(self, index: int, book: Declared, into: list[int]) -> NodePlan:
        triggering = sorted(
            (edge for edge in into if not self.wires[edge].is_parameter), key=lambda edge: self.wires[edge].position
        )
        deadline_s = option(book, "deadline_s")
        return NodePlan(
            index=index,
            name=book.name,
            context=self.context_of(book),
            rank=self.ranks[index],
            role=book.role,
            style=book.signature.style,
            inputs=tuple(triggering),
            input_names=tuple(str(self.wires[edge].edge.target.name) for edge in triggering),
            outputs=tuple(self.ends[index, name] for name in self.outputs_of(book)),
            parameters=self._parameters(book, into),
            settings=self.settings.get(index),
            period_ns=None if option(book, "rate_hz") is None else period_ns(option(book, "rate_hz")),
            overrun=option(book, "overrun"),
            deadline_ns=None if deadline_s is None else round(deadline_s * 1e9),
            on_deadline=option(book, "on_deadline"),
            cost_ns=_cost(option(book, "cost_ns")),
            zero=bool(option(book, "zero")),
            fires=book.node._fires,
            sync_ns=None if option(book, "sync_s") is None else round(option(book, "sync_s") * 1e9),
            ends_with_stop=bool(triggering) and all(self.feedback[edge] for edge in triggering),
            declared=index,
            title=book.name,
            replicas=int(option(book, "replicas")),
            ordered=bool(option(book, "ordered")),
            on_error=option(book, "on_error"),
            errors=tuple(option(book, "errors")),
            retries=int(option(book, "retries")),
            retry_delay_ns=round(option(book, "retry_delay_s") * 1e9),
            file=book.file,
            line=book.line,
        )

    def _parameters(self, book: Declared, into: list[int]) -> tuple[ParameterPlan, ...]:
        feeding = {self.wires[edge].spec.name: edge for edge in into if self.wires[edge].is_parameter}
        values = book.params._values
        return tuple(
            ParameterPlan(
                name=name,
                dtype=spec.dtype if name not in feeding else self.wires[feeding[name]].dtype,
                value=values.get(name),
                required=name not in values,
                edge=feeding.get(name),
                low=spec.low,
                high=spec.high,
            )
            for name, spec in book.signature.parameters.items()
        )

    # -- outputs and edges --------------------------------------------------------------------------------------------------

    def outputs(self, edges: Sequence[EdgePlan]) -> tuple[OutputPlan, ...]:
        """Those of the nodes, then one for the settings of each node that has some."""
        readers = defaultdict(list)
        for edge in edges:
            readers[edge.output].append(edge)
        own = [(self.ends[node, name], node, name, dtype, self.context_of(book))
               for node, book in enumerate(self.books) for name, dtype in self.outputs_of(book).items()]  # fmt: skip
        program = [(output, -1, SETTINGS, self._settings_dtype(self.books[node]), 0) for node, output in self.settings.items()]
        return tuple(
            OutputPlan(
                index=index,
                node=node,
                name=name,
                context=context,
                dtype=dtype,  # type: ignore[arg-type]  # a refused dtype has become a problem
                edges=tuple(edge.index for edge in readers[index]),
                local=all(edge.context == context for edge in readers[index]),
                slots=0,  # not before it is known which edges have an index of their own
                arena=self._most_arena(node, dtype),
            )
            for index, node, name, dtype, context in [*own, *program]
        )

    def _most_arena(self, node: int, dtype: np.dtype[Any] | None) -> int:
        """Bytes of the arena of an output, if its objects leave their process."""
        size = int(option(self.books[node], "arena_bytes")) if dtype is not None and dtype.hasobject else 0
        return size - size % LINE

    def _settings_dtype(self, book: Declared) -> np.dtype[Any]:
        return dtypes.stored([(spec.name, spec.dtype) for spec in self.settable(book)])

    def edges(self) -> tuple[EdgePlan, ...]:
        """Those of the declaration in order of creation, then one for the settings of each node that has some."""
        declared = [self._edge(index, item) for index, item in enumerate(self.wires)]
        settings = [self._setting(len(declared) + place, *pair) for place, pair in enumerate(self.settings.items())]
        return *declared, *settings

    def _edge(self, index: int, item: Wire) -> EdgePlan:
        source, target = self.arc(item)
        edge, stale = item.edge, edge_option(item.edge, "on_stale")
        max_age_s = edge_option(edge, "max_age_s")
        dtype = item.dtype
        return EdgePlan(
            index=index,
            name=edge.name,
            output=self.ends[source, self.dealt.get(index, item.output)],
            node=target,
            input=item.position,
            input_name=str(edge.target.name),
            context=self.context_of(item.target),
            policy=item.policy,
            depth=1 if item.policy != EVERY else edge_option(edge, "depth") or default_depth(dtype),  # type: ignore[arg-type]
            on_full=edge_option(edge, "on_full") or "wait",
            insisted=edge_option(edge, "on_full") is not None,
            initial=item.initial,
            decimate=int(edge_option(edge, "decimate")),
            batch=int(edge_option(edge, "batch")),
            partial=bool(edge_option(edge, "partial")),
            window=int(edge_option(edge, "window") or 0),
            max_age_ns=None if max_age_s is None else round(max_age_s * 1e9),
            on_stale=stale or ("safe" if hasattr(item.target.node, "safe") else "error"),
            feedback=self.feedback[index],
            title=edge.name,
            file=edge.file,
            line=edge.line,
        )

    def _setting(self, index: int, node: int, output: int) -> EdgePlan:
        book = self.books[node]
        return EdgePlan(
            index=index,
            name=f"(program) -> {book.name}",
            output=output,
            node=node,
            input=-1,
            input_name="",
            context=self.context_of(book),
            policy=PARAMETER,
            depth=1,
            on_full="wait",
            insisted=False,
            initial=(),
            decimate=1,
            batch=1,
            max_age_ns=None,
            on_stale="error",
            feedback=False,
            title=f"(program) -> {book.name}",
            file=book.file,
            line=book.line,
        )


def _slots(readers: Sequence[EdgePlan]) -> int:
    """How many slots an output needs so that the writer always finds a free one when there is room (RULES 4, 5, 7, 9, 28)."""
    every = [edge for edge in readers if edge.policy == EVERY]
    own_rings = sum(edge.depth for edge in readers if edge.own)
    shown = max((edge.depth for edge in every), default=1)
    leases = (1 + KEEP) * (len(readers) + 1)
    return max(shown + own_rings + 1 + leases, LEAST_SLOTS)


def _cost(cost: Any) -> Any:
    """What the scheduler charges: whole nanoseconds, a tuple of them, or the function."""
    if callable(cost):
        return cost
    return tuple(round(item) for item in cost) if hasattr(cost, "__iter__") else round(cost)
