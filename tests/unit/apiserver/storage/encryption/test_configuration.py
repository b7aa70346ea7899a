"""What kube-apiserver 1.37 says of bad EncryptionConfigurations, and which are taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pilothouse.apiserver.storage.encryption import configuration
from pilothouse.machinery.configfile import BadConfiguration

BAD = json.loads(Path(__file__).with_name("tables").joinpath("bad.json").read_text())
OTHERWISE = {
    "two": "the key is not shown",
    "wrongkind": "another kind of the same group is not known here",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_upstreams_words(name: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        configuration.parse(BAD[name]["file"].encode(), f"e/{name}", reloads=False)
    if name not in OTHERWISE:
        assert str(caught.value) == BAD[name]["message"]


@pytest.mark.parametrize("name", BAD)
def test_no_message_shows_a_key(name: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        configuration.parse(BAD[name]["file"].encode(), f"e/{name}", reloads=False)
    for secret in ("c2VjcmV0IGlzIHNlY3VyZQ", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY"):
        assert secret not in str(caught.value)


def test_names_of_plugins_are_held_to_more_where_the_file_is_read_again() -> None:
    plugin = {"kms": {"name": "k", "apiVersion": "v1", "endpoint": "unix:///x"}}
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration"}
    data = json.dumps({**head, "resources": [{"resources": ["secrets"], "providers": [plugin, plugin]}]}).encode()
    with pytest.raises(BadConfiguration, match="KMSv1 is deprecated"):
        configuration.parse(data, "f", reloads=False)
    with pytest.raises(BadConfiguration, match="duplicate KMS provider name k, names must be unique"):
        configuration.parse(data, "f", reloads=True)


@pytest.mark.parametrize(
    "resources", [["secrets"], ["*."], ["*.*"], ["*.apps"], ["secrets", "configmaps", "pandas.awesome.bears.example"], ["events"]]
)
def test_what_is_right_is_taken(resources: list[str]) -> None:
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration"}
    data = json.dumps({**head, "resources": [{"resources": resources, "providers": [{"identity": {}}]}]}).encode()
    assert configuration.parse(data, "f", reloads=True).resources[0].resources == resources
