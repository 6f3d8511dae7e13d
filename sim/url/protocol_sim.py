"""Handler of `sim://name` for `serial.serial_for_url`. It imports nothing at its head: pyserial would hide the error of an import."""


def serial_class_for_url(url: str) -> tuple[str, type]:
    """The port's name, which is the URL itself, and the real class.

    Raises:
        serial.SerialException: the port is to be opened, and the caller is no task of an open world.
    """
    import errno
    import sys

    import serial

    from .. import direct

    if sys._getframe(1).f_locals.get("do_open", True) and not direct.is_member():
        text = f"could not open port {url}: needed an open world, the caller was in none; open it in a `with World()` that has this port"
        raise serial.SerialException(errno.ENOENT, text)
    return url, serial.Serial
