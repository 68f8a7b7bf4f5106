"""The gateways against real servers, each by itself. What uses a gateway is tested where it lives."""
