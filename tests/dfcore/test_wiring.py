"""Every mistake that an edge can be: provoked, with its text and its place."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pytest

from dfcore.compiler import compile
from dfcore.errors import GraphError
from dfcore.functions import collector, emitter, router
from dfcore.graph import Declaration
from dfcore.node import Collector
from dfcore.signature import Bounds
from dfcore.wiring import default_depth

STATE = np.dtype([("x", "f8"), ("v", "f8"), ("t", "u4")], align=True)
TEXT = "text is never read as a number, convert it"
OTHER = np.dtype([("x", "f4"), ("t", "u4"), ("w", "f8")], align=True)


@emitter("f8")
def noise():
    return 1.0


@emitter(object)
def things():
    return None


@emitter(OTHER)
def sensor():
    return None


@router("f8")
def scale(x, *, gain: Annotated[float, Bounds(0, 10)] = 1.0, path="file"):
    return gain * x


@router(outputs={"a": "f8", "b": "f8"})
def split(x, y): ...


@router(STATE)
def observer(state: STATE, *, need: Annotated[float, Bounds(0, 1)]): ...


@router([("u", "f8"), ("v", "f8")])
def pair(values): ...


@router(("f8", (3,)))
def vector(values): ...


@router("M8[ns]")
def stamp(values): ...


@collector
def log(value): ...


@collector
def show(*values): ...


class Motor(Collector):
    def compute(self, force): ...

    def safe(self): ...


def found(graph):
    """What `compile` says about a graph, each problem without its place; every place is in this file."""
    with pytest.raises(GraphError) as info:
        compile(graph)
    assert {__file__} == {problem.file for problem in info.value.problems}
    return [str(problem).rpartition(f" ({__file__}")[0] for problem in info.value.problems]


# ----------------------------------------------------------------------------------------------------------------- ends


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (
            lambda a, b, s: a["error"].to(b),
            'noise.error -> scale: needed an output of `noise`, was `error`, which on_error="emit" adds; give noise on_error="emit".',
        ),
        (lambda a, b, s: a["out"].to(b), "noise.out -> scale: needed an output of `noise`, was `out`; did you mean `output`?"),
        (lambda a, b, s: s["c"].to(b), "split.c -> scale: needed an output of `split`, was `c`; choose from `a`, `b`."),
        (lambda a, b, s: s.to(b), 'split -> scale: needed one output, was `split`, which has 2; choose one of ["a"], ["b"].'),
        (lambda a, b, s: a.to(b["y"]), "noise -> scale.y: needed an input of `scale`, was `y`; choose from `x`, `gain`, `path`."),
        (lambda a, b, s: a.to(b["gian"]), "noise -> scale.gian: needed an input of `scale`, was `gian`; did you mean `gain`?"),
        (lambda a, b, s: b.to(a), "scale -> noise: needed a node with inputs, was the Emitter `noise`; turn the edge round."),
        (lambda a, b, s: b.to(a["x"]), "scale -> noise.x: needed an input of `noise`, was `x`; there is none."),
    ],
)
def test_ends_that_are_not_there(build, expected):
    """Unknown outputs and inputs get a hint; a node that stands for no single end is told its ends."""
    with Declaration() as graph:
        a, b, s = noise(), scale(), split()
        a.to(s)
        a.to(s)
        build(a, b, s)
    assert expected in found(graph)


def test_a_collector_has_no_output():
    """An edge the wrong way round."""
    with Declaration() as graph:
        one, two = noise(), log()
        one.to(two)
        two.to(show())
    assert ["log -> show: needed a node with outputs, was the Collector `log`; turn the edge round."] == found(graph)


def test_an_input_has_one_edge():
    """A second edge is told where the first is; a node whose inputs are all connected stands for none."""
    with Declaration() as graph:
        one, two = noise(), scale()
        one.to(two)
        one.to(two["x"])
        one.to(two)
    first, second = found(graph)
    assert "noise -> scale: needed a free input of `scale`, was all connected: `x`; name the input, or remove an edge." == first
    assert second.startswith(f"noise -> scale: needed one edge into `x`, was also fed by noise -> scale ({__file__}:")
    assert second.endswith("); remove one of them.")


def test_every_input_is_connected():
    """Of `*values` as many places as there are edges; parameters without default too."""
    with Declaration() as graph:
        scale(), show(), observer()
        noise().to(show()["values[1]"])
    expected = [
        "noise -> show_2.values[1]: needed an input of `show_2`, was `values[1]`; did you mean `values[0]`?",
        'scale: needed an edge into its input `x`, was not connected; connect a node to scale["x"].',
        'show: needed an edge into its input `values[0]`, was not connected; connect a node to show["values[0]"].',
        'observer: needed an edge into its input `state`, was not connected; connect a node to observer["state"].',
        (
            "observer: needed an edge into its parameter `need`, which has no default, was not connected; "
            'connect a node to observer["need"], or give it a default.'
        ),
        'show_2: needed an edge into its input `values[0]`, was not connected; connect a node to show_2["values[0]"].',
    ]
    assert expected == found(graph)


def test_a_parameter_has_one_writer():
    """Two edges, or an edge and the program; a starting value in the constructor is none."""
    with Declaration() as graph:
        one, two, three = noise(), scale(gain=2.0), scale()
        one.to(two)
        one.to(two["gain"])
        one.to(three)
        three.params.gain = 3.0
        one.to(three["gain"])
    (text,) = found(graph)
    assert text.startswith(
        f"noise -> scale_2.gain: needed one writer of parameter `gain`, was also set by the program ({__file__}:"
    )
    assert text.endswith("); remove one of the two; a constructor may give the starting value.")
    one.to(two["gain"])
    assert any("needed one edge into `gain`, was also fed by noise -> scale.gain (" in text for text in found(graph))


# --------------------------------------------------------------------------------------------------------------- dtypes


def test_dtypes_are_compared_field_by_field():
    """What is missing, what is too much, what differs."""
    with Declaration() as graph:
        noise().to(observer()["need"])
        sensor().to(graph["observer"])
    expected = """\
