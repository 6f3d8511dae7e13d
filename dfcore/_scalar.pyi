# Nothing that Python sees: its functions are for `_record.pyx`.
