"""What is opened with `with`, so that nodes made inside belong to it: graphs, and contexts, which say where nodes run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .declared import next_serial, open_blocks
from .errors import caller

if TYPE_CHECKING:
    from .node import Node
    from .parts import Contents

#: Options of a context, with their defaults.
CONTEXT_OPTIONS = {"kind": "process", "cpu": None, "priority": None, "spin_us": 0}


class Block:
    """Something to open with `with`: the nodes made inside belong to it. Any thread or task may open it, and again inside."""

    def __enter__(self) -> Self:
        open_blocks.set((*open_blocks.get(), self._place()))
        return self

    def __exit__(self, *error: object) -> None:
        open_blocks.set(open_blocks.get()[:-1])

    def _place(self) -> tuple[Contents, Context | None]:
        raise NotImplementedError  # no ABC: its metaclass would be that of every user's Graph


class Context(Block):
    """Where nodes run: a pinned process or a thread. Made by `graph.context(name, ...)`.

    Attributes: `graph`, `own_name` (as given), `kind`, `cpu`, `priority`, `spin_us`; `file` and `line` of the call that made it.
    """

    def __init__(self, graph: Contents, name: str, options: dict[str, Any], place: tuple[str, int]):
        self.graph, self.own_name, self.serial = graph, name, next_serial()
        self.file, self.line = place
        self.kind, self.cpu, self.priority, self.spin_us = ({**CONTEXT_OPTIONS, **options}[key] for key in CONTEXT_OPTIONS)

    @property
    def name(self) -> str:
        """Its full name: `io`, of a part called `arm` `arm/io`."""
        return f"{self.graph._prefix}{self.own_name}"

    def add(self, *nodes: Node | Contents) -> None:
        """Place nodes in this context, of parts those that have none; free ones join the graph, with what they are connected to.

        Raises:
            GraphError: no node, or one that is in another context or graph already, or the graph is running.
        """
        for node in nodes:
            self.graph._add(node, self, caller())

    def _place(self) -> tuple[Contents, Context | None]:
        return self.graph, self

    def __repr__(self) -> str:
        return f"<context {self.name} of {self.graph.name}>"
