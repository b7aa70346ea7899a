"""What the admission plugin NodeRestriction holds a kubelet to, resource by resource.

Each check takes (request, world, node), and raises the refusal in upstream's words.
"""
