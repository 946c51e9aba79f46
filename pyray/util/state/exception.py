"""What the state API raises."""

from pyray.state_schemas import RayStateApiException, ServerUnavailable

__all__ = ["RayStateApiException", "ServerUnavailable"]
