"""API client: typed verbs, informers, work queues, events, leader election (as client-go).

- client.py: `Client`, the verbs; call.py: one request as a value; http.py: over HTTPS, with paths.py and answers.py.
- informer.py, informers.py, store.py: list and watch into a cache with indexes, one for each kind and process.
- workqueue.py: keys for workers, with delays and rate limits. leaderelection.py: one active process of several.
- events.py, correlation.py: Events, aggregated and limited as client-go does.
- kubeconfig.py: reading, merging and writing kubeconfig files. dialing.py: which addresses may be dialed on behalf of others.
- streaming/: exec, attach and port-forward.

Not here: the transport within a process (apiserver/), and the kinds themselves (api/).
"""
