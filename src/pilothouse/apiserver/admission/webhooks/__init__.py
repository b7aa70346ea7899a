"""Admission webhooks: programs of the cluster's users that are asked about requests.

- `configuration.py`: the webhooks of all configurations, as the watch caches show them. `review.py`: what one is sent. `response.py`: what
  it answers. `objects.py`: the objects of a request, and what patches make of them. All pure.
- `calling.py`: one webhook is asked. `mutating.py`: one after the other, each on what the one before has made of the object.
  `validating.py`: all at once.

How they are reached is apiserver/webhooks; which requests they are about is admission/matching.
Upstream: k8s.io/apiserver/pkg/admission/plugin/webhook.
"""
