"""When bytes that have come over the wire can be read: what lies between the wire and the kernel's buffer.

Laws: a profile changes when bytes are there, never which, except where the FIFO of a UART runs over; it is computed from the lane alone, whenever somebody looks, and needs no
event of its own. `ideal` hands over each byte as it is complete; an FTDI adapter keeps them up to 16 ms, so that a 100 Hz sensor
comes in bursts.
"""

from __future__ import annotations

from .lane import Lane

MILLISECOND_NS = 1_000_000


class Profile:
    """Each byte can be read as soon as it is complete. Also the base of the others.

    A profile given to `World.serial` is a description; each plug-in of a line makes a receiver of its own with `fresh`.
    """

    name = "ideal"
    lost = 0  # bytes that a FIFO had no room for

    def __repr__(self) -> str:
        return f"{self.name}()"

    def fresh(self) -> Profile:
        """A receiver like this one that has received nothing."""
        return type(self)()

    def take(self, lane: Lane, now_ns: int) -> bytes:
        """What can be read by `now_ns`, once."""
        return lane.take(now_ns)

    def when(self, lane: Lane, count: int) -> int | None:
        """When `count` bytes of `lane` can be read, if nothing more is sent; None if they are not under way."""
        return lane.when(count)

    def set_low_latency(self, on: bool) -> None:
        """The program asked for low latency, or no longer."""


class _Batches(Profile):
    """Bytes come in batches. A subclass says when the next one is handed over, and how many of its bytes there is room for."""

    MOST_BYTES = 1 << 62

    def __init__(self) -> None:
        self._last_ns = 0  # when the last batch was handed over

    def _next_ns(self, lane: Lane, taken: int, last_ns: int) -> int | None:
        """When the batch that begins behind `taken` bytes of `lane` is handed over; None if it has no byte yet."""
        raise NotImplementedError

    def take(self, lane: Lane, now_ns: int) -> bytes:
        """What can be read by `now_ns`, once."""
        parts = []
        while (at_ns := self._next_ns(lane, 0, self._last_ns)) is not None and at_ns <= now_ns:
            batch = lane.take(at_ns)
            parts.append(batch[: self.MOST_BYTES])
            self.lost += max(0, len(batch) - self.MOST_BYTES)
            self._last_ns = at_ns
        return b"".join(parts)

    def when(self, lane: Lane, count: int) -> int | None:
        """When `count` bytes of `lane` can be read, if nothing more is sent; None if they are not under way."""
        taken, kept, at_ns = 0, 0, self._last_ns
        while kept < count:
            next_ns = self._next_ns(lane, taken, at_ns)
            if next_ns is None:
                return None
            complete = lane.complete(next_ns)
            kept += min(self.MOST_BYTES, complete - taken)
            taken, at_ns = complete, next_ns
        return at_ns


class Ftdi(_Batches):
    """A USB adapter with a latency timer: a packet goes when 62 bytes are there, or when the timer runs out."""

    name = "ftdi"
    PACKET_BYTES = 62

    def __init__(self, latency_ms: int = 16) -> None:
        if isinstance(latency_ms, bool) or not isinstance(latency_ms, int) or not 1 <= latency_ms <= 255:
            raise ValueError(f"ftdi: needed a latency of 1 to 255 ms, was {latency_ms!r}; the chip has one byte for it")
        super().__init__()
        self.latency_ms = latency_ms
        self._timer_ns = latency_ms * MILLISECOND_NS

    def __repr__(self) -> str:
        return f"ftdi(latency_ms={self.latency_ms})"

    def fresh(self) -> Ftdi:
        """A receiver like this one that has received nothing."""
        return Ftdi(self.latency_ms)

    def set_low_latency(self, on: bool) -> None:
        """The Linux driver sets the timer to 1 ms, and back."""
        self._timer_ns = (1 if on else self.latency_ms) * MILLISECOND_NS

    def _next_ns(self, lane: Lane, taken: int, last_ns: int) -> int | None:
        first_ns = lane.when(taken + 1)
        if first_ns is None:
            return None
        full_ns = lane.when(taken + self.PACKET_BYTES)
        ticks = max(1, -(-(first_ns - last_ns) // self._timer_ns))
        timer_ns = last_ns + ticks * self._timer_ns
        return timer_ns if full_ns is None else min(full_ns, timer_ns)


class CdcAcm(_Batches):
    """A USB device without a latency timer: everything goes with the next frame of the bus, each millisecond."""

    name = "cdc_acm"

    def _next_ns(self, lane: Lane, taken: int, last_ns: int) -> int | None:
        first_ns = lane.when(taken + 1)
        return None if first_ns is None else -(-first_ns // MILLISECOND_NS) * MILLISECOND_NS


class Uart16550(_Batches):
    """A UART with a FIFO of 16 bytes: it asks to be read when 14 are there, or when the line has been idle for four bytes.

    It is read `latency_us` later. What comes meanwhile and finds the FIFO full is lost.
    """

    name = "uart16550"
    MOST_BYTES = 16
    TRIGGER_BYTES = 14
    IDLE_BYTES = 4

    def __init__(self, latency_us: float = 0) -> None:
        if isinstance(latency_us, bool) or not isinstance(latency_us, (int, float)) or not 0 <= latency_us < float("inf"):
            raise ValueError(f"uart16550: needed a latency of at least 0 us, was {latency_us!r}; it is how late an interrupt is served")
        super().__init__()
        self.latency_us = latency_us
        self._latency_ns = round(latency_us * 1000)

    def __repr__(self) -> str:
        return f"uart16550(latency_us={self.latency_us})" if self.latency_us else "uart16550()"

    def fresh(self) -> Uart16550:
        """A receiver like this one that has received nothing."""
        return Uart16550(self.latency_us)

    def _next_ns(self, lane: Lane, taken: int, last_ns: int) -> int | None:
        asked_ns = self._asked_ns(lane, taken)
        return None if asked_ns is None else asked_ns + self._latency_ns

    def _asked_ns(self, lane: Lane, taken: int) -> int | None:
        before_ns = None
        for count in range(taken + 1, taken + self.TRIGGER_BYTES + 1):
            at_ns = lane.when(count)
            if before_ns is not None:
                idle_ns = before_ns + self.IDLE_BYTES * lane.byte_ns
                if at_ns is None or at_ns > idle_ns:
                    return idle_ns
            if at_ns is None:
                return None
            before_ns = at_ns
        return before_ns


def ideal() -> Profile:
    """Each byte can be read as soon as it is complete."""
    return Profile()


def uart16550(latency_us: float = 0) -> Profile:
    """A UART with a 16-byte FIFO, which is read `latency_us` after it asked to be; too late, and bytes are lost."""
    return Uart16550(latency_us)


def ftdi(latency_ms: int = 16) -> Profile:
    """An FTDI USB adapter; its latency timer is 16 ms unless the program, or a rule of udev, sets it."""
    return Ftdi(latency_ms)


def cdc_acm() -> Profile:
    """A USB device with a full-speed CDC-ACM port, as on many boards."""
    return CdcAcm()


_BY_NAME = {"ideal": ideal, "uart16550": uart16550, "ftdi": ftdi, "cdc_acm": cdc_acm}


def profile_of(profile: str | Profile) -> Profile:
    """The profile that a name stands for, or the profile itself."""
    if isinstance(profile, Profile):
        return profile
    if not isinstance(profile, str) or profile not in _BY_NAME:
        raise ValueError(f"profile: needed one of {', '.join(_BY_NAME)}, was {profile!r}; or a call such as ftdi(latency_ms=1)")
    return _BY_NAME[profile]()
