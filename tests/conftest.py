"""Settings of the whole suite: a property holds however busy the machine is."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")
