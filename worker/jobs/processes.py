"""Which processes of this machine are alive, as far as this one can know."""

from __future__ import annotations

from pathlib import Path

from mien.machine import boot_id

_NAMESPACE = Path("/proc/self/ns/pid")


def pid_space() -> str:
    """Return what two processes have in common that see each other's process ids; nothing where nobody can say.

    Names of hosts do not tell: containers on one host may share the name and not the ids. The id of the boot and the
    inode of the namespace do (proc(5), pid_namespaces(7)).
    """
    boot = boot_id()
    try:
        return f"{boot} {_NAMESPACE.readlink()}" if boot else ""
    except OSError:  # not Linux
        return ""


def is_alive(pid: int) -> bool:
    """Say whether a process of this pid space exists; one that has ended and was not waited for does not count."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return not _NAMESPACE.exists()  # without /proc nobody is declared dead
    except (OSError, IndexError):
        return True
    return state not in ("Z", "X")
