# cython: language_level=3
"""A plain firing: one of the commonest kind, as straight-line code.

Law: a plain firing does to its cell, its ends and its counters exactly what `Scheduler.ready` and `fire` do to a cell of any kind;
it leaves out the questions whose answer was known when the cell was made. What it cannot answer in one look (an initial record,
a full edge, a result that is no plain value) it hands to the general code, at a point where both agree about the state.
`is_plain` says which cells; a test runs graphs both ways and compares everything that can be seen of them.

Functions here are inlined where they are called, by the table and the scheduler: nobody else calls them.
"""

from dfcore._cell cimport INPUTS, PLAIN, Cell
from dfcore._ends cimport Input, Output
from dfcore._ring cimport df_has_room


cdef inline bint is_plain(Cell cell):
    """Whether the firings of a cell are plain: a function of its inputs, one record each, every exception ends the run."""
    cdef Input end
    cdef Output output
    if cell.style != PLAIN or cell.pace != INPUTS or cell.emitter or cell.ends_with_stop or cell.on_error is not None:
        return False
    if cell.turns is not None or cell.join is not None or cell.share is not None or cell.gaps or cell.gathers or cell.aged:
        return False
    if cell.deadline_ns >= 0 or cell.fixed_cost != 0:
        return False
    for end in cell.input_list:
        if not end.simple or end.apart:
            return False
    for output in cell.output_list:
        if output.gaps or output.sender is not None or output.bounds is not None:
            return False
    return True


cdef inline bint plain_ready(Cell cell) noexcept:
    """A plain firing may begin. False: the general code looks, and notes what is missing."""
    cdef int i
    if cell.busy or cell.ended or cell.flushing or cell.abandoned or cell.counters.blocked_edge:
        return False
    for i in range(cell.ninputs):
        if (<Input>cell.inputs[i]).held == NULL and not (<Input>cell.inputs[i]).one_more():
            return False
    for i in range(cell.noutputs):
        if not df_has_room(&(<Output>cell.outputs[i]).writer):
            return False
    return cell.nvalues == 0 or cell.counters.firings != 0  # the first value of a parameter may have to come
