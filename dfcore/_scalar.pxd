# cython: language_level=3
"""One scalar in memory: the usual types at once, here; the others in `_scalar.pyx`."""

from cpython.exc cimport PyErr_Clear, PyErr_Occurred
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check, PyFloat_FromDouble
from cpython.long cimport PyLong_CheckExact
from libc.stdint cimport int32_t, int64_t

cdef extern from "Python.h":
    double PyLong_AsDouble(object) noexcept  # the caller looks at PyErr_Occurred

cdef enum:  # how a scalar is read and written; 0: NumPy does it
    F8 = 1
    F4 = 2
    I8 = 3
    I4 = 4
    I2 = 5
    I1 = 6
    U8 = 7
    U4 = 8
    U2 = 9
    U1 = 10
    B1 = 11
    F2 = 12
    C16 = 13
    C8 = 14
    S = 15
    U = 16
    V = 17

cdef int code_of(object dtype) except -1
cdef const char *characters_of(int code) noexcept
cdef object python_value(object value)
cdef object load_rare(int code, const char *data, Py_ssize_t size, object dtype)
cdef bint store_rare(int code, char *data, object value, Py_ssize_t size) except -1


cdef inline object load_scalar(int code, const char *data, Py_ssize_t size, object dtype):
    """The scalar at `data` as Python has it: a copy."""
    if code == F8:
        return PyFloat_FromDouble((<const double *>data)[0])
    if code == I8:
        return (<const int64_t *>data)[0]
    if code == I4:
        return (<const int32_t *>data)[0]
    if code == F4:
        return PyFloat_FromDouble((<const float *>data)[0])
    if code == B1:
        return True if data[0] else False
    return load_rare(code, data, size, dtype)


cdef inline bint store_scalar(int code, char *data, object value, Py_ssize_t size) except -1:
    """Write `value` if it is of the usual types and fits. False: nothing was written."""
    cdef double number
    if code != F8:
        return store_rare(code, data, value, size)
    if PyFloat_Check(value):
        (<double *>data)[0] = PyFloat_AS_DOUBLE(value)
        return True
    if PyLong_CheckExact(value):
        number = PyLong_AsDouble(value)
        if number == -1.0 and PyErr_Occurred():
            PyErr_Clear()
            return False
        (<double *>data)[0] = number
        return True
    return False
