from __future__ import annotations

import pytest

from pilothouse.cmd.envtest.flags import BadFlag, parse


@pytest.mark.parametrize(
    ("arguments", "values", "unknown"),
    [
        pytest.param(["--secure-port=1"], {"secure-port": ["1"]}, [], id="with an equals sign"),
        pytest.param(["--secure-port", "1"], {"secure-port": ["1"]}, [], id="with the value behind"),
        pytest.param(["-secure-port=1"], {"secure-port": ["1"]}, [], id="one dash, as Go takes it"),
        pytest.param(["--allow-privileged", "--version=false"], {"allow-privileged": ["true"], "version": ["false"]}, [], id="switches"),
        pytest.param(
            ["--service-account-key-file=a", "--service-account-key-file=b"], {"service-account-key-file": ["a", "b"]}, [], id="twice"
        ),
        pytest.param(["--v=4", "--feature-gates", "A=true"], {}, [], id="flags that change nothing"),
        pytest.param(["--colour", "red", "--secure-port=1"], {"secure-port": ["1"]}, ["--colour"], id="an unknown flag with its value"),
        pytest.param(["--colour=red", "--fast", "--x"], {}, ["--colour", "--fast", "--x"], id="unknown flags"),
        pytest.param(["word", "-", "--"], {}, ["word", "-", "--"], id="words that are no flags"),
        pytest.param(["--client-ca-file=/a=b"], {"client-ca-file": ["/a=b"]}, [], id="an equals sign in the value"),
    ],
)
def test_a_command_line_is_read_as_upstream_reads_it(arguments: list[str], values: dict[str, list[str]], unknown: list[str]) -> None:
    flags = parse(arguments)
    assert (flags.values, flags.unknown) == (values, unknown)


def test_defaults_are_upstreams() -> None:
    flags = parse([])
    assert (flags.secure_port, flags.service_ranges, flags.node_ports) == (6443, ("10.0.0.0/24",), (30000, 32767))
    assert flags.switch("allow-privileged", True) is True


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        pytest.param("--secure-port=x", "--secure-port x", id="a port that is none"),
        pytest.param("--advertise-address=here", "failed to parse IP", id="an address that is none"),
        pytest.param("--secure-port=٣", "--secure-port", id="digits of another script"),
        pytest.param("--service-cluster-ip-range=10.0.0.0/99", "10.0.0.0/99", id="a range that is none"),
        pytest.param("--service-node-port-range=9-1", "9-1", id="a range that goes backwards"),
        pytest.param("--allow-privileged=maybe", 'strconv.ParseBool: parsing "maybe"', id="a switch that is neither"),
    ],
)
def test_a_bad_value_is_told(argument: str, wrong: str) -> None:
    flags = parse([argument])
    with pytest.raises(BadFlag, match="--") as caught:
        [flags.secure_port, flags.service_ranges, flags.node_ports, flags.switch("allow-privileged", True), flags.api_addresses]
    assert wrong in str(caught.value)
