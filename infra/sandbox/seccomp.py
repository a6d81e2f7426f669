"""The filter of system calls that programs run under, as the kernel reads it (classic BPF).

Namespaces, users and limits hold most of what is refused here already. What is left would go past
a limit (memory that counts nowhere), or is large and young enough in the kernel to be feared.
"""

import platform
import struct

ALLOW, KILL = 0x7FFF0000, 0x80000000
NOT_PERMITTED = 0x00050000 | 1
NOT_IMPLEMENTED = 0x00050000 | 38
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER, ARCHITECTURE = 0, 4
"""Offsets in the kernel's `seccomp_data`."""
X32 = 0x40000000
CLONE3 = 435
"""Its flags lie in memory, where a filter cannot see them; libc falls back on `clone`."""

SHARED = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443,
    "memfd_secret": 447, "setxattrat": 463,
}  # fmt: skip
X86_64 = {
    "acct": 163, "add_key": 248, "adjtimex": 159, "bpf": 321, "chroot": 161, "clock_adjtime": 305,
    "clock_settime": 227, "delete_module": 176, "fanotify_init": 300, "finit_module": 313,
    "init_module": 175, "ioperm": 173, "iopl": 172, "kcmp": 312, "kexec_file_load": 320,
    "kexec_load": 246, "keyctl": 250, "mbind": 237, "memfd_create": 319, "migrate_pages": 256,
    "modify_ldt": 154, "mount": 165, "move_pages": 279, "mq_open": 240, "msgget": 68,
    "name_to_handle_at": 303, "open_by_handle_at": 304, "perf_event_open": 298, "personality": 135,
    "pivot_root": 155, "process_vm_readv": 310, "process_vm_writev": 311, "ptrace": 101,
    "quotactl": 179, "reboot": 169, "request_key": 249, "semget": 64, "set_mempolicy": 238,
    "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
    "setns": 308, "settimeofday": 164, "shmget": 29, "socket": 41, "swapoff": 168, "swapon": 167,
    "syslog": 103, "umount2": 166, "unshare": 272, "userfaultfd": 323, "vhangup": 153,
}  # fmt: skip
AARCH64 = {
    "acct": 89, "add_key": 217, "adjtimex": 171, "bpf": 280, "chroot": 51, "clock_adjtime": 266,
    "clock_settime": 112, "delete_module": 106, "fanotify_init": 262, "finit_module": 273,
    "init_module": 105, "kcmp": 272, "kexec_file_load": 294, "kexec_load": 104, "keyctl": 219,
    "mbind": 235, "memfd_create": 279, "migrate_pages": 238, "mount": 40, "move_pages": 239,
    "mq_open": 180, "msgget": 186, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "perf_event_open": 241, "personality": 92, "pivot_root": 41, "process_vm_readv": 270,
    "process_vm_writev": 271, "ptrace": 117, "quotactl": 60, "reboot": 142, "request_key": 218,
    "semget": 190, "set_mempolicy": 237, "setxattr": 5, "lsetxattr": 6,
    "fsetxattr": 7, "setns": 268, "settimeofday": 170, "shmget": 194,
    "socket": 198, "swapoff": 225, "swapon": 224, "syslog": 116, "umount2": 39, "unshare": 97,
    "userfaultfd": 282, "vhangup": 58,
}  # fmt: skip
MACHINES = {"x86_64": (0xC000003E, X86_64), "aarch64": (0xC00000B7, AARCH64)}


def seccomp_filter(machine: str = "") -> bytes | None:
    """The filter for a machine, by default this one; null for one whose calls are not known."""
    if (known := MACHINES.get(machine or platform.machine())) is None:
        return None
    architecture, own = known
    refused = sorted({*SHARED.values(), *own.values()})
    program = [
        _step(LOAD, ARCHITECTURE),
        _step(EQUAL, architecture, 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER),
        _step(AT_LEAST, X32, len(refused) + 2, 0),
        _step(EQUAL, CLONE3, len(refused) + 2, 0),
        *(_step(EQUAL, call, len(refused) - place, 0) for place, call in enumerate(refused)),
        _step(RETURN, ALLOW),
        _step(RETURN, NOT_PERMITTED),
        _step(RETURN, NOT_IMPLEMENTED),
    ]
    return b"".join(program)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
