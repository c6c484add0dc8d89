"""Where running instances are found: one Unix socket per instance in a directory that only its user can enter."""

from __future__ import annotations

import os
import re
import stat
from typing import Iterator, List

from .errors import EtherloomError, refusal

_ENDING = ".sock"
_LONGEST_PATH = 107  # sun_path of unix(7) has 108 bytes, the last of them zero
_OWN = "set ETHERLOOM_CONTROL_DIRECTORY to a directory of your own"


def control_directory() -> str:
    """$ETHERLOOM_CONTROL_DIRECTORY, else $XDG_RUNTIME_DIR/etherloom, else /run/etherloom (root) or /tmp/etherloom-UID."""
    own, runtime = os.environ.get("ETHERLOOM_CONTROL_DIRECTORY"), os.environ.get("XDG_RUNTIME_DIR")
    if own:
        return own
    if runtime:
        return os.path.join(runtime, "etherloom")
    return "/run/etherloom" if os.getuid() == 0 else f"/tmp/etherloom-{os.getuid()}"


def control_socket(name: str) -> str:
    """The socket of an instance. Raises EtherloomError for what cannot be a name, and when the path is too long."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,63}", name):
        raise EtherloomError(
            f"the name of an instance has 1 to 63 letters, digits, _ and -, not {name!r}", "ERR_ETHERLOOM_OPTION"
        )
    path = os.path.join(control_directory(), name + _ENDING)
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise refusal(
            f"the socket path {path} is longer than {_LONGEST_PATH} bytes",
            "use a shorter name, or set ETHERLOOM_CONTROL_DIRECTORY to a shorter directory",
        )
    return path


def instance_names() -> List[str]:
    """The names of all instances that have a socket, whether or not they still run."""
    if not has_control_directory():
        return []
    files = sorted(os.listdir(control_directory()))
    return [file[: -len(_ENDING)] for file in files if file.endswith(_ENDING)]


def has_control_directory() -> bool:
    """
    Whether the directory is there. It must be ours alone, and nobody else may be able to put another one in its place: whoever
    can put sockets there would hear what we tell an instance, and answer for it. Raises EtherloomError where it is not.
    """
    directory = os.path.abspath(control_directory())
    try:
        found = os.lstat(directory)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise refusal(
                f"{directory} is not a directory of this user with mode 0700, so it is not trusted",
                f"remove it, or {_OWN}",
            )
        for above in {*_folders_above(directory), *_folders_above(os.path.realpath(directory))}:
            if not _is_kept(os.lstat(above)):
                raise refusal(
                    f"{directory} is not trusted, since another user can change what is in {above}", _OWN
                )
        return True
    except FileNotFoundError:
        return False
    except OSError as cause:
        raise refusal(f"cannot look into {directory} ({cause.strerror})", _OWN) from cause


def _folders_above(path: str) -> Iterator[str]:
    while path != "/":
        path = os.path.dirname(path)
        yield path


def _is_kept(found: os.stat_result) -> bool:
    """Whether only we and root can rename what is in a folder, or make a link lead elsewhere."""
    owners = {0, os.getuid(), *_nobody()}
    others_write = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX  # sticky: each may rename only what is theirs
    return found.st_uid in owners and (stat.S_ISLNK(found.st_mode) or not others_write)


def _nobody() -> List[int]:
    """The owner that files of users outside this user namespace seem to have; none in that of the machine."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as lines:
            if sum(int(line.split()[2]) for line in lines) >= 0xFFFF_FFFF:
                return []
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as text:
            return [int(text.read())]
    except (OSError, ValueError, IndexError):
        return []
