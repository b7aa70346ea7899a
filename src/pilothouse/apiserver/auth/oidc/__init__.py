"""Bearer tokens of OpenID Connect issuers, as an AuthenticationConfiguration (or the --oidc-* flags) says: upstream's plugin oidc.

validation.py: what is wrong with a configuration. expressions.py: its CEL. claims.py: the claims of a token.
mapping.py: claims to a user. keys.py: an issuer's keys and signatures. issuer.py: one issuer.
issuers.py: all of them, exchanged when the file changes.
flags.py: --oidc-*.
"""
