"""The stack of open graphs: `default_graph()` is its innermost, `top_graph()` what lies below all of them.

Laws: each thread and task has a stack of its own; the top graph is one for the process and holds, weakly, what is free: nodes and
graphs that belong to no other graph. It is never run.
"""

from __future__ import annotations

from typing import Any, cast

from .blocks import Context
from .declared import Member, free_nodes, open_blocks
from .door import Graph
from .errors import GraphError, caller
from .node import Node


def default_graph() -> Graph:
    """The graph that a node made here belongs to: the innermost open `with graph:` or `with graph.context(...)`, else the top graph."""
    blocks = open_blocks.get()
    return cast(Graph, blocks[-1][0]) if blocks else _TOP


def top_graph() -> Graph:
    """The graph that holds, weakly, all nodes and graphs that belong to no other.

    `with top_graph():` makes what is made inside free, also inside of the block of a graph. It has no contexts, and does not run.
    """
    return _TOP


class _Top(Graph):
    @property
    def nodes(self) -> list[Any]:
        """What is free, in order of creation."""
        free = [node._declared if isinstance(node, Node) else node._members for node in list(free_nodes)]
        return [member.node for member in sorted(free, key=lambda member: member.serial)]

    def context(self, name: str, **options: Any) -> Context:
        """Refused: what is free runs nowhere."""
        raise self._no("contexts")

    def expose(self, **ends: Any) -> None:
        """Refused: it is part of nothing."""
        raise self._no("ends of its own")

    def _no(self, what: str) -> GraphError:
        return self._error("top", f"a graph that can have {what}", "the top graph, which holds what is free", "write with Graph() as graph:", caller())

    def _take_in(self, member: Member, context: Context | None) -> None:
        free_nodes.add(member.node)

    def _let_go(self, member: Member) -> None:
        free_nodes.discard(member.node)


_TOP = _Top("top")
_TOP._members.file, _TOP._members.line = "", 0  # the program did not make it
free_nodes.discard(_TOP)
