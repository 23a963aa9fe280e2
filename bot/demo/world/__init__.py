"""A small shop with one incident in it, played on loopback backends in their own wire formats."""

from bot.demo.world.plan import SCENARIOS, ScenarioInfo, Truth
from bot.demo.world.world import Endpoints, World

__all__ = ["SCENARIOS", "Endpoints", "ScenarioInfo", "Truth", "World"]
