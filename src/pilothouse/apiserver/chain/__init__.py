"""The request chain: one link a file, each a function of (request, next).

server.py names the links in their order. A link answers itself, raises a StatusError, or calls `next`. Not here: which function answers
a request (routes.py).
"""
