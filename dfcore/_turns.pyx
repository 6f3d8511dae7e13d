# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""Whose turn it is among the instances of a replicated node.

Laws (RULES 18): the complete sets of a node's inputs are numbered from 0. Ordered: instance i of n takes the sets i, i + n, i + 2n ...,
and begins a set only when all sets n before it and earlier are finished, so at most n are taken and not yet released. Not ordered: the
set to be taken next is a claim word, and whoever moves it on has the set. STOP in one instance ends all of them, those of later sets
at once. Nobody waits without having asked to be rung: `ask`, then one more look.
Every word has one writer, its instance, except the claim word (compare-and-swap) and the wish to be rung (as in `_ring.h`).
"""

cimport cython

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport uint64_t

from dfcore._bell cimport df_context_words, df_ring_bell
from dfcore._ends cimport base, context_of
from dfcore._ring cimport (
    DF_OPEN,
    df_answer_turn,
    df_ask_turn,
    df_claim,
    df_claim_word,
    df_set_stop,
    df_set_turn,
    df_stop_word,
    df_turn_word,
    df_turn_words,
)


cdef df_turn_words *turn_words(plan, memory, int index) except NULL:
    return <df_turn_words *>(base(memory, 0) + <Py_ssize_t>plan.layout.turns[index])


@cython.final
cdef class Turns:
    """The turns of one instance. States: before a set; within it; ended.

    Args:
        plan, memory: the run's.
        index: of the instance in the plan.
        positions, eventfds: of the scheduler, as for its ends.
    """

    def __cinit__(self, plan, memory, int index, dict positions, list eventfds):
        node = plan.nodes[index]
        cdef int i, other
        self.memory = memory.buffer(0)
        self.ordered, self.count, self.set = node.ordered, node.replicas, node.instance if node.ordered else 0
        self.own, self.first = turn_words(plan, memory, index), turn_words(plan, memory, index - node.instance)
        self.siblings = <Sibling *>PyMem_Calloc(self.count, sizeof(Sibling))
        if not self.siblings:
            raise MemoryError
        for i in range(self.count):
            other = index - node.instance + i
            self.siblings[i].words, self.siblings[i].position = turn_words(plan, memory, other), positions.get(other, -1)
            if other not in positions and eventfds:
                self.siblings[i].context = context_of(plan, memory, plan.nodes[other].context)
                self.siblings[i].fd = eventfds[plan.nodes[other].context]

    def __dealloc__(self):
        PyMem_Free(self.siblings)

    cdef uint64_t aim(self) noexcept:
        """The set to look for now."""
        if not self.ordered:
            self.set = df_claim_word(self.first)
        return self.set

    cdef bint begin(self) noexcept:
        """Begin the set, which is complete. False: a sibling has to finish first; not ordered: a sibling has taken it."""
        if not self.ordered:
            return df_claim(self.first, self.set)
        self.waiting = not self._open()
        return not self.waiting

    cdef bint _open(self) noexcept:
        """All sets n before the next one, and earlier, are finished."""
        cdef int i
        if self.set < <uint64_t>self.count:
            return True
        for i in range(self.count):
            if self.siblings[i].words != self.own and df_turn_word(self.siblings[i].words, i) <= self.set - self.count:
                return False
        return True

    cdef bint over(self) noexcept:
        """An instance has returned STOP: at an earlier set, if there is an order."""
        cdef int i
        cdef uint64_t stop
        for i in range(self.count):
            stop = df_stop_word(self.siblings[i].words)
            if stop and (stop <= self.set or not self.ordered):
                return True
        return False

    cdef bint news(self) noexcept:
        """What it waits for has come."""
        return (self.waiting and self._open()) or self.over()

    cdef void ask(self) noexcept:
        """Before a sleep: want to be rung; then look once more."""
        df_ask_turn(self.own)

    cdef void finish(self) noexcept:
        """The set is finished: its records are published, its inputs given back."""
        if self.ordered:
            self.set += self.count
            df_set_turn(self.own, self.set)
            self.tell()

    cdef void stop(self) noexcept:
        """User code has returned STOP at this set: siblings that sleep for a record are rung too."""
        cdef int i
        df_set_stop(self.own, self.set + 1)
        for i in range(self.count):
            if self.siblings[i].context != NULL:
                df_ring_bell(self.siblings[i].context, self.siblings[i].fd)

    cdef void leave(self) noexcept:
        """It takes no set any more."""
        df_set_turn(self.own, DF_OPEN)
        self.tell()

    cdef void tell(self) noexcept:
        """Ring the siblings elsewhere that asked for it."""
        cdef int i
        for i in range(self.count):
            if self.siblings[i].context != NULL and df_answer_turn(self.siblings[i].words):
                df_ring_bell(self.siblings[i].context, self.siblings[i].fd)
