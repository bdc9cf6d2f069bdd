"""The TCP socket on which machines reach the seed."""

from __future__ import annotations

import socket

IP_FREEBIND = 15  # linux/in.h; Python has no name for it


class CannotListen(RuntimeError):
    """The address or the port is not to be had; the message says who may have it."""


def network_socket(address: str, port: int) -> socket.socket:
    """A socket bound to `address`:`port`; raises CannotListen.

    IP_FREEBIND (ip(7)): the address that seeds share may be another seed's at this moment.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"cannot listen on {address}:{port}: {error.strerror}; choose another port (`init --http-port`), "
            f"or see who has it: ss -ltnp 'sport = :{port}'"
        ) from error
    return listener
