"""What the state API raises."""

from pyray.observability.schemas import RayStateApiException, ServerUnavailable

__all__ = ["RayStateApiException", "ServerUnavailable"]
