"""Parameters while a run is under way: what the program sets goes into its memory, what an edge sets is read from there.

Laws: one setting reaches all replicas of a node; when the run is over, `node.params` stands for itself again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._parameters import Settings, Tap
from .memory import Memory
from .plan import Plan


class RunSettings:
    """What joins `node.params` of each node to the memory of a run, from `begin` to `end`."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._settings: list[Settings] = []

    def begin(self, plan: Plan, nodes: Mapping[int, Any], memory: Memory) -> None:
        """Join the parameters of `nodes`, node index -> node."""
        for node in plan.nodes:
            if node.instance:
                continue
            self._nodes.append(nodes[node.index])
            params = nodes[node.index].params
            if node.settings is not None:
                settings = Settings(plan, memory, node.settings)
                self._settings.append(settings)
                params._publish = settings.publish
            for parameter in node.parameters:
                if parameter.edge is not None:
                    params._taps[parameter.name] = Tap(plan, memory, parameter.edge)

    def end(self) -> None:
        """Part them. Harmless the second time."""
        for node in self._nodes:
            with node.params._lock:
                node.params._taps.clear()
            node.params._publish = None
        for settings in self._settings:
            settings.close()
        self._nodes.clear()
        self._settings.clear()
