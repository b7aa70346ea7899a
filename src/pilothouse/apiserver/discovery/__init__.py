"""Discovery: which groups, versions and resources are served.

documents.py makes the documents from the resources (pure); index.py serves them, plain or aggregated (KEP-3352), with an ETag.
"""
