"""The contexts of TLS that importing makes: without the machine's authorities, and only those."""

import ssl

from pilothouse.cmd.start import without_authorities


def test_contexts_made_inside_trust_nobody() -> None:
    with without_authorities():
        context = ssl.create_default_context()
        context.set_default_verify_paths()
    assert context.get_ca_certs() == []
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_everything_is_as_before_afterwards() -> None:
    before = (ssl.SSLContext.load_default_certs, ssl.SSLContext.set_default_verify_paths, dict(vars(ssl.SSLContext)))
    with without_authorities():
        pass
    assert (ssl.SSLContext.load_default_certs, ssl.SSLContext.set_default_verify_paths, dict(vars(ssl.SSLContext))) == before
