"""Simulated ports under the real pyserial: time on the wire, lines, flow control, plugs, and devices."""

from __future__ import annotations

import os
import select
import termios
import threading
import time

import pytest
import serial
import serial.rs485
import serial.threaded
from serial.tools import list_ports

from sim import SerialDevice, Unplug, World, read, sleep

PORT = "/dev/ttyUSB0"


class Log(SerialDevice):
    """Writes down what it is told."""

    def __init__(self):
        self.log = []

    def on_open(self):
        self.log.append(("open", self.now_ns))

    def on_close(self):
        self.log.append(("close", self.now_ns))

    def on_data(self, data):
        self.log.append((data, self.now_ns))

    def on_settings(self, settings):
        self.log.append((tuple(settings), self.now_ns))

    def on_modem(self, lines):
        self.log.append((lines, self.now_ns))


# time on the wire -------------------------------------------------------------------------------------------------------------


def test_a_rate_is_exact():
    """115200 8N1 brings 11 520 bytes per virtual second, the last one at the nanosecond."""
    with World() as world:
        device = SerialDevice()
        world.serial(PORT, device)
        with serial.Serial(PORT, 115200) as port:
            began_ns = world.now_ns
            device.send(bytes(11_520))
            assert len(port.read(11_520)) == 11_520
            assert world.now_ns - began_ns == 10**9


@pytest.mark.parametrize(
    ("settings", "bits"),
    [
        ({}, 10),
        ({"parity": "E"}, 11),
        ({"stopbits": 2}, 11),
        ({"bytesize": 7}, 9),
        ({"bytesize": 5, "parity": "M", "stopbits": 1.5}, 9),
    ],
)
def test_a_byte_lasts_as_long_as_its_bits(settings, bits):
    """Start, data, parity and stop bits all take their time; 1.5 stop bits are 2 here, as on Linux."""
    with World() as world:
        world.serial(PORT)
        with serial.Serial(PORT, 9600, timeout=10, **settings) as port:
            began_ns = world.now_ns
            port.write(b"\x01")
            assert port.read(1) == b"\x01"
            assert world.now_ns - began_ns == bits * 10**9 // 9600


def test_a_device_hears_a_write_when_its_last_byte_is_complete():
    """One write is one `on_data`, at the end of its last byte; a second one follows without a gap."""
    device = Log()
    with World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT, 1000) as port:
            device.log.clear()
            port.write(b"abc")
            port.write(b"de")
            time.sleep(1)
            assert device.log == [(b"abc", 30_000_000), (b"de", 50_000_000)]


def test_what_is_not_sent_can_be_thrown_away():
    """`reset_output_buffer` keeps back the bytes that have not begun; `out_waiting` counts the others."""
    device = Log()
    with World() as world:
        line = world.serial(PORT, device)
        with serial.Serial(PORT, 1000) as port:
            port.write(b"0123456789")
            time.sleep(0.035)
            assert port.out_waiting == 7
            port.reset_output_buffer()
            assert port.out_waiting == 1
            port.flush()
            assert world.now_ns == 40_000_000
        assert line.sent == b"0123"


def test_a_full_output_buffer_makes_a_write_time_out_or_take_its_time():
    """6000 bytes at 9600 baud: a short write timeout is an exception, none takes until fewer than 256 bytes are left."""
    with World() as world:
        line = world.serial(PORT, SerialDevice())
        with serial.Serial(PORT, 9600, write_timeout=0.5) as port:
            with pytest.raises(serial.SerialTimeoutException):
                port.write(bytes(6000))
            port.reset_output_buffer()
            port.write_timeout = None
            began_ns = world.now_ns
            assert port.write(bytes(6000)) == 6000
            assert 5.98e9 < world.now_ns - began_ns < 6.0e9
            port.write_timeout = 0
            assert port.write(bytes(6000)) == 4096 - port.out_waiting + port.out_waiting - 255
        assert len(line.sent) > 6000


