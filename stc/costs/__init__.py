"""Cost functions of the field: one image in, one cost per element out.

`hill`, `wow`, `suniward` and `mipod` rate the pixels of one channel, `juniward`, `uerd` and
`jmipod` the quantised coefficients of one JPEG component. Each scheme returns the cost of a
change by one; `wet` turns it into the costs of +1 and -1 with saturated elements forbidden to
leave their range, and `sync_channels` makes the channels of a pixel change in the same direction.
"""

from stc.costs.channels import sync_channels
from stc.costs.hill import hill
from stc.costs.jmipod import jmipod
from stc.costs.juniward import juniward
from stc.costs.mipod import mipod
from stc.costs.suniward import suniward
from stc.costs.uerd import uerd
from stc.costs.wet import wet
from stc.costs.wow import wow

__all__ = ["hill", "jmipod", "juniward", "mipod", "suniward", "sync_channels", "uerd", "wet", "wow"]
