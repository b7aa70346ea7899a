"""Machinery: what is true of every Kubernetes object, whatever its kind (upstream's apimachinery).

- struct.py, codec.py, strict.py, unstructured.py, access.py: objects, their JSON and YAML, and the rules of decoding.
- catalogue.py, resource.py, table.py: kinds as values, what a kind declares, and the Table that `kubectl get` shows.
- labels.py, fields.py, names.py, metadata.py, problems.py, errors.py: selectors, rules of names, field errors, StatusError.
- quantity.py, time.py, cron.py, strconv.py, url.py, regex.py, jsonpath.py: texts as Go reads and writes them.
- patch/: JSON patch, merge patch, strategic merge patch, server-side apply. structural/: schemas of custom resources.

Not here: built-in kinds (api/), expressions (cel/), anything that stores, sends or waits. Everything is synchronous and pure.
"""
