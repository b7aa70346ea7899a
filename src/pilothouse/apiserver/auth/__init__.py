"""Authentication and authorization: who sent a request, and what that user may do.

authenticator.py: by client certificate or bearer token; tokens.py, keys.py: ServiceAccount tokens. authorizer.py: the question
"may this user do that?"; rbac/: roles and bindings. reviews.py: TokenReview and the access reviews. Not here: which link of a
request asks (chain/), and what admission plugins refuse (admission/).
"""
