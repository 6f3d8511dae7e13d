"""What a plan asks of the machine: memory and open files, more of which than there are is a problem of the declaration.

Law: nothing is allocated to find out; later only a signal, or an error halfway, would say so.
"""

from __future__ import annotations

from . import machine
from .errors import Problem
from .graph import Declaration
from .plan import Layout, Plan

#: Descriptors that a run opens: for itself, for each context, and for each process beside that.
FILES, FILES_PER_CONTEXT, FILES_PER_PROCESS = 12, 6, 6
_LISTED = 3
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def check_machine(graph: Declaration, plan: Plan) -> list[Problem]:
    """What the machine does not have."""
    return [*_check_memory(graph, plan), *_check_files(graph, plan)]


def _check_memory(graph: Declaration, plan: Plan) -> list[Problem]:
    """More memory than there is."""
    needed, (left, limit) = memory_bytes(plan.layout), machine.available_memory()
    if needed <= left:
        return []
    sizes = sorted(range(len(plan.outputs)), key=lambda index: -_output_bytes(plan, index))
    largest = ", ".join(_output_text(plan, index) for index in sizes[:_LISTED])
    sentence = f"needed {size_text(needed)} of memory, was {size_text(left)} in {limit}; "
    do = "give their edges a smaller depth, and nodes with an arena a smaller arena_bytes"
    return [_problem_of_machine(graph, "memory", f"{sentence}the largest are {largest}: {do}")]


def memory_bytes(layout: Layout) -> int:
    """How much memory a run takes."""
    return sum(segment.size for segment in layout.segments)


def size_text(size: int) -> str:
    """A number of bytes in a message: `64 MiB`, `1.5 KiB`."""
    power = min(max(size.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    return f"{size / 2 ** (10 * power):.4g} {_UNITS[power]}"


def _output_bytes(plan: Plan, index: int) -> int:
    return plan.outputs[index].slots * plan.layout.outputs[index].stride + plan.outputs[index].arena


def _output_text(plan: Plan, index: int) -> str:
    output = plan.outputs[index]
    book = f"the settings of {plan.edges[output.edges[0]].name}" if output.node < 0 else plan.nodes[output.node].name
    end = f".{output.name}" if output.node >= 0 and len(plan.nodes[output.node].outputs) > 1 else ""
    arena = f", an arena of {size_text(output.arena)}" if output.arena else ""
    return f"{book}{end} ({output.slots} x {size_text(plan.layout.outputs[index].stride)}{arena})"


def _check_files(graph: Declaration, plan: Plan) -> list[Problem]:
    """More files than this process may open."""
    processes = sum(context.kind == "process" for context in plan.contexts)
    needed = FILES + FILES_PER_CONTEXT * len(plan.contexts) + FILES_PER_PROCESS * processes
    refusal = machine.room_for_files(needed) if len(plan.contexts) > 1 else None
    return [] if refusal is None else [_problem_of_machine(graph, "files", refusal)]


def _problem_of_machine(graph: Declaration, code: str, sentence: str) -> Problem:
    """A problem from a sentence that reads *needed X, was Y; do*."""
    needed, _, rest = sentence.removeprefix("needed ").partition(", was ")
    found, _, do = rest.partition("; ")
    members = graph._members
    where = f"graph {graph.name}"
    return Problem(code=code, where=where, needed=needed, found=found, do=do, file=members.file, line=members.line)
