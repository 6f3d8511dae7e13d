"""What the compiler finds wrong with a graph, for tests."""

from __future__ import annotations

import pytest

from dfcore.compiler import compile
from dfcore.errors import GraphError


def places(graph, *codes):
    """The problems of a graph, which are of these kinds."""
    with pytest.raises(GraphError) as info:
        compile(graph)
    assert codes == tuple(problem.code for problem in info.value.problems)
    return info.value.problems


def line_of(problem):
    """The source line that a problem points to."""
    with open(problem.file) as file:
        return file.read().splitlines()[problem.line - 1].strip()
