# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""The firing rules that are not "one record of each input, to every reader": which records a firing takes, and who gets them.

Laws kept here (RULES 19):
`Merge`   fires on any input: of the heads that are there, the one published first, ties to the lowest input. It never waits for
          an input that is empty, and has ended when all of them have; after `stop`, a loop keeps it no longer.
`Sync`    takes one record of each input such that the newest is about a time at most `within_ns` after that of the oldest. Only
          when every input has its next record in hand does it judge: if they fit, they are taken; if not, those too old for the
          newest are passed over, and counted. So what it takes depends on the records alone, not on when they come (Kahn).
`Share`   gives each record to one reader: the first with room behind the one served last. A reader that left has none.
They look at ends and answer; they know no node, and call no user code.
"""

cimport cython

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from dfcore._ends cimport Input, Output
from dfcore._ring cimport df_all_gone, df_has_room


cdef PyObject **pointers(list ends) except NULL:
    """The items of `ends`, borrowed."""
    cdef int i
    cdef PyObject **found = <PyObject **>PyMem_Calloc(len(ends) + 1, sizeof(void *))
    if not found:
        raise MemoryError
    for i in range(len(ends)):
        found[i] = <PyObject *>ends[i]
    return found


cdef bint there(Input end) noexcept:
    """A record is there. A tombstone in front of it is passed over: who takes what comes next misses nothing."""
    while end.gaps and end.ready() and end.buried():
        end.pass_buried()
    return end.ready()


cdef class Join:
    """Which records of `inputs` a firing takes. `look` answers READY, WAITS (for `missing`) or OVER: no firing will come."""

    def __cinit__(self, list inputs, *rule):
        self.ends, self.count = inputs, len(inputs)
        self.inputs = pointers(inputs)

    def __dealloc__(self):
        PyMem_Free(self.inputs)

    cdef int look(self, int64_t now_ns, bint stopping) except -1:
        raise NotImplementedError


@cython.final
cdef class Merge(Join):
    """One record of any input, in the order in which they were published."""

    cdef int look(self, int64_t now_ns, bint stopping) except -1:
        cdef int i, found = OVER
        cdef bint back = False  # only what comes round a loop is left
        cdef Input end
        for i in range(self.count):
            end = <Input>self.inputs[i]
            if there(end):
                if not (stopping and end.feedback):
                    return READY
                back = True
            elif not end.ended() and not (stopping and end.feedback):
                found, self.missing = WAITS, end
        return READY if back and found == WAITS else found

    cdef int choose(self, int64_t now_ns) except -1:
        """Have every head in hand that is there, and return the input of the oldest. Call only if READY."""
        cdef int i, chosen = -1
        cdef Input end
        for i in range(self.count):
            end = <Input>self.inputs[i]
            if end.held != NULL and end.superseded():
                end.release(False)
            if end.held == NULL and there(end):
                end.take(now_ns)
            if end.held != NULL and (chosen < 0 or end.held.publish_ns < (<Input>self.inputs[chosen]).held.publish_ns):
                chosen = i
        return chosen


@cython.final
cdef class Sync(Join):
    """One record of each input, about times that are at most `within_ns` apart.

    Where `origin_ns` grows along each input, a record passed over has no partner: everything still to come is newer.
    """

    def __cinit__(self, list inputs, int64_t within_ns):
        self.within_ns = <uint64_t>within_ns

    cdef int look(self, int64_t now_ns, bint stopping) except -1:
        cdef int i, found
        cdef Input end
        while True:
            found = READY
            for i in range(self.count):
                end = <Input>self.inputs[i]
                if end.held == NULL and there(end):
                    end.take(now_ns)
                if end.held == NULL:
                    if end.ended():
                        return OVER
                    found, self.missing = WAITS, end
            if found == WAITS or self.match():
                return found

    cdef bint match(self) except -1:
        """Whether the records in hand fit; those too old for the newest are let go."""
        cdef int i
        cdef bint fit = True
        cdef int64_t newest = (<Input>self.inputs[0]).held.origin_ns
        for i in range(1, self.count):
            newest = max(newest, (<Input>self.inputs[i]).held.origin_ns)
        for i in range(self.count):
            # of two times any distance apart, as unsigned: no overflow
            if <uint64_t>newest - <uint64_t>(<Input>self.inputs[i]).held.origin_ns > self.within_ns:
                (<Input>self.inputs[i]).release(False)
                fit = False
        return fit


@cython.final
cdef class Share:
    """One of `outputs` for each record, each with one reader."""

    def __cinit__(self, list outputs):
        self.ends, self.count, self.last = outputs, len(outputs), len(outputs) - 1
        self.outputs = pointers(outputs)

    def __dealloc__(self):
        PyMem_Free(self.outputs)

    cdef int next(self) noexcept:
        """The output whose turn it is; -1: none has room."""
        cdef int i, place = self.last
        cdef Output output
        for i in range(self.count):
            place = place + 1 if place + 1 < self.count else 0
            output = <Output>self.outputs[place]
            if not df_all_gone(&output.writer) and df_has_room(&output.writer):
                return place
        return -1

    cdef Output full(self):
        """The output that it waits for: the first whose reader is there."""
        for output in self.ends:
            if not df_all_gone(&(<Output>output).writer):
                return output
        return self.ends[0]
