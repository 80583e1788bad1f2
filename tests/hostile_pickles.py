"""Pickles that act: each leaves a file in the current directory when `pickle.load` reads it.

`python tests/hostile_pickles.py DIRECTORY` loads them all there, one directory each, and prints as JSON
which of them acted.
"""

from __future__ import annotations

import contextlib
import copyreg
import io
import json
import os
import pickle
import struct
import sys
import time
from pathlib import Path

MARK = "it-ran"
TOUCH = f"touch {MARK}"
PYTHON = f"open('{MARK}', 'w').close()"
EXTENSIONS = {0xF0: "system", 0xF0F0: "popen", 0xF0F0F0: "mkdir"}  # of os, by code


def text(value: str) -> bytes:
    return b"X" + struct.pack("<i", len(value)) + value.encode()


def value(item) -> bytes:
    """One pickled value; bytes are taken for pickled ones."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return text(item)
    if isinstance(item, list):
        return b"](" + b"".join(map(value, item)) + b"e"
    if isinstance(item, tuple):
        return b"(" + b"".join(map(value, item)) + b"t"
    if isinstance(item, dict):
        return b"}(" + b"".join(value(key) + value(item[key]) for key in item) + b"u"
    return {None: b"N", False: b"\x89", True: b"\x88"}.get(item) or b"J" + struct.pack("<i", item)


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(module: str, attribute: str, *arguments) -> bytes:
    return name(module, attribute) + value(arguments) + b"R"


def short(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


CALLS = [
    ("os", "system", TOUCH),
    ("posix", "system", TOUCH),
    ("nt", "system", TOUCH),  # known elsewhere only
    ("os", "popen", TOUCH),
    ("os", "mkdir", MARK),
    ("posix", "mkdir", MARK),
    ("os", "makedirs", MARK),
    ("os", "mkfifo", MARK),
    ("os", "mknod", MARK),
    ("os", "symlink", "x", MARK),
    ("os", "spawnlp", 0, "touch", "touch", MARK),
    ("os", "posix_spawnp", "touch", ["touch", MARK], {}),
    ("subprocess", "getoutput", TOUCH),
    ("subprocess", "getstatusoutput", TOUCH),
    ("subprocess", "call", ["touch", MARK]),
    ("subprocess", "run", ["touch", MARK]),
    ("subprocess", "check_call", ["touch", MARK]),
    ("subprocess", "check_output", ["touch", MARK]),
    ("subprocess", "Popen", ["touch", MARK]),
    ("commands", "getoutput", TOUCH),  # Python 2's name
    ("__builtin__", "eval", PYTHON),
    ("builtins", "eval", PYTHON),
    ("builtins", "exec", PYTHON),
    ("builtins", "open", MARK, "w"),
    ("__builtin__", "open", MARK, "w"),
    ("io", "open", MARK, "w"),
    ("_io", "open", MARK, "w"),
    ("io", "FileIO", MARK, "w"),
    ("codecs", "open", MARK, "w"),
    ("timeit", "timeit", "pass", PYTHON, name("time", "perf_counter"), 1),
    ("cProfile", "run", PYTHON),
    ("profile", "run", PYTHON),
    ("pydoc", "pipepager", "", TOUCH),
    ("shutil", "copyfile", "/dev/null", MARK),
    ("tempfile", "mkdtemp", "", MARK, "."),
    ("tempfile", "mkstemp", "", MARK, "."),
    ("logging", "FileHandler", MARK),
    ("dbm.dumb", "open", MARK, "c"),
    ("shelve", "open", MARK),
    ("zipfile", "ZipFile", MARK, "w"),
    ("tarfile", "open", MARK, "w"),
    ("gzip", "open", MARK, "w"),
    ("bz2", "open", MARK, "w"),
    ("lzma", "open", MARK, "w"),
    ("numpy", "save", MARK, 0),
    ("numpy", "savetxt", MARK, [0]),
    ("numpy", "savez", MARK, 0),
    ("numpy", "memmap", MARK, "uint8", "w+", 0, 4),
    ("numpy.testing", "runstring", PYTHON, {}),
    ("numpy.testing._private.utils", "runstring", PYTHON, {}),
    ("pickle", "loads", b"B" + struct.pack("<i", 61) + b"cos\nmkdir\n(X\x06\0\0\0it-rantR.".ljust(61)),
    ("_pickle", "loads", b"B" + struct.pack("<i", 61) + b"cos\nmkdir\n(X\x06\0\0\0it-rantR.".ljust(61)),
]
ELSEWHERE = {"nt system", "commands getoutput"}  # they act under another system or Python
ELSEWHERE |= {"numpy.testing runstring", "numpy.testing._private.utils runstring"}  # or under another numpy

LAZY = call("builtins", "map", name("builtins", "eval"), [PYTHON])
NAMESPACE = name("argparse", "Namespace") + b")R"
EVAL = name("builtins", "eval")
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
FORMS = {
    "protocol 0": f"cos\nmkdir\n(V{MARK}\ntR.".encode(),
    "protocol 0, numbered memo": f"cos\nmkdir\np0\n0g0\n(V{MARK}\np1\ntp2\nRp3\n.".encode(),
    "protocol 1": b"cos\nmkdir\nq\0(" + text(MARK) + b"q\1tq\2Rq\3.",
    "protocol 2": b"\x80\x02" + call("os", "mkdir", MARK) + b".",
    "protocol 3": b"\x80\x03" + name("os", "mkdir") + text(MARK) + b"\x85R.",
    "protocol 4": b"\x80\x04" + short("os") + short("mkdir") + b"\x93" + short(MARK) + b"\x85\x94R\x94.",
    "protocol 5": b"\x80\x05" + short("os") + short("mkdir") + b"\x93" + short(MARK) + b"\x85R.",
    "in a frame": b"\x80\x04\x95"
    + struct.pack("<Q", 25)
    + (short("os") + short("mkdir") + b"\x93" + short(MARK) + b"\x85R.").ljust(25, b"."),
    "protocol stated six times": b"\x80\x02" * 6 + call("os", "mkdir", MARK) + b".",
    "dotted name": b"\x80\x04" + short("pathlib") + short("os.mkdir") + b"\x93" + short(MARK) + b"\x85R.",
    "through numpy": b"\x80\x04" + short("numpy") + short("testing._private.utils.os.mkdir") + b"\x93"
    + short(MARK) + b"\x85R.",
    "name in pieces": b"\x80\x04" + call("builtins", "str", "os") + short("mkdir") + b"\x93"
    + short(MARK) + b"\x85R.",
    "wide name": b"\x80\x04\x8d" + struct.pack("<Q", 2) + b"os" + short("mkdir") + b"\x93"
    + short(MARK) + b"\x85R.",
    "INST": f"(V{MARK}\nios\nmkdir\n.".encode(),
    "OBJ": b"(" + name("os", "mkdir") + text(MARK) + b"o.",
    "NEWOBJ": b"\x80\x02" + name("builtins", "tuple") + LAZY + b"\x85\x81.",
    "NEWOBJ_EX": b"\x80\x04" + name("builtins", "frozenset") + LAZY + b"\x85}\x92.",
    "EXT1": b"\x80\x02\x82\xf0" + text(TOUCH) + b"\x85R.",
    "EXT2": b"\x80\x02\x83\xf0\xf0" + text(TOUCH) + b"\x85R.",
    "EXT4": b"\x80\x02\x84\xf0\xf0\xf0\0" + text(MARK) + b"\x85R.",
    "BUILD calls __setstate__": NAMESPACE + value({"__setstate__": EVAL}) + b"b" + text(PYTHON) + b"b.",
    "APPEND calls append": NAMESPACE + value({"append": EVAL}) + b"b" + text(PYTHON) + b"a.",
    "APPENDS calls extend": NAMESPACE + value({"extend": name("subprocess", "call")}) + b"b("
    + text("touch") + text(MARK) + b"e.",
    "ADDITEMS calls add": NAMESPACE + value({"add": EVAL}) + b"b(" + text(PYTHON) + b"\x90.",
    "partial": call("functools", "partial", EVAL, PYTHON) + b")R.",
    "partial's state": name("functools", "partial") + value((name("os", "mkdir"),)) + b"R"
    + value((EVAL, (PYTHON,), {}, None)) + b"b)R.",
    "getattr": call("builtins", "getattr", call("importlib", "import_module", "os"), "mkdir")
    + text(MARK) + b"\x85R.",
    "attrgetter": call("operator", "attrgetter", "mkdir")
    + call("importlib", "import_module", "os") + b"\x85R" + text(MARK) + b"\x85R.",
    "methodcaller": call("operator", "methodcaller", "mkdir", MARK)
    + call("importlib", "import_module", "os") + b"\x85R.",
    "compiled": call("builtins", "exec", call("builtins", "compile", PYTHON, "x", "exec")) + b".",
    "reduce of reduce": call(
        "functools", "reduce", name("builtins", "getattr"), ["mkdir"],
        call("importlib", "import_module", "os"),
    ) + text(MARK) + b"\x85R.",
    "tuple of map": call("builtins", "tuple", LAZY) + b".",
    "dictionary from map": call("builtins", "sum", LAZY) + b".",
    "copyreg": call("copyreg", "__newobj__", name("builtins", "tuple"), LAZY) + b".",
    "copyreg _reconstructor": call("copyreg", "_reconstructor", name("builtins", "tuple"),
                                   name("builtins", "tuple"), LAZY) + b".",
    "beside a stop": b"(" + call("os", "mkdir", MARK) + b"0N.",
    "as a key": b"}" + call("os", "mkdir", MARK) + b"Ns.",
    "as labels": b"\x80\x02}(" + text("labels") + call("os", "mkdir", MARK) + text("data") + b"Nu.",
    "as data": b"\x80\x02}(" + text("labels") + b"]" + text("data") + call("os", "mkdir", MARK) + b"u.",
    "as an array's state": ARRAY + b"(K\x01" + call("os", "mkdir", MARK) + b"tb.",
    "as a number type": b"cnumpy\ndtype\n" + call("os", "mkdir", MARK) + b"\x85R.",
    "_codecs for a codec": call("_codecs", "encode", call("builtins", "str", call("os", "mkdir", MARK)))
    + b".",
}  # fmt: skip
CORPUS = {f"{call_[0]} {call_[1]}": b"\x80\x02" + call(*call_) + b"." for call_ in CALLS} | FORMS
FIRING = [label for label in CORPUS if label not in ELSEWHERE]


@contextlib.contextmanager
def extensions():
    """The codes of EXTENSIONS, known to pickle."""
    for code, attribute in EXTENSIONS.items():
        copyreg.add_extension("os", attribute, code)
    try:
        yield
    finally:
        for code, attribute in EXTENSIONS.items():
            copyreg.remove_extension("os", attribute, code)


def fires(data: bytes, directory: Path) -> bool:
    """Whether `pickle.load` of `data` leaves something in the new `directory`."""
    directory.mkdir()
    os.chdir(directory)
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        done = pickle.loads(data, encoding="latin1")
        for last in ("wait", "read", "close"):
            getattr(done, last, int)()
    for _ in range(500):  # a process may have to do it
        if any(directory.iterdir()):
            return True
        time.sleep(0.01)
    return False


if __name__ == "__main__":
    with extensions():
        acted = [
            label
            for number, label in enumerate(FIRING)
            if fires(CORPUS[label], Path(sys.argv[1]) / str(number))
        ]
    print(json.dumps(acted))
