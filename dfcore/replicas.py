"""Replicas: a node with `replicas=n` becomes n instances, each with rings of its own, and the edges that this needs.

Laws (RULES 18): instance i takes the sets i, i + n, i + 2n ... of its inputs, each as a plain reader with a tail of its own; who reads
a replicated node reads the n rings in turn, so that order is that of the inputs. Not ordered: any free instance takes the next set, and
results come as they are. The node that was declared is instance 0; a context of replicas becomes n contexts, instance i in the i-th,
and what is not replicated stays in the first. A plan without replicas is left as it is. Pure: plan parts in, plan parts out.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .declared import Declared
from .edge import Edge
from .errors import Problem
from .plan import ALL, EVERY, PARAMETER, ContextPlan, EdgePlan, NodePlan, OutputPlan, Plan
from .wiring import Wire, option

Parts = tuple[tuple[ContextPlan, ...], tuple[NodePlan, ...], tuple[OutputPlan, ...], tuple[EdgePlan, ...]]
MOST_REPLICAS = 1000
Key = TypeVar("Key", bound=tuple[int, ...])


# -- what cannot be replicated ----------------------------------------------------------------------------------------------


def check(books: Sequence[Declared], wires: Sequence[Wire]) -> Iterator[Problem]:
    """What instances could not keep: one sequence of an emitter, state between firings, the newest record of several rings."""
    for book in books:
        if count_of(book) > 1:
            yield from _check_book(book)
    for item in wires:
        if count_of(item.target) > 1 and not item.is_parameter:
            yield from _check_into(item)
        if count_of(item.source) > 1:
            yield from _check_out_of(item)


def count_of(book: Declared) -> int:
    """How many instances a node has; 1 if what was given makes no sense."""
    given = book.options.get("replicas", 1)
    return given if isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= MOST_REPLICAS else 1


def _check_book(book: Declared) -> Iterator[Problem]:
    kind = type(book.node).__name__
    if book.role == "emitter":
        do = "replicate the node behind it"
        yield book.problem("replicas", "replicas of a node with inputs, which say who does what", f"the Emitter `{book.name}`", do)
    if hasattr(book.node, "flush"):
        needed = "replicas of a node that keeps nothing between firings"
        yield book.problem("replicas", needed, f"{kind}, which has something to flush", "leave replicas or `flush` out")
    if book.node._fires != ALL or book.options.get("sync_s") is not None:
        do = "replicate the nodes around it"
        yield book.problem("replicas", "replicas of a node that takes the next record of each input", f"`{book.name}`, which does not", do)
    if hasattr(book.node, "_sink_keep"):
        yield book.problem("replicas", "one `collect`, which keeps all records in order", "replicas of it", "leave replicas out")


def _check_into(item: Wire) -> Iterator[Problem]:
    needed = f"an edge that hands every record to the replicas of `{item.target.name}` in order"
    for name, good in (("policy", (EVERY,)), ("on_full", (None, "wait", "error")), ("max_age_s", (None,)), ("window", (None,))):
        if (value := option(item.edge, name)) not in good:
            yield _refusal(item.edge, needed, f"{name}={value!r}", f"put a node of its own before `{item.target.name}`")


def _check_out_of(item: Wire) -> Iterator[Problem]:
    needed = f"an edge that takes every record of the replicas of `{item.source.name}` in turn"
    do = f"put a node of its own behind `{item.source.name}`"
    if item.is_parameter:
        yield _refusal(item.edge, needed, "a parameter, which takes the newest", do)
        return
    for name, good in (("policy", (EVERY,)), ("on_full", (None, "wait", "error"))):
        if (value := option(item.edge, name)) not in good:
            yield _refusal(item.edge, needed, f"{name}={value!r}", do)


def _refusal(edge: Edge, needed: str, found: str, do: str) -> Problem:
    return edge.problem("replicas", needed, found, do)


def instances(plan: Plan, nodes: Sequence[Any]) -> dict[int, Any]:
    """The object of each node of a plan: instance 0 is the declared one, the others are shallow copies of it, made anew."""
    return {node.index: copy.copy(nodes[node.declared]) if node.instance else nodes[node.declared] for node in plan.nodes}


def in_turn(nodes: Sequence[NodePlan]) -> set[int]:
    """Indices of the outputs whose readers take the firings of several instances in turn."""
    return {output for node in nodes if node.replicas > 1 and node.ordered for output in node.outputs}


# -- expansion --------------------------------------------------------------------------------------------------------------


def expand(
    contexts: Sequence[ContextPlan],
    nodes: Sequence[NodePlan],
    outputs: Sequence[OutputPlan],
    edges: Sequence[EdgePlan],
    slots: Callable[[Sequence[EdgePlan]], int],
) -> Parts:
    """The plan parts with every replicated node as its instances. `slots`: how many slots an output with these readers needs."""
    if all(node.replicas == 1 for node in nodes):
        return tuple(contexts), tuple(nodes), tuple(outputs), tuple(edges)
    return _Expansion(contexts, nodes, outputs, edges).parts(slots)


class _Expansion:
    """Where everything goes. A key is (index as declared, instance): of a context, a node, an output; of an edge, two instances."""

    def __init__(
        self,
        contexts: Sequence[ContextPlan],
        nodes: Sequence[NodePlan],
        outputs: Sequence[OutputPlan],
        edges: Sequence[EdgePlan],
    ):
        self.contexts, self.nodes, self.outputs, self.edges = contexts, nodes, outputs, edges
        self.context_at = _numbered((context.index, copy) for context in contexts for copy in range(self._copies(context)))
        self.node_at = _numbered((node.index, instance) for node in nodes for instance in range(node.replicas))
        self.output_at = _numbered((output.index, instance) for output in outputs for instance in range(self._writers(output)))
        self.edge_at = _numbered((edge.index, *pair) for edge in edges for pair in self._pairs(edge))

    def parts(self, slots: Callable[[Sequence[EdgePlan]], int]) -> Parts:
        """The plan parts, renumbered."""
        nodes = tuple(self._node(*key, index) for key, index in self.node_at.items())
        edges = tuple(self._edge(*key, index) for key, index in self.edge_at.items())
        readers, members = defaultdict(list), defaultdict(list)
        for edge in edges:
            readers[edge.output].append(edge)
        for node in nodes:
            members[node.context].append(node.index)
        outputs = tuple(self._output(*key, index, readers[index], slots) for key, index in self.output_at.items())
        contexts = tuple(self._context(*key, index, tuple(members[index])) for key, index in self.context_at.items())
        return contexts, nodes, outputs, edges

    def _copies(self, context: ContextPlan) -> int:
        """How many contexts it becomes; the caller's stays one."""
        return 1 if context.index == 0 else max((self.nodes[index].replicas for index in context.nodes), default=1)

    def _writers(self, output: OutputPlan) -> int:
        return self.nodes[output.node].replicas if output.node >= 0 else 1

    def _pairs(self, edge: EdgePlan) -> list[tuple[int, int]]:
        """Writing and reading instance of each of its edges."""
        writers, readers = self._writers(self.outputs[edge.output]), self.nodes[edge.node].replicas
        return [(writer, reader) for reader in range(readers) for writer in range(writers)]

    def _place(self, context: int, instance: int) -> int:
        return self.context_at[context, min(instance, self._copies(self.contexts[context]) - 1)]

    def _context(self, context: int, copy: int, index: int, members: tuple[int, ...]) -> ContextPlan:
        plan = self.contexts[context]
        if self._copies(plan) == 1:
            return replace(plan, index=index, nodes=members)
        cpu = None if plan.cpu is None else (plan.cpu[copy % len(plan.cpu)],)
        return replace(plan, index=index, name=f"{plan.name}[{copy}]", cpu=cpu, nodes=members)

    def _node(self, node: int, instance: int, index: int) -> NodePlan:
        plan = self.nodes[node]
        return replace(
            plan,
            index=index,
            name=f"{plan.name}[{instance}]" if plan.replicas > 1 else plan.name,
            context=self._place(plan.context, instance if plan.replicas > 1 else 0),
            instance=instance,
            inputs=tuple(self.edge_at[edge, 0, instance] for edge in plan.inputs),
            outputs=tuple(self.output_at[output, instance] for output in plan.outputs),
            settings=None if plan.settings is None else self.output_at[plan.settings, 0],
            parameters=tuple(
                parameter if parameter.edge is None else replace(parameter, edge=self.edge_at[parameter.edge, 0, instance])
                for parameter in plan.parameters
            ),
        )

    def _output(
        self, output: int, instance: int, index: int, readers: Sequence[EdgePlan], slots: Callable[[Sequence[EdgePlan]], int]
    ) -> OutputPlan:
        plan = self.outputs[output]
        context = self._place(plan.context, instance)
        return replace(
            plan,
            index=index,
            node=self.node_at[plan.node, instance] if plan.node >= 0 else -1,
            context=context,
            edges=tuple(edge.index for edge in readers),
            local=all(edge.context == context for edge in readers),
            slots=slots(readers),
        )

    def _edge(self, edge: int, writer: int, reader: int, index: int) -> EdgePlan:
        plan = self.edges[edge]
        source, target = self.outputs[plan.output], self.nodes[plan.node]
        several = self._writers(source) > 1
        others = target.replicas - 1 if plan.policy != PARAMETER else 0  # instances that may have records in hand
        raised = others * plan.batch * plan.decimate
        rings = tuple(self.edge_at[edge, each, reader] for each in range(self._writers(source)))
        return replace(
            plan,
            index=index,
            name=self._name(plan, writer, reader),
            output=self.output_at[plan.output, writer],
            node=self.node_at[plan.node, reader],
            context=self._place(target.context, reader),
            depth=plan.depth + raised,
            raised=raised,
            initial=plan.initial if writer == 0 else (),
            rings=rings if several else (),
            in_turn=several and self.nodes[source.node].ordered,
        )

    def _name(self, edge: EdgePlan, writer: int, reader: int) -> str:
        """`work -> out` between instances: `work[1] -> out`."""
        left, _, right = edge.name.partition(" -> ")
        source, target = self.outputs[edge.output].node, self.nodes[edge.node]
        if source >= 0 and self.nodes[source].replicas > 1:
            left = _with_instance(left, self.nodes[source].name, writer)
        return f"{left} -> {_with_instance(right, target.name, reader) if target.replicas > 1 else right}"


def _numbered(keys: Iterable[Key]) -> dict[Key, int]:
    return {key: index for index, key in enumerate(keys)}


def _with_instance(end: str, node: str, instance: int) -> str:
    return f"{node}[{instance}]{end.removeprefix(node)}"