def test_closing_waits_until_everything_is_sent():
    """The last close of a port drains it, for at most 30 s."""
    with World() as world:
        line = world.serial(PORT, SerialDevice())
        port = serial.Serial(PORT, 1000)
        port.write(b"0123456789")
        port.close()
        assert (world.now_ns, line.sent) == (100_000_000, b"0123456789")
        port.baudrate = 50
        port.open()
        port.write(bytes(255))
        port.close()
        assert world.now_ns == 30_100_000_000


def test_nobody_reads_and_bytes_are_lost():
    """4095 bytes fit; what comes after them is gone and counted."""
    with World() as world:
        device = SerialDevice()
        line = world.serial(PORT, device)
        with serial.Serial(PORT, 115200, timeout=0) as port:
            device.send(bytes(4095) + b"lost")
            time.sleep(1)
            assert port.in_waiting == 4095
            assert line.overruns == 4
            assert port.read(5000) == bytes(4095)


def test_a_closed_port_hears_nothing():
    """What a device sends while the port is closed is lost; what is on the wire at the opening is heard from there on."""
    with World() as world:
        device = SerialDevice()
        line = world.serial(PORT, device)
        device.send(b"lost")
        time.sleep(1)
        port = serial.Serial(PORT, 9600, timeout=0.1)
        assert port.read(10) == b""
        port.close()
        device.send(b"0123456789")
        time.sleep(0.005)
        port.open()
        assert port.read(10) == b"456789"
        port.close()
        assert line.received == b"456789"


def test_seven_bits_are_seven_bits():
    """A byte sent with 7 data bits loses its eighth."""
    with World() as world:
        world.serial(PORT)
        with serial.Serial(PORT, 9600, bytesize=7, timeout=1) as port:
            port.write(b"\xc1")
            assert port.read(1) == b"\x41"


# lines and settings -----------------------------------------------------------------------------------------------------------


def test_a_device_sees_what_the_port_does():
    """Opening, settings and lines reach the device in order; closing drops the lines."""
    device = Log()
    with World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT, 57600, stopbits=2) as port:
            port.rts = False
            port.baudrate = 250_001
    words = [entry[0] for entry in device.log]
    assert words[0] == "open"
    assert [tuple(word) for word in words[1:]] == [
        (True, True, False), (57600, 8, "N", 2, False, False), (False, True, False), (250_001, 8, "N", 2, False, False),
        (False, False, False), tuple("close"),
    ]  # fmt: skip


def test_modem_lines_go_both_ways():
    """A device drives CTS, DSR, RI and CD, each on its own; an unknown line is an error."""
    with World() as world:
        device = SerialDevice()
        world.serial(PORT, device)
        with serial.Serial(PORT) as port:
            assert (port.cts, port.dsr, port.ri, port.cd) == (True, True, False, True)
            device.set_modem(cts=False, ri=True)
            assert (port.cts, port.dsr, port.ri, port.cd) == (False, True, True, True)
        with pytest.raises(TypeError, match="needed cts, dsr, ri or cd, was dtr"):
            device.set_modem(dtr=True)


def test_a_break_takes_its_time_and_nothing_is_sent_meanwhile():
    """`send_break` lasts a tenth of a second, and a loopback plug hears it as one zero byte."""
    with World() as world:
        world.serial(PORT)
        with serial.Serial(PORT, 9600, timeout=1) as port:
            port.send_break()
            assert world.now_ns == 100_000_000
            assert port.read(1) == b"\0"
            port.break_condition = True
            port.write(b"x")
            assert port.read(2) == b"\0"
            port.break_condition = False
            assert port.read(1) == b"x"


def test_rs485_settings_are_kept():
    """Direction control is stored by the terminal, as a driver with RS485 stores it."""
    with World() as world:
        line = world.serial(PORT)
        with serial.Serial(PORT) as port:
            port.rs485_mode = serial.rs485.RS485Settings(delay_before_tx=0.002)
            assert line.tty.rs485[:2] == [0b011, 2]
            port.set_low_latency_mode(True)
            assert line.tty.serial_flags == 0x2000


# flow control -----------------------------------------------------------------------------------------------------------------


