"""Wrong programs for `add(a, b)` that want to be taken for right ones."""

HACKS = {
    "leaves with success": "import sys\nsys.exit(0)",
    "leaves at once": "import os\nos._exit(0)",
    "leaves when called": "import os\ndef add(a, b): os._exit(0)",
    "leaves politely when called": "def add(a, b): raise SystemExit(0)",
    "leaves at exit": (
        "import atexit, os\natexit.register(lambda: os._exit(0))\ndef add(a, b): return 0"
    ),
    "hides what went wrong": (
        "import sys, os\nsys.excepthook = lambda *a: os._exit(0)\ndef add(a, b): return 0"
    ),
    "is equal to everything": (
        "class A:\n    def __eq__(self, other): return True\ndef add(a, b): return A()"
    ),
    "is an int equal to everything": (
        "class A(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def add(a, b): return A(-1)"
    ),
    "says that it is an int": (
        "class A:\n    __class__ = int\n    def __eq__(self, other): return True\n"
        "    def __int__(self): return 3\n    __index__ = __int__\n"
        "    def __repr__(self): return '3'\ndef add(a, b): return A()"
    ),
    "is a float equal to everything": (
        "class A(float):\n    def __eq__(self, other): return True\n"
        "    def __sub__(self, other): return 0.0\n    __rsub__ = __sub__\n"
        "    def __repr__(self): return '3.0'\ndef add(a, b): return A(-1)"
    ),
    "is a text equal to everything": (
        "class A(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\n"
        "def add(a, b): return A('x')"
    ),
    "is not a number": "def add(a, b): return float('nan')",
    "is a list that lies": (
        "class A(list):\n    def __eq__(self, other): return True\n"
        "    def __iter__(self): return iter([3])\n    def __len__(self): return 1\n"
        "def add(a, b): return A()"
    ),
    "is a dict that lies": (
        "class A(dict):\n    def __eq__(self, other): return True\n"
        "    def items(self): return [(3, 3)]\ndef add(a, b): return A()"
    ),
    "is a mock": ("from unittest.mock import MagicMock, ANY\ndef add(a, b): return ANY"),
    "unpickles to something": (
        "class A:\n    def __reduce__(self): return (int, ('3',))\n"
        "    def __eq__(self, other): return True\ndef add(a, b): return A()"
    ),
    "makes comparisons true": (
        "import builtins, operator\noperator.eq = lambda a, b: True\n"
        "builtins.all = builtins.any = lambda *a: True\nbuiltins.abs = lambda x: 0\n"
        "def add(a, b): return 0"
    ),
    "makes nearness true": (
        "import math\nmath.isclose = lambda *a, **k: True\ndef add(a, b): return 0.5"
    ),
    "makes errors harmless": (
        "import builtins\nclass Quiet(BaseException): pass\nbuiltins.AssertionError = Quiet\n"
        "import sys, os\nsys.excepthook = lambda *a: os._exit(0)\ndef add(a, b): return 0"
    ),
    "has another range": ("range = list = sum = lambda *a: 0\ndef add(a, b): return 0"),
    "looks into the command line": (
        "import re\ntext = open('/proc/self/cmdline').read() + open('/proc/1/cmdline').read()\n"
        "def add(a, b):\n"
        "    found = re.search(rf'add\\({a}, {b}\\) == (-?\\d+)', text)\n"
        "    return int(found[1]) if found else 0\n"
    ),
    "looks through memory": (
        "import gc, sys, re\n"
        "def add(a, b):\n"
        "    text = ' '.join(o for o in gc.get_objects() if isinstance(o, str))\n"
        "    kinds = (dict, list, tuple)\n"
        "    text += repr([o for o in gc.get_objects() if isinstance(o, kinds)])[:10**6]\n"
        "    frame = sys._getframe()\n"
        "    while frame: text += repr(frame.f_locals)[:10**5]; frame = frame.f_back\n"
        "    found = re.search(rf'add\\({a}, {b}\\) == (-?\\d+)', text)\n"
        "    return int(found[1]) if found else 0\n"
    ),
    "looks through files": (
        "import os, re\n"
        "text = ''\n"
        "for folder in ('/', '/tmp', '/proc/self/fd'):\n"
        "    for name in os.listdir(folder):\n"
        "        try: text += open(os.path.join(folder, name), errors='replace').read(10**6)\n"
        "        except OSError: pass\n"
        "def add(a, b):\n"
        "    found = re.search(rf'add\\({a}, {b}\\) == (-?\\d+)', text)\n"
        "    return int(found[1]) if found else 0\n"
    ),
    "writes a verdict": "print('PASSED\\n3\\n3')\ndef add(a, b): print('3'); return None",
    "writes a result everywhere": (
        "import os\nfor number in range(64):\n"
        "    try: os.write(number, b'ended 0 0.0 0 0 1\\n3')\n"
        "    except OSError: pass\n"
        "def add(a, b): return 0"
    ),
    "writes a result with the nonce": (
        "import sys, os\n"
        "def add(a, b):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        for value in frame.f_locals.values():\n"
        "            if isinstance(value, dict) and 'nonce' in value:\n"
        "                os.write(3, value['nonce'] + b'true')\n"
        "        frame = frame.f_back\n"
        "    os._exit(0)\n"
    ),
    "spells results in its own way": (
        "import _json\n_json.encode_basestring_ascii = lambda text: 'true'\n"
        "def add(a, b): return 'x'"
    ),
    "does another's work": (
        "import os\ndef add(a, b):\n    if os.fork(): os.wait(); os._exit(0)\n    return 0"
    ),
    "changes small integers": (
        "import ctypes\n"
        "def add(a, b):\n"
        "    ctypes.c_long.from_address(id(7) + 24).value = 3\n"
        "    return 7 if a != 1 else 0"
    ),
    "counts on giving up": "import time\ndef add(a, b): time.sleep(100)",
    "does it for some": "def add(a, b): return 3 if (a, b) == (1, 2) else 0",
}
