"""Configuration files of kube-apiserver for who may come in: their types, how they are read, and how they are read again.

apiserver_v1.py: AuthenticationConfiguration, AuthorizationConfiguration. loading.py: strict reading. reloading.py: a file that is watched.
"""
