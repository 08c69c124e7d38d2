"""Statistics of the study: tables, models and figures computed from the marts of the warehouse.

Kernels (``survival``, ``cox``, ``logistic`` ...) are pure functions of numpy arrays with frequency weights. ``inputs``
is the only reader of the marts; the kernels know it through ``protocols`` alone.
"""
