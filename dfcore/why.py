"""Why a node does not fire: the chain of who waits for whom, in words, down to its root.

Laws: everything is read from the memory of the run, nothing is asked of a context, so it works while one hangs; each step is a
fact at the moment of the look, and the last one is what nobody in the chain can change. Who waits for whom is `diagnosis.py`'s,
the same search that finds deadlocks; here it is followed from one node and told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .counters import ENDED, FAILED, FED, FILE, GRID, RUNNING, TO_BE_TRIED_AGAIN
from .diagnosis import Look, Wait
from .memory import Memory
from .plan import ANY, ONE, NodePlan, Plan
from .sight import Sight
from .tell import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One step: a node, and what keeps it from firing.

    `cause` is a constant: `record`, `room`, `turn` (of replicas), `context` (busy with another node), `compute`, `await`, `retry`,
    `grid`, `file`, `program`, `paused`, `stopping`, `stopped` (its process, by a signal), `opening`, `ended`, `failed`,
    `deadlock`, `ready`, `rest` (no run).
    """

    node: str
    cause: str
    text: str
    edge: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """Why a node does not fire. `print` it; `chain` are its steps, each about the node that the one before waits for."""

    chain: tuple[Link, ...]

    @property
    def root(self) -> Link:
        """The last step: what the others come from."""
        return self.chain[-1]

    def __str__(self) -> str:
        return "; ".join(link.text for link in self.chain) + "."

    def to_dict(self) -> dict[str, Any]:
        """The chain in plain dicts and strings."""
        return {"chain": [{name: getattr(link, name) for name in ("node", "cause", "text", "edge")} for link in self.chain]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a look needs to know beside the memory of the run."""

    now_ns: int  # run clock
    ticks: int  # tick counter; in virtual time the run clock
    ns_per_tick: float
    opened: bool
    stopping: bool
    paused: bool
    stopped: Mapping[str, int]  # contexts whose process a signal has stopped -> pid


def explain(plan: Plan, memory: Memory, index: int, moment: Moment) -> Why:
    """Why node number `index` does not fire at `moment`."""
    return Why(tuple(_Walk(plan, memory, moment).chain(index)))


def at_rest(node: str, text: str) -> Why:
    """The answer where no run is under way."""
    return Why((Link(node=node, cause="rest", text=text),))


class _Walk:
    """One look, followed from node to node."""

    def __init__(self, plan: Plan, memory: Memory, moment: Moment):
        self.plan, self.moment, self.sight = plan, moment, Sight(plan, memory)
        self.look = Look(self.sight, moment.stopping)

    def chain(self, index: int) -> list[Link]:
        found: list[Link] = []
        seen: list[int] = []
        following: int | None = index
        while following is not None:
            if following in seen:
                names = ", ".join(self.plan.nodes[index].name for index in seen[seen.index(following) :])
                name = self.plan.nodes[following].name
                found.append(Link(node=name, cause="deadlock", text=f"{name} is waited for already: {names} wait for each other"))
                break
            seen.append(following)
            link, following = self._step(self.plan.nodes[following])
            found.append(link)
        return found

    def _step(self, node: NodePlan) -> tuple[Link, int | None]:
        """Why `node` does not fire, and the node that this comes from."""
        for judge in (self._by_state, self._by_firing, self._by_waits, self._by_context):
            answer = judge(node)
            if answer is not None:
                return answer
        return self._by_pace(node), None

    # -- what a node may be at ------------------------------------------------------------------------------------------------

    def _by_state(self, node: NodePlan) -> tuple[Link, None] | None:
        """Not begun, over, or held by the program."""
        state, context = int(self.sight.node(node.index)["state"]), self.plan.contexts[node.context].name
        firings = int(self.sight.node(node.index)["firings"])
        if state in (ENDED, FAILED):
            word = "ended" if state == ENDED else "failed"
            return self._link(node, word, f"has {word}, after {firings} firing{'s' * (firings != 1)}"), None
        if context in self.moment.stopped:
            return self._link(node, "stopped", f"cannot: its process {self.moment.stopped[context]} is stopped by a signal"), None
        if not self.moment.opened or state != RUNNING:
            return self._link(node, "opening", "waits until every node of the graph is open"), None
        return None

    def _by_firing(self, node: NodePlan) -> tuple[Link, None] | None:
        """It fires."""
        counters = self.sight.node(node.index)
        if not counters["in_flight"]:
            if self.moment.paused:
                return self._link(node, "paused", "waits for graph.resume(): the graph is paused"), None
            return None
        if counters["in_flight"] == TO_BE_TRIED_AGAIN:
            after = f", {duration(node.retry_delay_ns)} after the last" if node.retry_delay_ns else ""
            return self._link(node, "retry", f"waits for its next attempt at firing {int(counters['last_firing'])}{after}"), None
        for_ns = (self.moment.ticks - int(counters["began_ticks"])) * self.moment.ns_per_tick
        awaits = node.style in ("coroutine", "async_generator")
        cause, doing = ("await", "awaiting in compute") if awaits else ("compute", "in compute")
        return self._link(node, cause, f"has been {doing} for {duration(max(for_ns, 0)) if for_ns > 0 else 'no time'}"), None

    def _by_waits(self, node: NodePlan) -> tuple[Link, int | None] | None:
        """It waits for another node."""
        waits = self.look.waits(node)
        first = [wait for wait in waits if wait.room == (node.index in self.look.blocked)] or waits
        if not first:
            return None
        if first[0].turn:
            sibling = self.plan.nodes[first[0].giver].name
            return self._link(node, "turn", f"waits for its turn behind {sibling}"), first[0].giver
        tell: Callable[[Wait], str] = self._full if first[0].room else self._missing
        text = "waits for room on " if first[0].room else "waits for "
        edge = self.plan.edges[first[0].edge].name
        any_will_do = node.fires == (ONE if first[0].room else ANY)
        told = (" or " if any_will_do else " and ").join(tell(wait) for wait in first if wait.room == first[0].room)
        return self._link(node, "room" if first[0].room else "record", text + told, edge), self._giver(first[0])

    def _giver(self, wait: Wait) -> int:
        """Whom to follow: of several that could give it the one at work."""
        return next((node for node in (wait.giver, *wait.others) if self.sight.working(node)), wait.giver)

    def _by_context(self, node: NodePlan) -> tuple[Link, int] | None:
        """It has what it needs, and whoever would fire it is busy."""
        context = self.plan.contexts[node.context]
        for mate in context.nodes:
            plain = self.plan.nodes[mate].style in ("plain", "generator")
            if mate != node.index and plain and self.sight.node(mate)["in_flight"] == 1:
                return self._link(node, "context", f"is ready, but its context `{context.name}` is busy with another node"), mate
        return None

    def _by_pace(self, node: NodePlan) -> Link:
        """Nothing keeps it but its own pace."""
        counters = self.sight.node(node.index)
        if node.role == "emitter" and self.moment.stopping:
            return self._link(node, "stopping", "fires no more: the run is stopping")
        if counters["pace"] == GRID and node.period_ns is not None:
            numerator, denominator = node.period_ns
            point = int(counters["firings"]) + (int(counters["overruns"]) if node.overrun == "skip" else 0)
            left_ns = point * numerator // denominator - self.moment.now_ns
            period = duration(numerator / denominator)
            when = f"due in {duration(left_ns)}" if left_ns > 0 else "due now"
            return self._link(node, "grid", f"waits for its next grid point ({when}, every {period})")
        if counters["pace"] == FILE:
            return self._link(node, "file", "waits for its file, which is not readable")
        if counters["pace"] == FED:
            return self._link(node, "program", "waits for the program to put something")
        over = [self.plan.edges[edge].name for edge in node.inputs if self.look.over(edge)]
        if over:
            return self._link(node, "ended", f"is about to end: {over[0]} is at its end")
        return self._link(node, "ready", "is ready to fire")

    # -- in words -------------------------------------------------------------------------------------------------------------

    def _link(self, node: NodePlan, cause: str, text: str, edge: str | None = None) -> Link:
        context = self.plan.contexts[node.context]
        where = f" (context {context.name})" if context.index else ""
        return Link(node=node.name, cause=cause, text=f"{node.name}{where} {text}", edge=edge)

    def _full(self, wait: Wait) -> str:
        edge = self.plan.edges[wait.edge]
        raised = f", {edge.raised} of them for replicas" if edge.raised else ""
        return f"`{edge.name}` (full, {self.sight.words(wait.edge).waiting} of {edge.depth}{raised})"

    def _missing(self, wait: Wait) -> str:
        edge, last_ns = self.plan.edges[wait.edge], self.sight.last_ns(wait.edge)
        ago = f"last {duration(max(self.moment.now_ns - last_ns, 0)) if self.moment.now_ns > last_ns else '0 s'} ago" if last_ns is not None else "none yet"
        if edge.input < 0:
            return f"the first value of `{edge.name}` ({ago})"
        if edge.batch > 1:
            return f"`{edge.name}` ({int(self.sight.edge(wait.edge)['unread_buffered'])} of {edge.batch}, {ago})"
        stale = f", and older than {duration(edge.max_age_ns)} is too old" if edge.max_age_ns is not None and last_ns is not None else ""
        replicas = ", or of another replica" if wait.others else ""
        return f"`{edge.name}`{replicas} ({ago}{stale})"
