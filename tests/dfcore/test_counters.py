"""Counters: C and NumPy see the same structs, and the same bucket for every value."""

import subprocess
import sysconfig

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfcore import counters
from dfcore.counters import BUCKETS, EDGE_COUNTERS, HISTOGRAM, NODE_COUNTERS, VALUE_BITS, WRITER_COUNTERS, bucket, lower_bounds
from dfcore.histogram import Histogram

STRUCTS = {
    "df_histogram": HISTOGRAM,
    "df_node_counters": NODE_COUNTERS,
    "df_edge_counters": EDGE_COUNTERS,
    "df_writer_counters": WRITER_COUNTERS,
}
PROGRAM = """
#include <stdio.h>
#include "_counters.h"
int main(void) {
%s
    static df_histogram h;
    long long value;
    while (scanf("%%lld", &value) == 1) {
        printf("%%u\\n", df_histogram_bucket(value));
        df_histogram_add(&h, value);
    }
    printf("%%llu %%lld %%lld %%lld\\n", (unsigned long long)h.count, (long long)h.min, (long long)h.max, (long long)h.sum);
    return 0;
}
"""


@pytest.fixture(scope="module")
def c_program(tmp_path_factory):
    """A C program over the header: prints sizes and offsets, then the bucket of each value it reads, then a histogram."""
    lines = []
    for struct, dtype in STRUCTS.items():
        lines.append(f'printf("%zu\\n", sizeof({struct}));')
        lines += [f'printf("%zu\\n", offsetof({struct}, {field}));' for field in dtype.names]
    folder = tmp_path_factory.mktemp("counters")
    source, program = folder / "probe.c", folder / "probe"
    source.write_text(PROGRAM % "\n".join(lines))
    include = counters.__file__.rsplit("/", 1)[0]
    compiler = sysconfig.get_config_var("CC").split()
    subprocess.run([*compiler, "-O2", "-Wall", "-Werror", "-I", include, str(source), "-o", str(program)], check=True)
    return program


def output(program, values=()) -> list[str]:
    """The lines that the program prints for these values."""
    text = "\n".join(map(str, values))
    return subprocess.run([program], input=text, capture_output=True, text=True, check=True).stdout.splitlines()


def test_c_and_numpy_agree_on_every_offset(c_program):
    """One text for two languages: sizes and offsets are equal."""
    expected = []
    for dtype in STRUCTS.values():
        expected += [dtype.itemsize, *(dtype.fields[name][1] for name in dtype.names)]
    assert expected == [int(line) for line in output(c_program)[: len(expected)]]


def test_structs_are_whole_cache_lines():
    """L2: counters of two writers never share a line."""
    assert [0] * 4 == [dtype.itemsize % 64 for dtype in STRUCTS.values()]


VALUES = [-5, 0, 1, 31, 32, 33, 63, 64, 1000, 123_456_789, 2**39, 2**40 - 1, 2**40, 2**62]


def test_c_and_python_choose_the_same_bucket(c_program):
    """The twin functions agree, at the edges too; count, extremes and sum are exact."""
    lines = output(c_program, VALUES)
    assert [bucket(value) for value in VALUES] == [int(line) for line in lines[-len(VALUES) - 1 : -1]]
    positive = [max(value, 0) for value in VALUES]
    assert [len(VALUES), min(positive), max(positive), sum(positive)] == [int(word) for word in lines[-1].split()]


@given(st.integers(0, 2**VALUE_BITS - 1))
def test_a_bucket_holds_its_values_and_is_narrow(value):
    """Each value lies within the bounds of its bucket, which are at most 1/32 apart."""
    bounds = lower_bounds()
    low, high = int(bounds[bucket(value)]), int(bounds[bucket(value) + 1])
    assert low <= value < high
    assert high - low <= max(1, low / 32)


def counted(values) -> np.ndarray:
    """A histogram struct that counted `values`."""
    struct = np.zeros((), HISTOGRAM)
    for value in values:
        struct["buckets"][bucket(value)] += 1
    struct["count"], struct["sum"] = len(values), sum(values)
    struct["min"], struct["max"] = min(values, default=0), max(values, default=0)
    return struct


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50), st.integers(0, 100))
def test_percentiles_are_within_their_bucket(values, p):
    """A percentile differs from the exact one (nearest rank) by at most half a bucket."""
    found = Histogram.of(counted(values)).percentile(p)
    exact = sorted(values)[max(-(-p * len(values) // 100) - 1, 0)]
    assert abs(found - exact) <= exact / 64 + 1


def test_extremes_and_mean_are_exact():
    """Count, minimum, maximum and mean do not suffer from the buckets."""
    histogram = Histogram.of(counted([3, 1000, 10**12]))
    assert (3, 3, 10**12, (1003 + 10**12) / 3) == (histogram.count, histogram.min, histogram.max, histogram.mean)
    assert (3, 10**12) == (histogram.percentile(0), histogram.percentile(100))


def test_an_empty_histogram_says_zero():
    """Nothing was counted: no figure is invented."""
    histogram = Histogram.of(counted([]))
    assert Histogram() == histogram
    assert (0, 0, 0, 0.0, 0.0) == (histogram.count, histogram.min, histogram.max, histogram.mean, histogram.percentile(50))


@pytest.mark.parametrize("p", [-1, 100.5])
def test_a_percentile_is_of_a_hundred(p):
    """Not of one."""
    with pytest.raises(ValueError, match="percentile: needed 0 to 100"):
        Histogram().percentile(p)


def test_the_last_bucket_is_the_last():
    """The histogram covers all its values and nothing more."""
    assert (BUCKETS - 1, BUCKETS - 1) == (bucket(2**VALUE_BITS - 1), bucket(2**63 - 1))
    assert BUCKETS + 1 == len(lower_bounds())
