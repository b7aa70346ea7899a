"""What holds for all tests.

- How long the property tests look: as long as a unit test may take, or, with HYPOTHESIS_PROFILE=fuzz (`make fuzz`), much longer.
- Ctrl-C means what it does on a terminal, also where the tests run in the background and inherit that it is ignored.
"""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

PATIENT = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("default", deadline=None, suppress_health_check=PATIENT, print_blob=True, max_examples=40)
settings.register_profile("fuzz", parent=settings.get_profile("default"), max_examples=500)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-k property` finds every test that draws its examples, whatever its name."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.extra_keyword_matches.add("property")


signal.signal(signal.SIGINT, signal.default_int_handler)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
