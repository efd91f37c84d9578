"""Policies that may refuse a run before anything is written: policy and facts in, verdict out."""
