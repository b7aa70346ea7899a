"""The WebSocket channel protocols as values."""

from __future__ import annotations

import pytest

from pilothouse.client.streaming import channels
from pilothouse.client.streaming.channels import PORT_FORWARD, REMOTE_COMMAND, UNNAMED, Protocol


@pytest.mark.parametrize(
    ("protocol", "message"),
    [(Protocol("v4.channel.k8s.io", 4), b"\x01hi"), (Protocol("v4.base64.channel.k8s.io", 4, text=True), "1aGk=")],
)
def test_messages_begin_with_their_channel(protocol: Protocol, message: bytes | str) -> None:
    assert protocol.encode(channels.STDOUT, b"hi") == message
    assert protocol.decode(message) == (channels.STDOUT, b"hi")


@pytest.mark.parametrize("message", [b"", "", "1!", b"1!"])
def test_what_is_no_message_is_refused(message: bytes | str) -> None:
    protocol = Protocol("v4.base64.channel.k8s.io", 4, text=True)
    with pytest.raises(ValueError, match=r"."):
        protocol.decode(message)


def test_text_is_taken_in_a_binary_protocol_as_some_clients_send_it() -> None:
    assert Protocol("v4.channel.k8s.io", 4).decode("\x00typed") == (channels.STDIN, b"typed")


def test_negotiation_takes_the_clients_first_known() -> None:
    found = channels.negotiate(["v9.channel.k8s.io", "v5.channel.k8s.io", "v4.channel.k8s.io"], REMOTE_COMMAND)
    assert found is not None
    assert (found.name, found.closes, found.has_status) == ("v5.channel.k8s.io", True, True)
    assert channels.negotiate([], PORT_FORWARD) is UNNAMED
    assert channels.negotiate(["http"], PORT_FORWARD) is None