def test_cts_holds_a_sender_back():
    """With rtscts the port sends while CTS is up, and not a byte more."""
    with World() as world:
        device = Log()
        line = world.serial(PORT, device)
        with serial.Serial(PORT, 1000, rtscts=True) as port:
            port.write(b"0123456789")
            world.after(0.045, lambda: device.set_modem(cts=False))
            time.sleep(1)
            assert line.sent == b"01234"
            device.set_modem(cts=True)
            time.sleep(1)
            assert line.sent == b"0123456789"


def test_rts_stops_a_sender_before_the_buffer_is_full():
    """With rtscts a reader that sleeps loses nothing: RTS drops with 128 bytes to spare, and rises when it has read."""
    with World() as world:
        device = SerialDevice()
        line = world.serial(PORT, device)
        with serial.Serial(PORT, 115200, rtscts=True, timeout=2) as port:
            data = bytes(range(256)) * 40
            device.send(data)
            time.sleep(2)
            assert port.in_waiting == 4095 - 128 + 1
            assert line.tty.rts is False
            assert port.read(len(data)) == data
            assert line.tty.rts is True
            assert line.overruns == 0


def test_xon_and_xoff_do_the_same_in_the_stream():
    """XOFF from the device stops the port where it arrives; the two bytes are never data."""
    with World() as world:
        device = Log()
        line = world.serial(PORT, device)
        with serial.Serial(PORT, 1000, xonxoff=True, timeout=1) as port:
            port.write(b"0123456789")
            device.send(b"\x13")
            time.sleep(1)
            assert line.sent == b"0"
            device.send(b"a\x11b")
            time.sleep(1)
            assert line.sent == b"0123456789"
            assert port.read(5) == b"ab"


def test_xoff_goes_out_before_the_buffer_is_full():
    """A reader that sleeps with xonxoff loses nothing either, and the device's program does not see the two bytes."""
    with World() as world:
        device = Log()
        line = world.serial(PORT, device)
        with serial.Serial(PORT, 115200, xonxoff=True, timeout=2) as port:
            data = bytes(range(32, 132)) * 100
            device.send(data)
            time.sleep(2)
            assert port.read(len(data)) == data
            assert line.overruns == 0
        assert line.sent == b""


def test_output_can_be_stopped_by_hand():
    """`set_output_flow_control(False)` holds the bytes back."""
    with World() as world:
        line = world.serial(PORT, SerialDevice())
        with serial.Serial(PORT, 1000) as port:
            port.set_output_flow_control(False)
            port.write(b"abc")
            time.sleep(1)
            assert line.sent == b""
            port.set_output_flow_control(True)
            port.flush()
            assert line.sent == b"abc"


def test_a_stalled_line_goes_on_later():
    """`stall` stops both ways; nothing is lost."""
    with World() as world:
        device = Log()
        line = world.serial(PORT, device)
        with serial.Serial(PORT, 1000, timeout=10) as port:
            line.stall(2)
            port.write(b"out")
            device.send(b"in")
            assert port.read(2) == b"in"
            assert world.now_ns == 2_020_000_000
            time.sleep(0.01)
            assert line.sent == b"out"


# plugs ------------------------------------------------------------------------------------------------------------------------


def test_a_plug_that_comes_back_while_the_port_is_open_gets_a_new_name():
    """As with real adapters: ttyUSB1 while a program still has ttyUSB0, else the old name; the device is the same."""
    with World() as world:
        device = Log()
        line = world.serial(PORT, device)
        port = serial.Serial(PORT)
        line.unplug()
        with pytest.raises(serial.SerialException, match="could not open port"):
            serial.Serial(PORT)
        assert line.replug() == "/dev/ttyUSB1"
        with pytest.raises(serial.SerialException):
            port.read(1)
        port.close()
        with serial.Serial("/dev/ttyUSB1", 1000) as again:
            again.write(b"hi")
        assert line.sent == b"hi"
        line.unplug()
        assert line.replug() == "/dev/ttyUSB1"
        line.unplug()
        assert line.replug(PORT) == PORT
    assert [entry[0] for entry in device.log if isinstance(entry[0], str)] == ["open", "close", "open", "close"]


