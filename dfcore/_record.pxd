# cython: language_level=3
"""Records as user code sees them, over memory that somebody else owns. See `_record.pyx`."""

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport uint64_t

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *thing) noexcept
    bint PyObject_TypeCheck(PyObject *thing, PyTypeObject *type) noexcept

ctypedef void (*release_t)(void *arg) noexcept

cdef enum:  # kinds of dtype, one rule of values each
    STRUCTURED = 0
    SCALAR = 1
    ARRAY = 2
    OBJECT = 3


cdef struct Where:  # the end and the fields that lead to a value; on the stack, made into text only for a message
    Where *up
    PyObject *name


cdef class Slot:
    cdef char *data
    cdef Py_ssize_t size
    cdef bint readonly
    cdef object owner            # keeps the memory alive; must not refer back to the slot
    cdef release_t release       # called once, in dealloc, with the GIL held
    cdef void *release_arg

cdef Slot new_slot(char *data, Py_ssize_t size, bint readonly, object owner)
cdef Slot private_slot(Py_ssize_t size)


cdef class Format:
    cdef readonly object dtype
    cdef readonly int kind
    cdef readonly Py_ssize_t itemsize
    cdef int code                # of a scalar: how it is read and written; 0: through NumPy
    cdef readonly tuple names    # of a structured dtype
    cdef tuple fields
    cdef dict by_name
    cdef type view_type
    cdef PyTypeObject *owner     # the same
    cdef object element          # dtype of all elements if they have one; else None
    cdef int element_code
    cdef Py_ssize_t count        # elements
    cdef object base, shape      # of an array
    cdef Py_ssize_t nruns
    cdef Py_ssize_t *runs        # offset, length of each run of bytes that are no padding

    cdef object view(self, Slot slot, str end)
    cdef object load(self, char *data)
    cdef int store(self, char *data, object value, str end) except -1
    cdef uint64_t digest(self, const char *data, uint64_t h) noexcept nogil

    cdef int put(self, char *data, object value, Where *where) except -1
    cdef int put_record(self, char *data, object value, Where *where) except -1
    cdef int put_tuple(self, char *data, object value, Where *where) except -1
    cdef int put_mapping(self, char *data, object value, Where *where) except -1
    cdef int put_array(self, char *data, object value, Where *where) except -1
    cdef int put_single(self, char *data, object value, Where *where) except -1
    cdef int put_slowly(self, char *data, object value, Where *where) except -1
    cdef bint put_buffer(self, char *data, object value) except -1
    cdef bint matches(self, Py_buffer *buffer) except -1
    cdef object misfit(self, object value, Where *where, str do)
    cdef object clean(self, const char *data)
    cdef int copy_bytes(self, char *target, object data) except -1


cdef class Field:
    cdef readonly str name
    cdef Py_ssize_t offset
    cdef Format format
    cdef int code
    cdef int kind
    cdef PyTypeObject *owner     # the class that this is a descriptor of; it holds the descriptor


cdef class Record:
    cdef char *data
    cdef Format format
    cdef Slot slot
    cdef str end                 # the input's or output's name, for messages
    cdef Record parent           # of a nested record, with the field that it is
    cdef Field field
    cdef object root             # 0-d array of the whole record; None until needed
    cdef object elements         # 1-D array of all elements; None until needed

    cdef object read(self, Field field)
    cdef int write(self, Field field, object value) except -1
    cdef int assign(self, Format format, char *data, object value, Where *where) except -1
    cdef object whole(self)
    cdef object vector_of(self)
    cdef str where(self)
    cdef object no_field(self, object key)
    cdef bint equals(self, object other) except -1
    cdef object in_place(self, object operation, object other)


cdef inline int extra_references(PyObject *view) noexcept:
    """How many references there are to `view`, or to what was handed out of it, beside the one that the engine holds."""
    cdef Py_ssize_t extra = Py_REFCNT(view) - 1
    cdef PyObject *inner
    if PyObject_TypeCheck(view, <PyTypeObject *>Record):
        inner = <PyObject *>(<Record>view).root
        if inner != <PyObject *>None:
            extra += Py_REFCNT(inner) - 1
        inner = <PyObject *>(<Record>view).elements
        if inner != <PyObject *>None:
            extra += Py_REFCNT(inner) - 1
    return <int>extra
