cpdef enum:
    ITEM = 0  # a value that has keys
    MARK = 1  # a marker passing by
    GAP = 2  # an item was here: what waits for it may go on
    LAST = 3  # all items that were made of one are through


cdef class Tag:
    cdef readonly object value
    cdef readonly tuple keys
    cdef readonly int kind
    cdef Tag altered(self, int kind, object value)
    cdef int lose(self) except -1
    cdef Tag child(self, int kind, object value, Py_ssize_t number)


cdef class Step:
    cdef object source, call
    cdef object apply(self, object item)


cpdef object applied(list steps, object item)

cdef object SKIP_RESULT

cdef dict working
