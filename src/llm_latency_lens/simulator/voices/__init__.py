"""The languages that the simulator speaks: one module each, written from the providers' documentation.

They share nothing with the decoders of `wire`, which are checked against them.
"""
