"""What is done to a frame of sound, compiled: arrays in, arrays out, no memory made.

Samples are 16-bit, frames any length a kernel says; state is an array that the caller keeps, one row a leg.
Importing a module of this package imports numba; `cache.prepare` comes first.
"""
