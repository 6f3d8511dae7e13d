"""Handler of `sim://name` for `serial.serial_for_url`. It imports nothing: pyserial would hide the error of an import."""


def serial_class_for_url(url: str) -> tuple[str, type]:
    """The port's name, which is the URL itself, and the real class."""
    import serial

    return url, serial.Serial
