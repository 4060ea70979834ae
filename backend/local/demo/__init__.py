"""The demo: a team, three shops and three weeks of orders, through the real importers and the real RPCs.

Everything is synthetic and fixed by a seed; times are relative to the moment it is made.
"""
