"""A process that has used nets still handles its signals, in whatever order the nets go and on whatever thread."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SCRIPT = """
import os, signal, threading
from models.runtimes.compiled import Compiler

heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("heard"))
kept = {}

def make(name):
    kept[name] = Compiler(1, bf16=True)

def on_thread(*arguments):
    thread = threading.Thread(target=arguments[0], args=arguments[1:])
    thread.start()
    thread.join()

%s
for _ in range(3):
    os.kill(os.getpid(), signal.SIGTERM)
assert heard, heard
print("went on")
"""

_ORDERS = {
    "the first one goes first": "make('a'); make('b'); del kept['a']; del kept['b']",
    "the first one stays": "make('a'); make('b'); del kept['b']",
    "it goes on another thread": "make('a'); on_thread(kept.pop, 'a')",
    "it comes on another thread": "on_thread(make, 'a'); del kept['a']",
    "one comes after the other": "make('a'); del kept['a']; make('a'); del kept['a']",
    "two threads, crosswise": "on_thread(make, 'a'); make('b'); on_thread(kept.pop, 'b'); del kept['a']",
}


@pytest.mark.parametrize("order", _ORDERS.values(), ids=_ORDERS.keys())
def test_a_signal_is_handled_after_nets_have_gone(order: str) -> None:
    run = subprocess.run([sys.executable, "-c", _SCRIPT % order], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "went on\n"), run.stderr
