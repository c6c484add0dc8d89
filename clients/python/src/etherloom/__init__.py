"""Starts etherloom, and gives orders to a running one."""

from .client import Client, connect
from .errors import EtherloomError
from .instance import Instance

__all__ = ["Client", "EtherloomError", "Instance", "connect"]