sensor -> observer: needed dtype <x:f8, v:f8, t:u4> of `observer.state`, was <x:f4, t:u4, w:f8> of `sensor`; make the two agree \
(x: needed f8, was f4; v: needed f8, is missing; w: not needed, was f8)."""
    assert [expected] == found(graph)


def test_a_parameter_takes_its_own_dtype():
    """That of its default; a fixed one takes no edge."""

    @router("f8")
    def count(x, *, limit=10, path="file"): ...

    with Declaration() as graph:
        one, two = noise(), count()
        one.to(two)
        one.to(two["limit"])
        one.to(two["path"])
    expected = [
        "noise -> count.limit: needed dtype i8 of `count.limit`, was f8 of `noise`; make the two agree.",
        (
            "noise -> count.path: needed a parameter that may change, was `path='file'`, which is fixed while running; "
            "give it a number as default, or none."
        ),
    ]
    assert expected == found(graph)


def test_objects_may_stay_in_a_process():
    """Both ends in one process context."""
    with Declaration() as graph, graph.context("a"):
        things().to(log())
    assert compile(graph).outputs[0].local


# -------------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"policy": "newest"}, "needed policy \"every\" or \"latest\", was 'newest'; choose one."),
        ({"depth": 0}, "needed depth as an int of 1 to 2147483647, was 0; leave depth out for the default."),
        ({"depth": 2.0}, "needed depth as an int of 1 to 2147483647, was 2.0; leave depth out for the default."),
        ({"depth": -1}, "needed depth as an int of 1 to 2147483647, was -1; leave depth out for the default."),
        ({"depth": True}, "needed depth as an int of 1 to 2147483647, was True; leave depth out for the default."),
        ({"depth": 2**31}, "needed depth as an int of 1 to 2147483647, was 2147483648; leave depth out for the default."),
        ({"decimate": 0}, "needed decimate as an int of 1 to 2147483647, was 0; leave decimate out for the default."),
        ({"batch": "2"}, "needed batch as an int of 1 to 2147483647, was '2'; leave batch out for the default."),
        ({"batch": 2**28}, "needed batch of at most 268435455 records of 8 bytes, was 268435456; take fewer, or smaller records."),
        ({"window": 2**27 - 1}, "needed window of at most 134217726 records of 8 bytes, was 134217727; take fewer, or smaller records."),
        ({"on_full": "block"}, 'needed on_full "wait" or "drop_new" or "drop_oldest" or "error", was \'block\'; choose one.'),
        ({"policy": "latest", "depth": 3}, 'needed policy "every" beside depth, was "latest" and depth=3; leave depth out, or policy.'),
        ({"policy": "latest", "on_full": "wait"},
         "needed policy \"every\" beside on_full, was \"latest\" and on_full='wait'; leave on_full out, or policy."),
        ({"policy": "latest", "decimate": 2},
         'needed policy "every" beside decimate, was "latest" and decimate=2; leave decimate out, or policy.'),
        ({"policy": "latest", "batch": 2}, 'needed policy "every" beside batch, was "latest" and batch=2; leave batch out, or policy.'),
        ({"policy": "latest", "initial": [1.0, 2.0]},
         'needed at most one initial record on an edge with policy "latest", was 2; keep the last one.'),
        ({"max_age_s": 0}, "needed max_age_s above 0 and at most 1e9, was 0; leave it out for no limit."),
        ({"max_age_s": "1"}, "needed max_age_s above 0 and at most 1e9, was '1'; leave it out for no limit."),
        ({"on_stale": "skip"}, "needed max_age_s beside on_stale, was none; add max_age_s=, or leave on_stale out."),
        ({"on_stale": "stop", "max_age_s": 1}, 'needed on_stale "safe" or "skip" or "error", was \'stop\'; choose one.'),
        ({"on_stale": "safe", "max_age_s": 1}, 'needed a method `safe` of `log` for on_stale="safe", was none; define it in log.'),
        ({"initial": 0.0}, "needed initial as a list of records, was 0.0; write initial=[0.0]."),
        ({"initial": ["a"]}, f"needed initial records that fit, was initial[0]: needed f8, was str 'a'; {TEXT}."),
        ({"initial": [1.0, (1.0, 2.0)]}, "needed initial records that fit, was initial[1]: needed f8, was a tuple of 2."),
    ],
)  # fmt: skip
def test_what_an_edge_option_can_get_wrong(options, expected):
    """Values are judged when the graph is compiled, with the place of the connecting call."""
    with Declaration() as graph:
        noise().to(log(), **options)
    assert [f"noise -> log: {expected}"] == found(graph)


@pytest.mark.parametrize("options", [{"policy": "latest"}, {"depth": 2}, {"max_age_s": 1.0}, {"on_full": "error"}])
def test_a_parameter_takes_no_option_but_initial(options):
    """It never triggers and never blocks."""
    with Declaration() as graph:
        one, two = noise(), scale()
        one.to(two)
        one.to(two["gain"], **options)
    ((name, value),) = options.items()
    expected = f"noise -> scale.gain: needed no option but initial on a parameter, was {name}={value!r}; leave {name} out."
    assert [expected] == found(graph)


@pytest.mark.parametrize(
    ("initial", "says"),
    [
        ([1.0, 2.0], "needed at most one initial record on a parameter, was 2; keep the last one."),
        (
            [11.0],
            "needed initial records that fit, was initial[0]: needed a value of at most 10, was 11.0; stay within its bounds.",
        ),
        (["x"], f"needed initial records that fit, was initial[0]: needed f8, was str 'x'; {TEXT}."),
    ],
)
def test_the_first_value_of_a_parameter_is_checked(initial, says):
    """Number, dtype and bounds."""
    with Declaration() as graph:
        one, two = noise(), scale()
        one.to(two)
        one.to(two["gain"], initial=initial)
    assert [f"noise -> scale.gain: {says}"] == found(graph)


def test_a_required_parameter_keeps_its_bounds():
    """They are those of its annotation, its dtype that of its edge."""
    with Declaration() as graph:
        noise().to(observer()["need"], initial=[2.0])
        pair().to(pair())
    assert any("was initial[0]: needed a value of at most 1, was 2.0; stay within its bounds" in text for text in found(graph))


def test_a_starting_value_fits_what_the_edge_brings():
    """Of a parameter without default, only the edge says the dtype; with a value it need not wait, and may close a cycle."""
    with Declaration() as graph:
        node = strict(need=2.5)
        noise().to(node)
        node.to(node["need"])
    plan = compile(graph)
    assert [(2.5, False, True)] == [(item.value, item.required, plan.edges[1].feedback) for item in plan.nodes[0].parameters]
    with Declaration() as graph:
        node = strict(need="x")
        noise().to(node)
        noise().to(node["need"])
    assert [f"noise_2 -> strict.need: needed a starting value that fits, was `need`: needed f8, was str 'x'; {TEXT}."] == found(graph)


def test_bounds_are_for_numbers():
    """A record cannot be compared with them."""
    with Declaration() as graph:
        one = observer()
        sensor_like(one)
        one.to(one["need"], initial=[])
    assert any("observer -> observer.need: needed numbers for `need`, which has Bounds, was <x:f8, v:f8, t:u4>; remove" in text
               for text in found(graph))  # fmt: skip


def sensor_like(node):
    @emitter(STATE)
    def state(): ...

    return state().to(node)


@router("f8")
def strict(x, *, need):
    return x


@pytest.mark.parametrize(
    ("make", "initial", "expected"),
    [
        (noise, [1, True], (1.0, 1.0)),
        (noise, (2.5,), (2.5,)),
        (noise, np.array([1.5, 2.5]), (1.5, 2.5)),
        (things, [None, [1, 2]], (None, [1, 2])),
        (stamp, [np.datetime64("2024-01-01")], (np.datetime64("2024-01-01", "ns"),)),
    ],
)
def test_initial_values_become_records(make, initial, expected):
    """Numbers as they will be handed over, objects as they are."""
    with Declaration() as graph:
        make().to(log(), initial=initial)
        if make is stamp:
            noise().to(graph["stamp"])
    values = compile(graph).edges[0].initial
    assert expected == values
    assert [type(value) for value in expected] == [type(value) for value in values]


def test_initial_records_and_arrays_are_copies():
    """A later change of what the program wrote changes no plan."""
    mine = np.ones(3)
    with Declaration() as graph:
        one = noise()
        one.to(pair()).to(log(), initial=[(1.0, 2.0), {"u": 3.0, "v": 4.0}, np.array([5.0, 6.0])])
        one.to(vector()).to(log(), initial=[mine])
    plan = compile(graph)
    mine[:] = 7
    records = plan.edges[1].initial
    assert [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)] == [record.item() for record in records]
    assert [1.0, 1.0, 1.0] == plan.edges[3].initial[0].tolist()


def test_what_happens_when_a_record_is_stale():
    """By default `safe` if the reader has it, else an error."""
    with Declaration() as graph:
        one = noise()
        one.to(Motor(), max_age_s=0.05)
        one.to(log(), max_age_s=0.5)
        one.to(Motor(), max_age_s=0.5, on_stale="skip")
    expected = [("safe", 50_000_000), ("error", 500_000_000), ("skip", 500_000_000)]
    assert expected == [(edge.on_stale, edge.max_age_ns) for edge in compile(graph).edges]


def test_the_default_depth_depends_on_the_size():
    """16, at most 16 MiB, at least 2."""
    sizes = {8: 16, 1 << 20: 16, (1 << 20) + 8: 15, 4 << 20: 4, 8 << 20: 2, 64 << 20: 2}
    assert sizes == {size: default_depth(np.dtype(("u1", (size,)))) for size in sizes}


# ----------------------------------------------------------------------------------------------------------- everything


def test_all_mistakes_are_reported_at_once():
    """One error for nodes, edges, contexts and cycles together."""
    with Declaration() as graph:
        one, two, three = noise(rate_hz=-1), scale(), scale()
        one.to(two["nothing"], depth=0)
        two.to(three)
        three.to(two)
        graph.context("io", cpu=4096)
    parts = ["a cpu of this machine", "rate_hz above 0", "an input of `scale`", "depth as an int", "initial records in"]
    texts = found(graph)
    assert [[part] for part in parts] == [[part for part in parts if part in text] for text in texts]


def test_a_parameter_takes_no_objects():
    """A parameter has a dtype: an edge that brings objects is refused, not read as memory."""
    with Declaration() as graph:
        source, node = things(), scale()
        noise().to(node)
    source.to(node["gain"])
    with pytest.raises(GraphError) as caught:
        compile(graph)
    assert "parameter-object" in [problem.code for problem in caught.value.problems]
