"""An authorizer that allows one verb and gives what it was asked as its reason."""

from __future__ import annotations

from pilothouse.cel.libraries.authz import ALLOW, DENY, Answer, Attributes


class Recorder:
    """Allows `get`; fails for names with `boom` in them."""

    def authorize(self, attributes: Attributes) -> Answer:
        """The answer; the reason shows the attributes as upstream's test authorizer has them."""
        if "boom" in attributes.name:
            return Answer(error="boom happened")
        asked = (attributes.user, str(not attributes.path).lower(), attributes.verb, attributes.group, attributes.version)
        named = (attributes.resource, attributes.subresource, attributes.namespace, attributes.name, attributes.path)
        return Answer(ALLOW if attributes.verb == "get" else DENY, "|".join((*asked, *named)))

    def service_account(self, namespace: str, name: str) -> str:
        """The name of the user that a service account is."""
        return f"system:serviceaccount:{namespace}:{name}"
