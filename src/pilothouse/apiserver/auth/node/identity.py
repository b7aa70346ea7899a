"""Which node a user is: kubelets are called `system:node:<node>` and are in the group `system:nodes` (upstream's nodeidentifier)."""

from __future__ import annotations

from pilothouse.apiserver.auth.user import AUTHENTICATED, NODE_PREFIX, NODES, User


def node_of(user: User) -> str | None:
    """The node of a kubelet; "" when it does not say which, None for anybody else."""
    if not user.name.startswith(NODE_PREFIX) or NODES not in user.groups:
        return None
    return user.name.removeprefix(NODE_PREFIX)


def user_of(node: str) -> User:
    """Who the kubelet of a node is."""
    return User(NODE_PREFIX + node, groups=(NODES, AUTHENTICATED))
