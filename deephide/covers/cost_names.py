"""Names of the cost functions of `stc.costs` for each kind of element, the default first."""

__all__ = ["ALL", "OF_COEFFICIENTS", "OF_PAYLOADS", "OF_SAMPLES"]

OF_SAMPLES = ("hill", "suniward", "wow", "mipod")
OF_COEFFICIENTS = ("juniward", "uerd", "jmipod")
ALL = OF_SAMPLES + OF_COEFFICIENTS
OF_PAYLOADS = ("mipod", "jmipod")  # depend on what is to be hidden
