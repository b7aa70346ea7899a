"""SPDY/3.1: frames and sessions, both sides over memory."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.client.streaming import spdy_frames as frames
from pilothouse.client.streaming.duplex import MemoryDuplex
from pilothouse.client.streaming.spdy import STREAM_BUFFER_BYTES, Session, Stream
from pilothouse.client.streaming.spdy_dictionary import ADLER32, DICTIONARY
from pilothouse.client.streaming.spdy_frames import Codec, Control, Data, SpdyError

headers = st.dictionaries(st.text("abcxyz-", min_size=1, max_size=8), st.text(max_size=20), max_size=5)
numbers = st.integers(1, 2**31 - 1)
frame = st.one_of(
    st.builds(Data, numbers, st.binary(max_size=100), st.booleans()),
    st.builds(lambda number, head, fin: Control(frames.SYN_STREAM, number, head, fin), numbers, headers, st.booleans()),
    st.builds(lambda number, head: Control(frames.SYN_REPLY, number, head), numbers, headers),
    st.builds(lambda number, status: Control(frames.RST_STREAM, number, status=status), numbers, st.integers(1, 11)),
    st.builds(lambda number: Control(frames.PING, number), numbers),
    st.builds(lambda number: Control(frames.GOAWAY, number), numbers),
)


def test_the_dictionary_is_the_specified_one() -> None:
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == ADLER32


@given(st.lists(frame, max_size=10), st.integers(1, 50))
def test_frames_survive_any_fragmentation(sent: list[Data | Control], piece: int) -> None:
    writer, reader = Codec(), Codec()
    wire = b"".join(writer.encode(one) for one in sent)
    received = [one for start in range(0, len(wire), piece) for one in reader.feed(wire[start : start + piece])]
    assert received == sent


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x80\x02\x00\x01\x00\x00\x00\x00", id="another version"),
        pytest.param(b"\x80\x03\x00\x01\x00\x00\x00\x02ab", id="too short"),
        pytest.param(b"\x80\x03\x00\x02\x00\x00\x00\x08\x00\x00\x00\x01junk", id="headers that are not compressed"),
    ],
)
def test_what_is_no_frame_ends_the_session(data: bytes) -> None:
    with pytest.raises(SpdyError):
        list(Codec().feed(data))


@asynccontextmanager
async def sessions() -> AsyncIterator[tuple[Session, Session]]:
    near, far = MemoryDuplex.pair()
    client, server = Session(near, server=False), Session(far, server=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(client.run())
        group.create_task(server.run())
        yield client, server
        await client.close()
        await server.close()


async def accepted(session: Session) -> Stream:
    stream = await session.accept()
    assert stream is not None
    return stream


async def test_streams_carry_bytes_both_ways_and_end_one_way_at_a_time() -> None:
    async with sessions() as (client, server):
        near = await client.open({"streamType": "stdin"})
        far = await accepted(server)
        assert far.headers == {"streamtype": "stdin"}
        await near.write(b"ping")
        await near.finish()
        assert await far.read_all() == b"ping"
        await far.write(b"pong")
        await far.finish()
        assert await near.read_all() == b"pong"


async def test_a_large_transfer_waits_for_its_reader() -> None:
    async with sessions() as (client, server):
        near = await client.open({})
        far = await accepted(server)
        data = bytes(range(256)) * 32768
        writing = asyncio.ensure_future(near.write(data))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not writing.done()
        assert far._size <= 2 * STREAM_BUFFER_BYTES
        received = bytearray()
        while len(received) < len(data):
            received += await far.read()
        await writing
        assert bytes(received) == data


async def test_a_reset_ends_both_directions() -> None:
    async with sessions() as (client, server):
        near = await client.open({})
        far = await accepted(server)
        await far.reset()
        assert await near.read() == b""
        assert near.was_reset
        with pytest.raises(ConnectionError):
            await near.write(b"x")


async def test_the_end_of_the_connection_ends_everything() -> None:
    async with sessions() as (client, server):
        near = await client.open({})
        await accepted(server)
        await server.close()
        assert await near.read() == b""
        assert await server.accept() is None
        await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await client.open({})


async def test_what_is_said_before_the_session_ends_at_once_is_heard() -> None:
    near, far = MemoryDuplex.pair()
    session = Session(near, server=False)
    running = asyncio.ensure_future(session.run())
    opening = asyncio.ensure_future(session.open({"streamType": "error"}))
    await far.read()
    wire = Codec()
    await far.write(wire.encode(Control(frames.SYN_REPLY, 1, {})) + wire.encode(Data(1, b"nothing to attach to", True)))
    await far.close()
    await running
    assert await (await opening).read_all() == b"nothing to attach to"


@pytest.mark.parametrize("refused", [pytest.param(True, id="refused"), pytest.param(False, id="left without an answer")])
async def test_a_stream_that_is_not_accepted_is_not_opened(refused: bool) -> None:
    near, far = MemoryDuplex.pair()
    session = Session(near, server=False)
    running = asyncio.ensure_future(session.run())
    opening = asyncio.ensure_future(session.open({}))
    await far.read()
    if refused:
        await far.write(Codec().encode(Control(frames.RST_STREAM, 1, status=frames.REFUSED)))
    await far.close()
    await running
    with pytest.raises(ConnectionError, match="refused"):
        await opening


async def test_pings_are_answered() -> None:
    near, far = MemoryDuplex.pair()
    session = Session(far, server=True)
    running = asyncio.ensure_future(session.run())
    codec = Codec()
    await near.write(codec.encode(Control(frames.PING, 1)))
    assert list(codec.feed(await near.read())) == [Control(frames.PING, 1)]
    await session.close()
    await running
