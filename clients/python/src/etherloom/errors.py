"""What goes wrong."""

from __future__ import annotations

from typing import Optional


class EtherloomError(Exception):
    """
    What etherloom refused, or why it could not be asked. The message says what to do.

    code: as in docs/reference/errors.md of etherloom: ERR_ETHERLOOM_CONTROL and others
    hint: what to do, where there is something; it is in the message, too
    syscall, errno: what the kernel refused, where it did
    """

    def __init__(
        self,
        message: str,
        code: str = "ERR_ETHERLOOM_CONTROL",
        hint: Optional[str] = None,
        syscall: Optional[str] = None,
        errno: Optional[int] = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.syscall = syscall
        self.errno = errno


def refusal(message: str, hint: str) -> EtherloomError:
    """Of the control socket, with a hint."""
    return EtherloomError(f"{message}; {hint}", hint=hint)