def test_plugs_are_pulled_once():
    """Pulling twice, and plugging in what is in, are errors that name the line."""
    with World() as world:
        line = world.serial(PORT)
        with pytest.raises(ValueError, match="needed an unplugged line"):
            line.replug()
        line.unplug()
        for pull in (line.unplug, lambda: line.stall(1)):
            with pytest.raises(ValueError, match="it was unplugged"):
                pull()


def test_a_reader_thread_is_told_of_the_loss():
    """`serial.threaded` calls `connection_lost` with the exception, as with a real adapter."""
    lost = []

    class Protocol(serial.threaded.Protocol):
        def connection_lost(self, exc):
            lost.append(type(exc))

    with World() as world:
        line = world.serial(PORT)
        port = serial.Serial(PORT)
        thread = serial.threaded.ReaderThread(port, Protocol)
        thread.start()
        time.sleep(0.1)
        line.unplug()
        thread.join()
        assert port.is_open
        port.close()
    assert lost == [serial.SerialException]


def test_closing_in_another_thread_ends_a_read():
    """A read is told that its file number is bad."""
    errors = []
    with World() as world:
        world.serial(PORT)
        port = serial.Serial(PORT)

        def reader():
            try:
                port.read(1)
            except serial.SerialException as error:
                errors.append(str(error))

        thread = threading.Thread(target=reader)
        thread.start()
        time.sleep(0.1)
        port.close()
        thread.join()
    assert errors == ["read failed: [Errno 9] Bad file descriptor"]


def test_ports_are_listed():
    """`list_ports` finds the ports of the world, by pattern too, and none of them afterwards."""
    with World() as world:
        world.serial("/dev/ttyUSB0")
        world.serial("/dev/ttyACM3")
        world.serial("bare")
        assert {"/dev/ttyACM3", "/dev/ttyUSB0"} <= {info.device for info in list_ports.comports()}
        assert [(info.device, info.description) for info in list_ports.grep("ttyACM3")] == [("/dev/ttyACM3", "simulated port")]
    assert "/dev/ttyACM3" not in {info.device for info in list_ports.comports()}


def test_a_port_is_found_by_its_adapter():
    """By vendor and product, as a program finds its device whatever the port is called; a device that says nothing has none."""

    class Board(SerialDevice):
        vid, pid, serial_number, manufacturer, product = 0x2341, 0x0043, "A1", "Arduino", "Uno"

    with World() as world:
        world.serial("/dev/ttyACM0", Board())
        world.serial("/dev/ttyACM1", SerialDevice())
        found = list_ports.comports()
        assert [info.device for info in found if (info.vid, info.pid) == (0x2341, 0x0043)] == ["/dev/ttyACM0"]
        assert [info.device for info in list_ports.grep("VID:PID=2341:0043 SER=A1")] == ["/dev/ttyACM0"]
        assert [(info.description, info.manufacturer) for info in list_ports.grep("ttyACM0")] == [("Uno", "Arduino")]
        assert [info.vid for info in list_ports.grep("ttyACM1")] == [None]


def test_ports_left_open_are_closed_with_their_world():
    """A port that outlives its world is closed, and its number means nothing in the next one."""
    with World() as world:
        world.serial(PORT)
        port = serial.Serial(PORT)
        number = port.fileno()
    assert not port.is_open
    with World() as world:
        world.serial(PORT)
        with serial.Serial(PORT) as other:
            assert other.fileno() > number >= 1 << 20
            serial.serialposix.os.close(number)
            assert other.cts


def test_unknown_ports_say_which_there_are():
    """Errno 2, and how to make the port."""
    with World() as world:
        world.serial("imu")
        with pytest.raises(serial.SerialException, match=r"ports of this world: imu; make it with world.serial\('gps', device\)"):
            serial.serial_for_url("sim://gps")
    with pytest.raises(serial.SerialException, match="could not open port sim://imu"):
        serial.serial_for_url("sim://imu")


