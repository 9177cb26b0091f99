"""The drill's event loop, whose time jumps: deadlines are tested to the millisecond at once."""

from deployments.drill.virtual_time import LoopClock, VirtualTimeLoop

__all__ = ["LoopClock", "VirtualTimeLoop"]
