"""Fairness: by which FlowSchema and PriorityLevelConfiguration a request counts.

In it: the objects that every cluster has (`defaults.py`), what keeps them as they should be (`ensuring.py`), and which schema
a request matches (`matching.py`). All of it is pure; registry/poststart/ executes, chain/flow_control.py names the flow of each answer.
Not here: queues. Requests are bounded in flight by chain/in_flight.py.
"""