def test_a_name_and_a_device_belong_to_one_line():
    """A second line of the same name, and a device on two lines, are refused by name."""
    with World() as world:
        device = SerialDevice()
        world.serial("a", device)
        with pytest.raises(ValueError, match="serial 'a': needed a name that is free"):
            world.serial("a")
        with pytest.raises(ValueError, match="serial 'a'"):
            world.serial("sim://a", SerialDevice(), faults=[Unplug(1)])
        time.sleep(2)
        serial.serial_for_url("sim://a").close()
        with pytest.raises(ValueError, match="serial 'b': needed a device of its own, 'a' has this one"):
            world.serial("b", device)


# devices ----------------------------------------------------------------------------------------------------------------------


def test_a_generator_is_a_device():
    """It reads exact counts, sleeps, and sends; it begins when the port is first opened."""

    def device(port):
        while True:
            command = yield read(2)
            yield sleep(0.25)
            port.send(command[::-1])

    with World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT, 1000, timeout=1) as port:
            port.write(b"abc")
            assert port.read(2) == b"ba"
            assert world.now_ns == 30_000_000 + 250_000_000 + 20_000_000
            port.write(b"d")
            assert port.read(2) == b"dc"


def test_any_object_with_hooks_is_a_device():
    """Hooks that are not there are not missed."""

    class Counter:
        count = 0

        def on_data(self, data):
            self.count += len(data)

    counter = Counter()
    with World() as world:
        world.serial(PORT, counter)
        with serial.Serial(PORT) as port:
            port.write(b"12345")
    assert counter.count == 5


def test_a_plain_function_is_no_device():
    """The message says what it needs."""
    with World() as world, pytest.raises(TypeError, match="needed a generator function or an object with hooks"):
        world.serial(PORT, lambda port: None)


def test_timers_do_not_drift_and_can_be_taken_back():
    """`every` keeps to its grid for a thousand rounds, and `cancel` ends it from within."""
    times = []

    class Ticker(SerialDevice):
        def on_open(self):
            self.timer = self.every(0.001 / 3, self.tick)

        def tick(self):
            times.append(self.now_ns)
            if len(times) == 3000:
                self.timer.cancel()

    with World() as world:
        world.serial(PORT, Ticker())
        with serial.Serial(PORT):
            time.sleep(2)
    assert times == [round(count * 1e6 / 3) for count in range(1, 3001)]


def test_frames_follow_each_other_and_may_be_delayed():
    """A delayed frame does not hold up the one sent after it."""

    class Late(SerialDevice):
        def on_data(self, data):
            self.send(b"late", delay_s=1)
            self.send(b"now")

    with World() as world:
        world.serial(PORT, Late())
        with serial.Serial(PORT, timeout=2) as port:
            port.write(b"x")
            assert port.read(7) == b"nowlate"


def test_a_device_that_raises_ends_the_run_by_name():
    """DeviceError names port, device and hook; the original is its cause; pyserial's own exception does not hide it."""

    class Broken(SerialDevice):
        def on_data(self, data):
            raise KeyError("broken")

    with pytest.raises(OSError, match="device /dev/ttyUSB0: Broken.on_data: .*KeyError") as caught, World() as world:
        world.serial(PORT, Broken())
        with serial.Serial(PORT) as port:
            port.write(b"x")
            port.read(1)
    assert type(caught.value).__name__ == "DeviceError"
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("baudrate", [None, 115200])
def test_a_greeting_comes_at_the_rate_to_which_the_port_is_opened(baudrate):
    """What a device sends in `on_open` is heard by a port that is set, as in reality, where it takes longer than the setting."""

    class Greeter(SerialDevice):
        def on_open(self):
            self.send(b"hello ")
            self.send(b"world\n")

    Greeter.baudrate = baudrate
    with World() as world:
        world.serial(PORT, Greeter())
        with serial.Serial(PORT, 115200) as port:
            assert port.read(12) == b"hello world\n"
            assert world.now_ns == 12 * 10 * 10**9 // 115200


