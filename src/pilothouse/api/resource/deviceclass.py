"""DeviceClass: a class of devices that claims may choose."""

from __future__ import annotations

from pilothouse.api.types.resource_v1 import DeviceClass
from pilothouse.machinery.resource import Resource

DEVICECLASS = Resource(
    DeviceClass,
    plural="deviceclasses",
    namespaced=False,
)
