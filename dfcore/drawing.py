"""The forms in which a graph is drawn, by name."""

from __future__ import annotations

from .errors import did_you_mean
from .notation import dot, mermaid
from .parts import Contents
from .sketch import sketch
from .svg import svg

_FORMS = {"svg": svg, "mermaid": mermaid, "dot": dot}


def draw(graph: Contents, form: str) -> str:
    """The text of a picture of a graph.

    Raises:
        ValueError: there is no such form.
    """
    if form not in _FORMS:
        raise ValueError(f"graph {graph.name}.diagram: needed one of its forms, was {form!r}; {did_you_mean(str(form), _FORMS)}")
    return _FORMS[form](sketch(graph))
