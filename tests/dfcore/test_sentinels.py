"""Sentinels are compared with `is`, wherever they went."""

from __future__ import annotations

import copy
import pickle

import pytest

from dfcore.sentinels import SKIP, STOP, UNSAID


@pytest.mark.parametrize("sentinel", [SKIP, STOP, UNSAID], ids=repr)
def test_a_sentinel_is_one_object(sentinel):
    """A pickle or a copy of it is itself."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert sentinel is pickle.loads(pickle.dumps(sentinel, protocol))
    assert sentinel is copy.copy(sentinel) is copy.deepcopy([sentinel])[0]


def test_a_sentinel_says_its_name():
    """Sentinels print as they are written, and `frames.next() or SKIP` works because both are true."""
    assert ("SKIP", "STOP", "UNSAID") == (repr(SKIP), repr(STOP), repr(UNSAID))
    assert SKIP and STOP and SKIP is not STOP
