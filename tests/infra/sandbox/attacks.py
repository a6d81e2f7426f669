"""Attacks as programs: each writes ESCAPED where it got through.

They read from stdin what there is to attack, one JSON object: `secret` (a file that all may
read), `folder` (where all may write), `port` (TCP on the loopback interface), `datagrams` (UDP),
`abstract` and `path` (Unix sockets), `victim` (a process), `marker` (a number that names what is
started).
"""

import textwrap
from dataclasses import dataclass

HEAD = """
import ctypes, json, mmap, os, resource, signal, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
host = json.loads(sys.stdin.read())

def escaped():
    os.write(1, b"ESCAPED")
    os.write(2, b"ESCAPED")

MACHINES = {"x86_64": 0, "aarch64": 1}
NUMBERS = {"bpf": (321, 280), "keyctl": (250, 219), "perf": (298, 241), "clone": (56, 220)}

def call(name, *arguments):
    number = NUMBERS[name][MACHINES[os.uname().machine]] if isinstance(name, str) else name
    return libc.syscall(ctypes.c_long(number), *arguments)

def touched(size):
    block = mmap.mmap(-1, size)
    for place in range(0, size, 4096):
        block[place] = 1
    return block
"""


@dataclass(frozen=True)
class Attack:
    """A program, and what it takes for it to succeed without a sandbox."""

    name: str
    source: str
    as_root: bool = False
    """Without a sandbox it succeeds as root alone."""

    @property
    def program(self) -> str:
        return HEAD + textwrap.dedent(self.source)


