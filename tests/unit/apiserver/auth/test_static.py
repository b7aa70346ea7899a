"""The coarse rules."""

from __future__ import annotations

import pytest

from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.static import StaticAuthorizer
from pilothouse.apiserver.auth.user import ADMIN, ANONYMOUS, AUTHENTICATED, NODES, User, service_account_groups

JANE = User("jane", groups=(AUTHENTICATED,))
NODE = User("system:node:a", groups=(NODES, AUTHENTICATED))
SCHEDULER = User("system:kube-scheduler", groups=(AUTHENTICATED,))
ROBOT = User("system:serviceaccount:default:robot", groups=service_account_groups("default"))

ABOUT_SELF = Attributes("create", "authorization.k8s.io", resource="selfsubjectaccessreviews")


@pytest.mark.parametrize(
    ("user", "asked", "allowed"),
    [
        pytest.param(ADMIN, Attributes("delete", resource="nodes"), True, id="masters may do everything"),
        pytest.param(JANE, Attributes("list", resource="pods"), False, id="others may read nothing"),
        pytest.param(JANE, ABOUT_SELF, True, id="but ask about themselves"),
        pytest.param(JANE, Attributes("get", path="/apis/apps/v1"), True, id="and discover"),
        pytest.param(JANE, Attributes("get", path="/metrics"), False, id="but see no metrics"),
        pytest.param(ANONYMOUS, Attributes("get", path="/livez"), True, id="nobody known asks for health"),
        pytest.param(ANONYMOUS, Attributes("get", path="/apis"), False, id="and discovers nothing"),
        pytest.param(SCHEDULER, Attributes("create", resource="pods", subresource="binding"), True, id="components write"),
        pytest.param(NODE, Attributes("list", resource="pods"), True, id="nodes read"),
        pytest.param(NODE, Attributes("update", resource="pods", subresource="status"), True, id="nodes tell the status of pods"),
        pytest.param(NODE, Attributes("create", "apps", resource="deployments"), False, id="nodes deploy nothing"),
        pytest.param(ROBOT, Attributes("get", path="/openid/v1/jwks"), True, id="service accounts read the issuer's keys"),
        pytest.param(ROBOT, Attributes("get", resource="secrets"), False, id="and no secrets"),
    ],
)
def test_who_may_what(user: User, asked: Attributes, allowed: bool) -> None:
    assert StaticAuthorizer().authorize(user, asked).allowed is allowed
