"""Who may do what in the demo: Ben responds for payments, Chloe leads them, Dana is admin, Ada only asks."""

from __future__ import annotations

from bot.demo.workspace.config import ADA, BEN, CHLOE, DANA

ACCESS_YAML = f"""\
squads:
  payment:
    members: [{ADA}, {BEN}, {CHLOE}]
    lead: {CHLOE}
roles:
  admin: [{DANA}]
  responder: [{BEN}]
"""