MIB = 2**20
ATTACKS = [
    Attack(
        "many processes",
        """
        children = []
        try:
            while len(children) < 300:
                child = os.fork()
                if child == 0:
                    time.sleep(60)
                children.append(child)
            escaped()
        finally:
            for child in children:
                os.kill(child, 9)
        """,
    ),
    Attack(
        "many threads",
        """
        threading.stack_size(65536)
        for _ in range(300):
            threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
        escaped()
        os._exit(0)
        """,
    ),
    Attack("memory of one process", f"touched({1024 * MIB}); escaped()"),
    Attack(
        "memory of many processes",
        f"""
        read, write = os.pipe()
        os.set_blocking(read, False)
        children = []
        for number in range(8):
            child = os.fork()
            if child == 0:
                held = touched({250 * MIB})
                os.write(write, bytes([number]))
                time.sleep(60)
            children.append(child)
        said = b""
        latest = time.time() + 3
        while len(said) < 8 and time.time() < latest:
            try:
                said += os.read(read, 10)
            except BlockingIOError:
                time.sleep(0.02)
        # One that was killed for the memory of the next holds nothing any more.
        alive = [n for n in range(8) if os.waitpid(children[n], os.WNOHANG)[0] == 0]
        if len(set(alive) & set(said)) >= 6:
            escaped()
        for number in alive:
            os.kill(children[number], 9)
        """,
    ),
    Attack(
        "memory behind a file that has no name",
        f"""
        file = os.memfd_create("x")
        for _ in range(1024):
            os.write(file, bytes({MIB}))
        escaped()
        """,
    ),
    Attack(
        "shared memory",
        f"""
        path = "/dev/shm/" + host["marker"]
        with open(path, "wb") as file:
            for _ in range(256):
                file.write(bytes({MIB}))
        escaped()
        os.unlink(path)
        """,
    ),
    Attack(
        "shared memory of System V",
        """
        made = [libc.shmget(0, 1 << 20, 0o1600) for _ in range(10)]
        for one in made:
            libc.shmctl(one, 0, None)
        if min(made) >= 0:
            escaped()
        """,
    ),
    Attack(
        "many files",
        f"""
        names = [f"/tmp/{{host['marker']}}-{{n}}" for n in range(20)]
        try:
            for name in names:
                with open(name, "wb") as file:
                    file.write(bytes({10 * MIB}))
            escaped()
        finally:
            for name in names:
                os.unlink(name)
        """,
    ),
    Attack(
        "a huge file",
        """
        name = "/tmp/" + host["marker"]
        with open(name, "wb") as file:
            try:
                file.truncate(1 << 33)
                escaped()
            finally:
                os.unlink(name)
        """,
    ),
    Attack(
        "endless output",
        f"""
        for _ in range(64):
            os.write(1, b"x" * {MIB})
        escaped()
        """,
    ),
    Attack(
        "endless complaints",
        f"""
        for _ in range(64):
            os.write(2, b"x" * {MIB})
        escaped()
        """,
    ),
    Attack("a file outside", "open(host['secret']).read(); escaped()"),
    Attack("the users of the machine", "open('/etc/passwd').read(); escaped()"),
    Attack("a folder outside", "os.listdir(host['folder']); escaped()"),
    Attack("writing outside", "open(host['folder'] + '/x', 'w').write('x'); escaped()"),
    Attack(
        "a link that leads outside",
        """
        os.symlink(host["secret"], "/tmp/" + host["marker"])
        try:
            open("/tmp/" + host["marker"]).read()
            escaped()
        finally:
            os.unlink("/tmp/" + host["marker"])
        """,
    ),
    Attack(
        "writing where programs lie",
        """
        name = os.path.join(sys.prefix, host["marker"])
        open(name, "w").close()
        os.unlink(name)
        escaped()
        """,
        as_root=True,
    ),
    Attack(
        "secrets in environments",
        """
        found = str(dict(os.environ))
        for pid in ("self", "1", os.getppid(), host["victim"]):
            try:
                found += open(f"/proc/{pid}/environ").read()
            except OSError:
                continue
        if "STILLHOUSE_SECRET" in found:
            escaped()
        """,
    ),
    Attack("TCP", "socket.create_connection(('127.0.0.1', host['port']), 2); escaped()"),
    Attack(
        "UDP",
        """
        one = socket.socket(type=socket.SOCK_DGRAM)
        one.sendto(b"x", ("127.0.0.1", host["datagrams"]))
        escaped()
        """,
    ),
    Attack("a server of its own", "socket.create_server(('127.0.0.1', 0)); escaped()"),
    Attack(
        "an abstract socket",
        "socket.socket(socket.AF_UNIX).connect('\\0' + host['abstract']); escaped()",
    ),
    Attack(
        "a socket with a path",
        "socket.socket(socket.AF_UNIX).connect(host['path']); escaped()",
    ),
    Attack("the kernel's sockets", "socket.socket(16, socket.SOCK_RAW, 0); escaped()"),
    Attack("raw packets", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW); escaped()", True),
    Attack("looking at a process", "open(f'/proc/{host[\"victim\"]}/cmdline').read(); escaped()"),
    Attack("killing a process", "os.kill(host['victim'], signal.SIGUSR1); escaped()"),
    Attack("signals to everybody", "os.kill(-1, 0); escaped()"),
    Attack(
        "tracing a process",
        "os.kill(host['victim'], 0)\nif libc.ptrace(0x4206, host['victim'], 0, 0) == 0: escaped()",
    ),
    Attack(
        "tracing its child",
        """
        child = os.fork()
        if child == 0:
            time.sleep(5)
            os._exit(0)
        if libc.ptrace(0x4206, child, 0, 0) == 0:
            escaped()
        os.kill(child, 9)
        """,
    ),
    Attack(
        "memory of a process",
        "open(f'/proc/{host[\"victim\"]}/mem', 'rb').close(); escaped()",
    ),
    Attack(
        "a daemon that stays",
        """
        read, write = os.pipe()  # closed by exec: its end says that the daemon is there
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 3)
                os.execv("/bin/sleep", ["sleep", host["marker"]])
            os._exit(0)
        os.close(write)
        os.read(read, 1)
        """,
    ),
    Attack(
        "an orphan that holds the streams",
        """
        if os.fork() == 0:
            time.sleep(4.5)
            escaped()
        """,
    ),
    Attack("a user namespace", "if libc.unshare(0x10000000) == 0: escaped()"),
    Attack(
        "a user namespace by clone",
        """
        child = call('clone', 0x10000000 | 17, 0, 0, 0, 0)
        if child == 0:
            os._exit(0)
        if child > 0:
            escaped()
        """,
    ),
    Attack("a mount namespace", "if libc.unshare(0x20000) == 0: escaped()", True),
    Attack(
        "a mount",
        """
        if libc.mount(b"none", host["folder"].encode(), b"tmpfs", 0, None) == 0 or (
            libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
        ):
            escaped()
            libc.umount2(host["folder"].encode(), 2)
        """,
        as_root=True,
    ),
    Attack("another root", "os.chroot('/tmp'); escaped()", True),
    Attack(
        "the namespace of another",
        "if libc.setns(os.open(f'/proc/{host[\"victim\"]}/ns/uts', 0), 0) == 0: escaped()",
        as_root=True,
    ),
    Attack("being root", "os.setresuid(0, 0, 0); escaped()", True),
    Attack(
        "having no limits",
        """
        for name in ("AS", "CPU", "FSIZE"):
            limit = getattr(resource, "RLIMIT_" + name)
            resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        escaped()
        """,
    ),
    Attack("real-time priority", "os.sched_setscheduler(0, 1, os.sched_param(1)); escaped()", True),
    Attack("the machine's name", "socket.sethostname(socket.gethostname()); escaped()", True),
    Attack(
        "a setting of the kernel",
        """
        path = "/proc/sys/kernel/core_pattern"
        text = open(path).read()
        open(path, "w").write(text)
        escaped()
        """,
        as_root=True,
    ),
    Attack(
        "a device",
        """
        os.mknod("/tmp/" + host["marker"], 0o20600, os.makedev(1, 3))
        os.unlink("/tmp/" + host["marker"])
        escaped()
        """,
        as_root=True,
    ),
    Attack(
        "the kernel's log", "os.read(os.open('/dev/kmsg', os.O_NONBLOCK), 8192); escaped()", True
    ),
    Attack(
        "programs in the kernel",
        "call('bpf', 17, 0, 0)\nif ctypes.get_errno() != 1: escaped()",
        as_root=True,
    ),
    Attack("keys of the kernel", "if call('keyctl', 0, -3, 1) >= 0: escaped()"),
    Attack(
        "events of the processor",
        "call('perf', None, 0, -1, -1, 0)\nif ctypes.get_errno() != 1: escaped()",
    ),
    Attack(
        "rings of system calls",
        "call(425, 0, None)\nif ctypes.get_errno() not in (1, 38): escaped()",
    ),
    Attack(
        "time by ignoring signals",
        """
        for number in range(1, 32):
            if number not in (9, 19):
                signal.signal(number, signal.SIG_IGN)
        until = time.process_time() + 2
        while time.process_time() < until:
            pass
        escaped()
        """,
    ),
    Attack("time by sleeping", "time.sleep(4.5); escaped()"),
    Attack(
        "time by many processes",
        """
        for _ in range(4):
            if os.fork() == 0:
                until = time.time() + 4.5
                while time.time() < until:
                    pass
                escaped()
                os._exit(0)
        for _ in range(4):
            os.wait()
        """,
    ),
    Attack(
        "a bomb of zeros",
        f"""
        import zlib
        packer = zlib.compressobj(1)
        packed = b"".join(packer.compress(bytes({16 * MIB})) for _ in range(64)) + packer.flush()
        zlib.decompress(packed)
        escaped()
        """,
    ),
    Attack("a huge integer", "1 << (1 << 33); escaped()"),
]
