"""Names of the cost functions of `stc.costs` for each kind of element, the default first."""

__all__ = ["ALL", "OF_COEFFICIENTS", "OF_SAMPLES"]

OF_SAMPLES = ("hill", "suniward", "wow", "mipod")
OF_COEFFICIENTS = ("juniward", "uerd")
ALL = OF_SAMPLES + OF_COEFFICIENTS
