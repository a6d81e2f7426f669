"""The filter as the kernel would run it."""

import struct

import pytest

from infra.sandbox.seccomp import AARCH64, ALLOW, KILL, MACHINES, SHARED, X86_64, seccomp_filter

PERMISSION, MISSING = 0x00050001, 0x00050026


def decided(program: bytes, architecture: int, number: int) -> int:
    """What classic BPF makes of a call."""
    steps = list(struct.iter_unpack("<HBBI", program))
    place, loaded = 0, 0
    while True:
        code, if_true, if_false, value = steps[place]
        if code == 0x06:
            return int(value)
        if code == 0x20:
            loaded = {0: number, 4: architecture}[value]
        else:
            place += if_true if (loaded == value if code == 0x15 else loaded >= value) else if_false
        place += 1


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_refused(machine: str) -> None:
    program = seccomp_filter(machine)
    assert program is not None
    architecture, own = MACHINES[machine]
    refused = {*SHARED.values(), *own.values()}
    for number in range(500):
        expected = PERMISSION if number in refused else MISSING if number == 435 else ALLOW
        assert decided(program, architecture, number) == expected
    assert decided(program, architecture, 0x40000000 | 1) == PERMISSION
    assert decided(program, 0xDEAD, 1) == KILL


def test_both_machines_refuse_the_same() -> None:
    assert X86_64.keys() - AARCH64.keys() == {"ioperm", "iopl", "modify_ldt"}
    assert not AARCH64.keys() - X86_64.keys()


def test_an_unknown_machine() -> None:
    assert seccomp_filter("pdp11") is None
