"""Compaction of an etcd that several API servers share, as upstream's compactor does it (k8s.io/apiserver/pkg/storage/etcd3/compact.go).

The key `compact_rev_key` has the revision of the last compaction. Who wants to compact writes it in a transaction that compares its
version: of several API servers, also of upstream's, one wins and compacts.
"""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.storage.etcd_client import COMPACTED, EtcdClient, Refused, pb
from pilothouse.machinery import strconv

KEY = b"compact_rev_key"
REVISIONS = range(1 << 63)


async def compact(client: EtcdClient, revision: int) -> None:
    """Forget what is older than `revision`, unless another API server has done so, or does now."""
    answer = await client.read("Range", pb.RangeRequest(key=KEY))
    version, done = (answer.kvs[0].version, _revision(answer.kvs[0].value)) if answer.kvs else (0, 0)
    if done >= revision or not await _won(client, version, revision):
        return
    try:
        await client.write("Compact", pb.CompactionRequest(revision=revision))
    except Refused as refused:
        if refused.details != COMPACTED:  # somebody else has compacted by other means
            raise refused.failure() from refused


async def _won(client: EtcdClient, version: int, revision: int) -> bool:
    compare = pb.Compare(key=KEY, target=pb.Compare.VERSION, version=version)
    put = pb.RequestOp(request_put=pb.PutRequest(key=KEY, value=b"%d" % revision))
    answer: Any = await client.write("Txn", pb.TxnRequest(compare=[compare], success=[put]))
    return bool(answer.succeeded)


def _revision(value: bytes) -> int:
    """The number that the key has; 0 for what is none."""
    return strconv.unsigned(value.decode("ascii", "replace"), REVISIONS) or 0
