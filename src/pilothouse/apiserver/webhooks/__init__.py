"""Calls of webhooks: how the API server reaches programs of its users. For admission, conversion, TokenReview and SubjectAccessReview.

- `endpoint.py`: where a clientConfig leads (its URL, or its Service). `services.py`: which address is dialled for a Service.
- `client.py`: one POST with a deadline and bounds, over connections that are kept. `tls.py`: whom it believes. `answers.py`: what an answer
  other than 200 means.
- Whatever goes wrong is a CallFailed, in the words of client-go and of Go's net package: people look for them.

It knows neither admission nor custom resources: bytes of a review go out, bytes of a review come in.
"""