def test_a_device_keeps_its_own_rate_before_the_port_is_set():
    """By number, a port is 9600 8N1 until somebody sets it: the bytes of a faster device are garbage, and come as fast as they are."""

    class Fast(SerialDevice):
        baudrate = 115200

        def on_open(self):
            self.send(bytes(12))

    with World() as world:
        world.serial(PORT, Fast())
        fd = os.open(PORT, os.O_RDWR)
        assert select.select([fd], [], [], 1) == ([fd], [], [])
        assert world.now_ns == 10 * 10**9 // 115200
        os.close(fd)


def broken_generator(line):
    yield read(1)
    raise KeyError("broken")


class BrokenTimer(SerialDevice):
    def on_open(self):
        self.every(0.01, self.measure)

    def measure(self):
        raise KeyError("broken")


@pytest.mark.parametrize(
    ("device", "name"), [(broken_generator, "broken_generator.on_data"), (BrokenTimer(), "BrokenTimer.measure")], ids=["generator", "timer"]
)
def test_an_error_names_the_function_that_raised(device, name):
    """A generator device by its function, an event by what was given to `after` or `every`; nothing of the simulator."""
    with pytest.raises(OSError, match=f"device {PORT}: {name}: needed hooks that return, KeyError"), World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT) as port:
            port.write(b"x")
            port.read(1)


def test_a_program_that_retries_for_ever_is_ended_too():
    """A loop that swallows pyserial's exceptions still ends, at the first call that is not pyserial's."""

    class Broken(SerialDevice):
        def on_open(self):
            raise KeyError("broken")

    with pytest.raises(OSError, match="Broken.on_open"), World() as world:
        world.serial(PORT, Broken())
        while True:
            try:
                serial.Serial(PORT, timeout=1).read(1)
            except serial.SerialException:
                time.sleep(1)


def test_a_device_on_no_line_says_so():
    """`send` before `World.serial` is an error that says what to do."""
    with pytest.raises(RuntimeError, match=r"give it to World.serial\(name, SerialDevice"):
        SerialDevice().send(b"x")


@pytest.mark.parametrize("what", ["read", "read_until", "iter"])
def test_reads_end_when_they_should(what):
    """Bytes 0.2 s apart, timeout 0.3 s: `read_until` gets two in 0.5 s and a bit, `readline` has no timeout of its own."""

    def device(port):
        for byte in b"abcd\n":
            yield sleep(0.2)
            port.send(bytes([byte]))

    with World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT, 10**6, timeout=0.3) as port:
            if what == "read":
                assert port.read(5) == b"a"
                assert world.now_ns == 300_000_000
            elif what == "read_until":
                assert port.read_until(b"\n") == b"ab"
                assert round(world.now_ns / 1e9, 3) == 0.4
            else:
                assert next(iter(port)) == b"abcd\n"


def test_poll_based_reading_works():
    """`PosixPollSerial` and `VTIMESerial` run on the same terminal."""
    with World() as world:
        world.serial(PORT)
        with serial.PosixPollSerial(PORT, timeout=1) as port:
            port.write(b"abc")
            assert port.read(3) == b"abc"
        with serial.VTIMESerial(PORT, timeout=1) as port:
            serial.Serial.write(port, b"abc")
            assert port.read(3) == b"abc"
            before_ns = world.now_ns
            assert port.read(1) == b""
            assert world.now_ns - before_ns == 10**9


def test_a_settings_change_in_flight_changes_what_follows():
    """What is on the wire keeps its pace; `tcsetattr` with TCSADRAIN waits for it."""
    with World() as world:
        line = world.serial(PORT, SerialDevice())
        with serial.Serial(PORT, 1000) as port:
            port.write(b"0123456789")
            shim = serial.serialposix.termios
            attributes = shim.tcgetattr(port.fd)
            attributes[4] = attributes[5] = termios.B115200
            shim.tcsetattr(port.fd, termios.TCSADRAIN, attributes)
            assert world.now_ns == 100_000_000
        assert line.tty.settings.baudrate == 115200
