"""Cost functions of the field: one picture in, one price per pixel out.

Each scheme returns the plain price of changing a pixel; `wet` turns it into the prices of +1 and
-1 with saturated pixels forbidden to leave their range.
"""

from stc.costs.hill import hill
from stc.costs.mipod import mipod
from stc.costs.suniward import suniward
from stc.costs.wet import wet
from stc.costs.wow import wow

__all__ = ["hill", "mipod", "suniward", "wet", "wow"]
