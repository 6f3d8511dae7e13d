"""Starting one process context: what its nodes become on their way there, and what it inherits.

Laws: nodes travel together, once; what cannot travel is found before anything starts, and named; a context inherits exactly the
descriptors of its job.
"""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Mapping
from typing import Any

from . import interpreter
from .errors import GraphError, Problem
from .pickles import dumps, loads
from .plan import EdgePlan, NodePlan, Plan
from .worker import Job

# -------------------------------------------------------------------------------------------------------------- pickling


def pack(job: Job) -> tuple[bytes, bytes]:
    """The job and its nodes, each in one pickle: what the nodes of a context share stays shared.

    Raises:
        GraphError: a node or an initial object cannot travel; each problem names it and the reason.
    """
    try:
        return dumps(dataclasses.replace(job, plan=_plan_for(job), nodes={})), dumps(job.nodes)
    except Exception as error:
        raise GraphError(_culprits(job.plan, job.context, job.nodes, error)) from error


def _plan_for(job: Job) -> Plan:
    """The plan without the initial objects that the context does not read: they need not travel."""
    others = {edge.index for edge in job.plan.edges if edge.context != job.context and _has_objects(job.plan, edge)}
    if not others:
        return job.plan
    edges = tuple(dataclasses.replace(edge, initial=()) if edge.index in others else edge for edge in job.plan.edges)
    return dataclasses.replace(job.plan, edges=edges)


def with_copies(plan: Plan) -> Plan:
    """The plan as processes would get it, each its own: the initial objects that they read are copies.

    Raises:
        GraphError: they cannot travel.
    """
    travelling = [edge for edge in plan.edges if plan.process_of(edge.context) and _has_objects(plan, edge)]
    problems = [problem for edge in travelling for problem in _stuck_initial(plan, edge)]
    if problems:
        raise GraphError(problems)
    copies = {edge.index: dataclasses.replace(edge, initial=loads(dumps(edge.initial))) for edge in travelling}
    return dataclasses.replace(plan, edges=tuple(copies.get(edge.index, edge) for edge in plan.edges))


def _stuck_initial(plan: Plan, edge: EdgePlan) -> list[Problem]:
    """What is wrong with initial objects that cannot travel."""
    reason = _reason(edge.initial)
    place = plan.contexts[edge.context].name
    return [] if reason is None else [_unpicklable(f"{edge.name}: initial", place, reason, "give it objects that can be pickled", edge)]


def _has_objects(plan: Plan, edge: EdgePlan) -> bool:
    return bool(edge.initial) and plan.outputs[edge.output].dtype.hasobject


def _culprits(plan: Plan, context: int, nodes: Mapping[int, Any], error: Exception) -> list[Problem]:
    place = plan.contexts[context].name
    found = []
    for edge in plan.edges:
        if edge.context == context and _has_objects(plan, edge):
            found += _stuck_initial(plan, edge)
    for index, node in nodes.items():
        attributes = [(name, value) for name, value in vars(node).items() if value is not getattr(node, "_declared", None)]
        reasons = [(name, reason) for name, value in attributes if (reason := _reason(value)) is not None]
        if not reasons and (reason := _reason(node)) is not None:
            reasons = [(None, reason)]
        found += [_problem(plan.nodes[index], name, place, reason) for name, reason in reasons]
    return found or [_problem(plan.nodes[next(iter(nodes))], None, place, error)]


def _reason(value: Any) -> Exception | None:
    """Why `value` cannot travel; None: it can."""
    try:
        dumps(value)
    except Exception as error:  # noqa: BLE001 - a user's `__reduce__` may raise anything
        return error
    return None


def _problem(node: NodePlan, attribute: str | None, context: str, reason: Exception) -> Problem:
    where = node.name if attribute is None else f"{node.name}.{attribute}"
    do = "make it in `open`, or run the node inline or in a context with kind='thread'"
    return _unpicklable(where, context, reason, do, node)


def _unpicklable(where: str, context: str, reason: Exception, do: str, declared: NodePlan | EdgePlan) -> Problem:
    needed = f"something that can travel into the process of context {context!r}"
    found = f"{type(reason).__name__}: {reason}"
    return Problem(code="unpicklable", where=where, needed=needed, found=found, do=do, file=declared.file, line=declared.line)


# -------------------------------------------------------------------------------------------------------------- starting


def start(job: Job, packed: tuple[bytes, bytes], up: int, alive: int) -> subprocess.Popen[bytes]:
    """A new interpreter that does `job`.

    Args:
        packed: what `pack` made of the job.
        up: end of the pipe on which the child answers.
        alive: end of a pipe whose other end this process holds open as long as it lives.
    Raises:
        OSError: the process could not be started.
    """
    bodies = (dumps((up, alive)), *packed)
    return interpreter.start("dfcore.context", bodies, (up, alive, *job.memory_fds, *job.eventfds), job.cores)
